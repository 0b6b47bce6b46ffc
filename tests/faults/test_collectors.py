"""Several collectors at once, and storage that does not delete."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leftovers import leftovers
from protocol import Protocol
from test_collector_killed import CONFIG, Kept, age, collect, left, prepare

from quayframe.data import tables as t
from quayframe.plugin.storage import StorageUnavailable
from quayframe.services.clock import now_ms
from quayframe.services.principal import SYSTEM


def collecting(folder: Path, config: dict[str, Any], barrier: Any) -> None:
    protocol = Protocol(folder, config)
    barrier.wait(30)
    collect(protocol)
    protocol.close()


def test_collectors_at_once_take_each_thing_once(tmp_path: Path, database_uri: str) -> None:
    config = {"DB_URI": database_uri, **CONFIG}
    kept = prepare(tmp_path, {"DB_URI": database_uri})
    more(tmp_path, database_uri)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    processes = [context.Process(target=collecting, args=(tmp_path, config, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    protocol = Protocol(tmp_path, config)
    # What one of them had locked another one has left for the next round.
    collect(protocol)
    protocol.registry.collector.sweep()
    kept.check(protocol)
    counted = left(protocol)
    assert {name: counted[name] for name in ("Repository", "Manifest", "Blob", "Trash")} == {
        "Repository": 8,
        "Manifest": 1,
        "Blob": 2,
        "Trash": 0,
    }
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []
    assert sizes(protocol, kept) == sum(len(data) for data in kept.blobs.values())
    protocol.close()


def more(folder: Path, uri: str) -> None:
    """Repositories of one namespace that share blobs: all of it can go, some with their repository."""
    protocol = Protocol(folder, {"DB_URI": uri})
    owner = protocol.user()
    first = protocol.repo(owner)
    _, body = first.image("v0")
    document = json.loads(body)
    for number in range(12):
        repo = protocol.repo(owner)
        both = repo.with_(protocol.as_(owner, first.scope, repo.scope))
        for part in (document["config"], *document["layers"]):
            answer = both.do("POST", f"blobs/uploads/?mount={part['digest']}&from={first.name}")
            assert answer.status_code == 201
        assert repo.put("shared", body).status_code == 201
        repo.image("own")
        if number % 2:
            protocol.registry.repositories.delete(SYSTEM, repo.path)
        else:
            repo.delete("manifests/shared")
            repo.delete("manifests/own")
    first.delete("manifests/v0")
    age(protocol)
    protocol.close()


def sizes(protocol: Protocol, kept: Kept) -> int:
    rows = protocol.registry.db.rows(t.SizeDelta.select(t.SizeDelta.namespace, t.SizeDelta.delta))
    totals: dict[int, int] = {}
    for namespace, delta in rows:
        totals[namespace] = totals.get(namespace, 0) + delta
    owner = totals.pop(kept.owner.account_id or 0)
    assert set(totals.values()) <= {0}
    return owner


class Broken:
    """A storage whose delete fails for some keys; counts how often it was asked."""

    def __init__(self, protocol: Protocol, fails: Callable[[str], bool]) -> None:
        self.asked: list[str] = []
        self.fails = fails
        storage: Any = protocol.registry.storage
        backend = storage._backends[storage.home]
        self._delete = backend.delete
        backend.delete = self.delete

    def delete(self, key: str) -> None:
        self.asked.append(key)
        if self.fails(key):
            raise StorageUnavailable("no route")
        self._delete(key)


@pytest.fixture
def protocol(make_protocol: Callable[..., Protocol]) -> Protocol:
    return make_protocol()


def test_an_object_that_cannot_be_deleted_blocks_no_other_and_is_tried_again(protocol: Protocol) -> None:
    repo = protocol.repo()
    digests = [repo.blob()[0].partition(":")[2] for _ in range(6)]
    age(protocol)
    broken = Broken(protocol, lambda key: digests[0] in key)
    collect(protocol)
    stuck = protocol.registry.db.rows(t.Trash.select(t.Trash.storage_key, t.Trash.attempts, t.Trash.due_ms))
    assert len(stuck) == 1
    assert digests[0] in stuck[0][0]
    assert stuck[0][1] == 1
    assert stuck[0][2] > now_ms() + 60_000

    again(protocol)
    collect(protocol)
    attempts, due = protocol.registry.db.rows(t.Trash.select(t.Trash.attempts, t.Trash.due_ms))[0]
    assert attempts == 2
    assert due > now_ms() + 180_000
    broken.fails = lambda key: False
    again(protocol)
    collect(protocol)
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []


def again(protocol: Protocol) -> None:
    """The time of the next attempt has come."""
    protocol.registry.db.write(lambda tx: tx.run(t.Trash.update(due_ms=1)))


def test_a_location_that_is_away_is_asked_a_few_times_and_forgets_nothing(protocol: Protocol) -> None:
    repo = protocol.repo()
    for _ in range(20):
        repo.blob()
    age(protocol)
    broken = Broken(protocol, lambda key: True)
    collect(protocol)
    assert len(broken.asked) == 3
    assert left(protocol)["Trash"] == 20
    broken.fails = lambda key: False
    again(protocol)
    collect(protocol)
    assert left(protocol)["Trash"] == 0
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []


def test_a_location_that_is_no_longer_configured_holds_up_nothing(protocol: Protocol) -> None:
    repo = protocol.repo()
    repo.blob()
    age(protocol)
    other = {"location": "elsewhere", "storage_key": "sha256/ab/x", "due_ms": 1}
    protocol.registry.db.write(lambda tx: tx.insert(t.Trash, **other))
    collect(protocol)
    assert protocol.registry.db.rows(t.Trash.select(t.Trash.location)) == [("elsewhere",)]
