"""The counts of pulls: added up on every database, bounded, not lost by a failure, kept by a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from protocol import Protocol, Repo

from quayframe.data import tables as t
from quayframe.data.content import ManifestPulls, TagPulls
from quayframe.data.db import Database
from quayframe.errors import Unavailable
from quayframe.services.clock import now_ms
from quayframe.services.pull_counts import PullCounts
from quayframe.services.pulls import Pulled
from quayframe.testing.server import RegistryServer

DEADLINE_S = 30


@pytest.fixture
def protocol(make_protocol: Callable[..., Protocol], database_uri: str) -> Protocol:
    return make_protocol(DB_URI=database_uri, FEATURE_IMAGE_PULL_STATS=True)


@pytest.fixture
def repo(protocol: Protocol) -> Repo:
    return protocol.repo()


def counted(db: Database) -> tuple[list[int], list[int]]:
    """Of the manifests, and of the tags, in the order of their ids."""
    manifests = db.rows(ManifestPulls.select(ManifestPulls.pulls).order_by(ManifestPulls.manifest))
    tags = db.rows(TagPulls.select(TagPulls.pulls).order_by(TagPulls.tag))
    return [int(n) for (n,) in manifests], [int(n) for (n,) in tags]


def pulled(protocol: Protocol, tag: str | None = None) -> Pulled:
    """The only manifest, by its tag or by digest."""
    ident = protocol.registry.db.value(t.Manifest.select(t.Manifest.id))
    of = t.Tag.select(t.Tag.id).where(t.Tag.name == (tag or ""))
    return Pulled("", "", b"", ident, protocol.registry.db.value(of))


def test_additions_add_up_and_the_last_pull_is_the_last(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    counts, db = protocol.registry.content.pull_counts, protocol.registry.db
    moments = []
    for _ in range(2):
        repo.get("manifests/v1")
        repo.get("manifests/v1")
        counts.flush()
        moments.append(db.value(TagPulls.select(TagPulls.last_ms)))

    assert counted(db) == ([4], [4])
    assert moments[0] < moments[1]


def test_an_older_addition_does_not_take_the_last_pull_back(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    db = protocol.registry.db
    slow, fast = (PullCounts(db, enabled=True) for _ in range(2))
    slow.note(pulled(protocol, "v1"))
    first = now_ms()
    while now_ms() == first:
        pass
    fast.note(pulled(protocol, "v1"))
    fast.flush()
    last = db.value(TagPulls.select(TagPulls.last_ms))
    slow.flush()

    assert (db.value(TagPulls.select(TagPulls.last_ms)), counted(db)) == (last, ([2], [2]))


def test_processes_that_add_at_the_same_time_lose_nothing(protocol: Protocol, repo: Repo) -> None:
    for name in ("a", "b", "c"):
        repo.image(name)
    db = protocol.registry.db
    ids = [row[0] for row in db.rows(t.Manifest.select(t.Manifest.id))]
    tags = [row[0] for row in db.rows(t.Tag.select(t.Tag.id))]
    faults: list[Exception] = []

    def process(order: int) -> None:
        counts = PullCounts(db, enabled=True)
        try:
            for _ in range(10):
                for manifest_id, tag_id in list(zip(ids, tags, strict=True))[::order]:
                    counts.note(Pulled("", "", b"", manifest_id, tag_id))
                counts.flush()
        except Exception as error:
            faults.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=process, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert counted(db) == ([40, 40, 40], [40, 40, 40])


def test_what_was_collected_since_is_passed_over(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    counts, db = protocol.registry.content.pull_counts, protocol.registry.db
    repo.get("manifests/v1")
    counts.note(Pulled("", "", b"", 10**9, 10**9))
    counts.flush()

    assert counted(db) == ([1], [1])


def test_what_could_not_be_added_is_kept_for_the_next_time(
    protocol: Protocol, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.image("v1")
    counts, db = protocol.registry.content.pull_counts, protocol.registry.db
    repo.get("manifests/v1")

    def away(work: Any) -> None:
        counts.note(pulled(protocol, "v1"))
        raise Unavailable("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(db, "write", away)
        with pytest.raises(Unavailable):
            counts.flush()
    counts.flush()

    assert counted(db) == ([2], [2])


def test_the_memory_is_bounded(protocol: Protocol, repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    repo.image("v1")
    db = protocol.registry.db
    counts = PullCounts(db, enabled=True, most=1)
    known = pulled(protocol, "v1")
    for manifest_id in (known.manifest_id, 10**9, known.manifest_id):
        counts.note(Pulled("", "", b"", manifest_id))
    counts.flush()

    assert counted(db) == ([2], [])
    assert "1 pulls were not counted" in caplog.text


def test_a_stop_adds_what_is_left(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    protocol.registry.content.pull_counts.keep_flushed()
    repo.get("manifests/v1")
    protocol.registry.content.pull_counts.close()

    assert counted(protocol.registry.db) == ([1], [1])


def test_a_read_only_registry_counts_nothing(make_protocol: Callable[..., Protocol]) -> None:
    readonly = make_protocol(FEATURE_IMAGE_PULL_STATS=True, REGISTRY_STATE="readonly")

    assert not readonly.registry.content.pull_counts.enabled


# -- in a server --------------------------------------------------------------------------------


def pull_count(server: RegistryServer) -> int:
    db = Database(f"sqlite:///{server.data / 'quayframe.db'}")
    try:
        return sum(counted(db)[1])
    finally:
        db.close()


@pytest.mark.parametrize("kind", ["granian", "gunicorn"])
def test_a_server_adds_by_itself_and_when_it_stops(tmp_path: Path, kind: str) -> None:
    server = RegistryServer(
        tmp_path / "registry", {"FEATURE_IMAGE_PULL_STATS": True}, ["--server", kind, "--workers", "2"]
    ).start()
    try:
        name = f"{server.user('ann')[0]}/app"
        pull(server, name, times=10)
        wait_for(lambda: pull_count(server) == 10)
        pull(server, name, times=7)
        server.stop()
    finally:
        server.kill()
    assert pull_count(server) == 17


def pull(server: RegistryServer, name: str, times: int) -> None:
    """Pushes an image and pulls it so often. The connections end: gunicorn's stop waits for idle ones."""
    auth = ("ann", "correct-horse")
    with server.session(auth, f"repository:{name}:pull,push") as session:
        repo = Repo(session, name, server.url)
        repo.image("v1")
        for _ in range(times):
            assert repo.get("manifests/v1").status_code == 200


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
