"""What the sweep does with uploads whose process was killed while it finished them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from leftovers import leftovers
from protocol import Protocol, sha256

from quayframe.errors import Unavailable
from quayframe.plugin.storage import Upload
from quayframe.services.storage import Storage

DATA = b"a layer"


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.fixture
def protocol(make_protocol: Callable[..., Protocol]) -> Protocol:
    return make_protocol(TESTING=True)


def kill_before_the_record(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = protocol.repo()

    def die(*said: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(protocol.registry.uploads, "_record", die)
        with pytest.raises(Killed):
            repo.finish(repo.begin(), sha256(DATA), DATA)


def test_an_object_that_the_back_end_calls_by_another_key_is_not_left_behind(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Storage.commit
    own: dict[str, str] = {}

    def elsewhere(self: Storage, location: str, upload: Upload, key: str) -> str:
        if key not in own:
            own[key] = commit(self, location, upload, key.replace("/", "/x/", 1))
        return own[key]

    monkeypatch.setattr(Storage, "commit", elsewhere)
    kill_before_the_record(protocol, monkeypatch)
    assert len(list(protocol.registry.storage.keys("default"))) == 1

    assert protocol.registry.collector.sweep(-1000)["uploads"] == 1
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []


def test_what_cannot_be_undone_now_waits_and_stops_no_other(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_before_the_record(protocol, monkeypatch)
    protocol.repo().begin()

    def away(*said: object) -> str:
        raise Unavailable("the storage is away")

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "commit", away)
        assert protocol.registry.collector.sweep(-1000)["uploads"] == 1

    assert protocol.registry.collector.sweep(-1000)["uploads"] == 1
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []
