"""Instance keys: published, shared on one machine, extended, rotated, and believed only while valid."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.errors import Unavailable
from quayframe.services import clock, keys
from quayframe.services.keys import RECHECK_S, ROTATE_MS, Keys

K = tables.ServiceKey
MakeKeys = Callable[..., Keys]


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Iterator[MakeKeys]:
    """Keys of a process: `make()` on the machine's folder, `make(folder=None)` of its own."""
    made: list[Keys] = []

    def one(folder: Path | None = tmp_path, life_s: float = 100, refresh_s: float = 40) -> Keys:
        made.append(Keys(database, service="quay", life_s=life_s, refresh_s=refresh_s, folder=folder))
        return made[-1]

    yield one
    for each in made:
        each.close()


def update(database: Database, **values: Any) -> None:
    database.write(lambda tx: tx.run(K.update(**values)))


def test_a_key_is_published_when_it_is_first_used(make: MakeKeys) -> None:
    mine = make()
    assert mine.published("quay") == []
    key = mine.signing()

    assert mine.published("quay") == [key.jwk]
    assert set(key.jwk) == {"e", "kid", "kty", "n"}
    assert mine.published("other") == []
    assert mine.signing() is key


def test_another_process_believes_a_published_key(make: MakeKeys) -> None:
    key = make(folder=None).signing()
    public = make(folder=None).public(key.kid)

    assert public is not None
    assert public.public_numbers() == key.private.public_key().public_numbers()
    assert make().public("unknown") is None


def test_the_processes_of_one_machine_share_a_key(make: MakeKeys, tmp_path: Path) -> None:
    processes = [make() for _ in range(4)]
    barrier = threading.Barrier(len(processes))
    kids: list[str] = []

    def sign(process: Keys) -> None:
        barrier.wait(20)
        kids.append(process.signing().kid)

    threads = [threading.Thread(target=sign, args=(each,)) for each in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(kids) == 4
    assert len(set(kids)) == 1
    file = tmp_path / "instance.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("*instance*")) == ["instance.pem"]


def test_machines_have_keys_of_their_own(make: MakeKeys) -> None:
    assert make(folder=None).signing().kid != make(folder=None).signing().kid


def test_an_expired_key_is_believed_no_longer(make: MakeKeys, database: Database) -> None:
    key = make().signing()
    update(database, expires_ms=clock.now_ms() - 1)
    other = make()

    assert other.public(key.kid) is None
    assert other.published("quay") == []


def test_a_key_in_the_cache_is_not_believed_beyond_its_own_end(
    make: MakeKeys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make().signing()
    update(database, expires_ms=clock.now_ms() + 3000)
    other = make()
    assert other.public(key.kid) is not None
    later(monkeypatch, 4)

    assert other.public(key.kid) is None


def test_a_revoked_key_stops_verifying_within_its_recheck(
    make: MakeKeys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make().signing()
    other = make()
    assert other.public(key.kid) is not None
    database.write(lambda tx: tx.run(K.delete()))
    later(monkeypatch, RECHECK_S + 1)

    assert other.public(key.kid) is None


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Moves the clocks of keys on."""
    import time

    monotonic, wall, now = time.monotonic, time.time, clock.now_ms
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + seconds)
    monkeypatch.setattr(time, "time", lambda: wall() + seconds)
    monkeypatch.setattr(keys, "now_ms", lambda: now() + int(seconds * 1000))


@pytest.mark.parametrize("values", [{"approved_ms": None}, {"service": "other"}])
def test_only_approved_keys_of_this_registry_are_believed(
    make: MakeKeys, database: Database, values: dict[str, Any]
) -> None:
    key = make().signing()
    update(database, **values)

    assert make().public(key.kid) is None


def test_a_key_is_extended_before_it_ends(
    make: MakeKeys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make(life_s=100)
    key = mine.signing()
    before = database.value(K.select(K.expires_ms))
    # Three quarters of its life have passed: signing itself extends it, if nothing else has.
    later(monkeypatch, 80)

    assert mine.signing().kid == key.kid
    assert database.value(K.select(K.expires_ms)) >= before + 79_000


def test_the_process_itself_extends_its_key(make: MakeKeys, database: Database) -> None:
    mine = make(life_s=10, refresh_s=0.02)
    mine.signing()
    update(database, expires_ms=1)
    mine.keep_extended()
    tick = threading.Event()
    for _ in range(500):
        if database.value(K.select(K.expires_ms)) > clock.now_ms():
            break
        tick.wait(0.01)

    assert database.value(K.select(K.expires_ms)) > clock.now_ms()


def test_an_old_key_is_replaced_and_stays_until_its_last_token_has_ended(
    make: MakeKeys, database: Database, tmp_path: Path
) -> None:
    import os

    mine, beside = make(), make()
    old = mine.signing()
    assert beside.signing().kid == old.kid
    long_ago = (clock.now_ms() - ROTATE_MS - 1000) / 1000
    os.utime(tmp_path / "instance.pem", (long_ago, long_ago))
    mine, beside = make(), make()
    for process in (mine, beside):
        process.signing()
    for process in (mine, beside):
        process.extend()
    new = mine.signing()

    assert new.kid != old.kid
    assert beside.signing().kid == new.kid
    expires = database.value(K.select(K.expires_ms).where(K.kid == old.kid))
    assert expires >= clock.now_ms() + 3600 * 1000
    assert make().public(old.kid) is not None
    assert {jwk["kid"] for jwk in mine.published("quay")} == {old.kid, new.kid}


def test_with_the_database_away_a_published_key_goes_on_signing(
    make: MakeKeys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, fresh = make(folder=None), make(folder=None)
    key = mine.signing()

    def away(*args: Any) -> None:
        raise Unavailable()

    monkeypatch.setattr(database, "write", away)
    later(monkeypatch, 90)
    assert mine.signing().kid == key.kid
    with pytest.raises(Unavailable):
        fresh.signing()
