"""Blobs at several locations: copied after a push, and again where a copy went bad; nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from locations_world import Locations
from protocol import Protocol, sha256

from quayframe.data import tables as t
from quayframe.data.db import Tx
from quayframe.errors import StartError, Unavailable
from quayframe.plugin.storage import StorageError
from quayframe.services.placing import Outcome, Stopped
from quayframe.services.storage import Storage

Make = Callable[..., Protocol]


@pytest.fixture
def world(make_protocol: Make, tmp_path: Path) -> Locations:
    return Locations(make_protocol, tmp_path)


def blob_id(world: Locations, digest: str) -> int:
    return int(world.db.value(t.Blob.select(t.Blob.id).where(t.Blob.digest == digest)))


def nothing_left(world: Locations) -> None:
    registry = world.protocol.registry
    registry.collector.sweep(-1000)
    for name, folder in world.folders.items():
        placed = world.at_location(name)
        stored = {
            p for p in folder.rglob("*") if p.is_file() and "uploads" not in p.relative_to(folder).parts
        }
        assert stored == placed
    assert world.db.rows(t.Upload.select(t.Upload.id)) == []
    assert world.db.rows(t.Trash.select(t.Trash.id)) == []


def test_what_a_manifest_needs_comes_to_every_location(world: Locations) -> None:
    layer, data = world.push()
    assert set(world.at(layer)) == {"near"}
    assert world.jobs() == ["replicate", "replicate"]

    assert world.work() == 2
    found = world.at(layer)
    assert {path.read_bytes() for path in found.values()} == {data}
    assert len({path.name for path in found.values()}) == 2
    nothing_left(world)


def test_one_copy_is_asked_for_once(world: Locations) -> None:
    layer, _ = world.push()
    world.push()
    assert world.jobs().count("replicate") == 3, "the layer is the same, the configs are not"
    world.work()
    world.push()
    assert len(world.at(layer)) == 2
    assert world.jobs() == ["replicate"]


def test_without_the_feature_nothing_is_copied(make_protocol: Make, tmp_path: Path) -> None:
    world = Locations(make_protocol, tmp_path, replicated=False)
    world.push()
    assert (world.jobs(), world.work()) == ([], 0)


def test_what_was_there_before_comes_too(make_protocol: Make, tmp_path: Path) -> None:
    before = Locations(make_protocol, tmp_path, replicated=False)
    layer, data = before.push()
    after = Locations(make_protocol, tmp_path)
    after.worker.walk()
    assert after.work() == 2
    assert {path.read_bytes() for path in after.at(layer).values()} == {data}
    after.worker.walk()
    assert after.jobs() == []


def test_a_target_that_is_away_delays_and_loses_nothing(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, data = world.push()
    begin = Storage.begin

    def away(self: Storage, location: str) -> object:
        if location == "far":
            raise Unavailable("far is away")
        return begin(self, location)

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "begin", away)
        world.work()
        assert set(world.at(layer)) == {"near"}
    world.due()
    world.work()
    assert {path.read_bytes() for path in world.at(layer).values()} == {data}
    nothing_left(world)


@pytest.mark.parametrize("at", ["begin", "append", "commit"])
def test_a_worker_that_dies_in_the_middle_leaves_nothing(
    world: Locations, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    class Killed(BaseException):
        pass

    layer, data = world.push()
    real = getattr(Storage, at)

    def die(self: Storage, location: str, *said: object) -> object:
        done = real(self, location, *said)
        if location == "far":
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Storage, at, die)
        with pytest.raises(Killed):
            world.work()
    # Its lease ends.
    world.db.write(lambda tx: tx.run(t.Job.update(lease_until_ms=1, due_ms=0)))
    world.work()
    assert {path.read_bytes() for path in world.at(layer).values()} == {data}
    nothing_left(world)


def test_wrong_bytes_are_not_spread(world: Locations) -> None:
    layer, data = world.push()
    path = world.at(layer)["near"]
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"?")
    world.work()
    assert set(world.at(layer)) == {"near"}
    assert world.protocol.registry.content.placing.copy(blob_id(world, layer), "far") is Outcome.LOST


def test_a_copy_of_what_was_collected_meanwhile_is_left_out(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, _ = world.push()
    ident = blob_id(world, layer)
    commit = Storage.commit

    def gone(tx: Tx) -> None:
        for table in (t.ManifestBlob, t.RepositoryBlob, t.BlobPlacement):
            tx.run(table.delete().where(table.blob == ident))
        tx.run(t.Blob.delete().where(t.Blob.id == ident))

    def collected(self: Storage, location: str, *said: object) -> object:
        world.db.write(gone)
        return commit(self, location, *said)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "commit", collected)
        assert world.protocol.registry.content.placing.copy(ident, "far") is Outcome.GONE
    world.protocol.registry.collector.sweep(-1000)
    assert [p for p in world.folders["far"].rglob("*") if p.is_file()] == []


def test_a_copy_that_is_told_to_stop_leaves_nothing(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quayframe.services.placing._ASK_S", -1.0)
    layer, _ = world.push()
    with pytest.raises(Stopped):
        world.protocol.registry.content.placing.copy(blob_id(world, layer), "far", go_on=lambda: False)
    assert set(world.at(layer)) == {"near"}
    nothing_left(world)


# -- reading ----------------------------------------------------------------------------------------


def test_a_location_that_lost_the_object_is_passed_over_and_gets_it_again(world: Locations) -> None:
    layer, data = world.push()
    world.work()
    world.at(layer)["near"].unlink()
    assert world.repo.get(f"blobs/{layer}").content == data
    world.work()
    assert {path.read_bytes() for path in world.at(layer).values()} == {data}
    assert world.jobs() == []


def test_wrong_bytes_end_the_response_and_the_next_one_is_right(world: Locations) -> None:
    layer, data = world.push()
    world.work()
    path = world.at(layer)["near"]
    path.chmod(0o600)
    path.write_bytes(data[:1000] + b"?" + data[1001:])

    with pytest.raises(Unavailable):
        world.repo.get(f"blobs/{layer}")
    assert world.repo.get(f"blobs/{layer}").content == data
    world.work()
    assert {sha256(path.read_bytes()) for path in world.at(layer).values()} == {layer}
    nothing_left(world)


def test_an_object_that_is_too_short_is_made_up_for_in_the_same_response(world: Locations) -> None:
    layer, data = world.push()
    world.work()
    path = world.at(layer)["near"]
    path.chmod(0o600)
    path.write_bytes(data[:1000])
    assert world.repo.get(f"blobs/{layer}").content == data
    part = world.repo.get(f"blobs/{layer}", headers={"Range": "bytes=500-2000"})
    assert (part.status_code, part.content) == (206, data[500:2001])
    world.work()
    assert {sha256(path.read_bytes()) for path in world.at(layer).values()} == {layer}


def test_a_location_that_fails_in_the_middle_is_gone_on_without(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, data = world.push()
    world.work()
    read = Storage.read

    def failing(self: Storage, location: str, key: str, start: int = 0, stop: int | None = None) -> object:
        pieces = read(self, location, key, start, stop)
        if location == "far":
            return pieces
        return broken(next(pieces)[:100_000])

    def broken(first: bytes) -> object:
        yield first
        raise OSError("the connection was cut")

    monkeypatch.setattr(Storage, "read", failing)
    assert world.repo.get(f"blobs/{layer}").content == data
    assert world.protocol.registry.storage.is_down("near")


def test_the_last_copy_stays_also_when_it_is_wrong(world: Locations) -> None:
    layer, data = world.push()
    path = world.at(layer)["near"]
    key = str(path.relative_to(world.folders["near"]))
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"?")
    payload = {"blob": blob_id(world, layer), "at": "near", "key": key}
    world.protocol.registry.content.replication.recheck(payload, lambda: True)
    assert set(world.at(layer)) == {"near"}


def test_uploads_go_on_while_the_preferred_location_is_away(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Storage.begin

    def away(self: Storage, location: str) -> object:
        if location == "near":
            raise Unavailable("near is away")
        return begin(self, location)

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "begin", away)
        layer, data = world.push()
    assert set(world.at(layer)) == {"far"}
    world.work()
    assert {path.read_bytes() for path in world.at(layer).values()} == {data}


def test_fsck_has_wrong_copies_made_anew(world: Locations) -> None:
    from quayframe.services.fsck import Asked

    layer, data = world.push()
    world.work()
    path = world.at(layer)["near"]
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"?")
    told = list(world.protocol.registry.content.fsck.run(Asked(digests=True, repair=True)))
    assert [(one.finding.kind, one.repaired) for one in told] == [("wrong-bytes", True)]
    world.work()
    assert {sha256(path.read_bytes()) for path in world.at(layer).values()} == {layer}
    assert list(world.protocol.registry.content.fsck.run(Asked(digests=True))) == []


# -- starting ---------------------------------------------------------------------------------------


def test_a_location_that_cannot_be_made_is_named(
    make_protocol: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, config: object) -> None:
        raise StorageError("the key file cannot be read")

    monkeypatch.setattr("quayframe_storage_local.LocalStorage.__init__", refuse)
    config = {"far": ["LocalStorage", {"storage_path": str(tmp_path)}]}
    with pytest.raises(
        StartError, match=r"the storage location far \(LocalStorage\) cannot be used: the key"
    ):
        make_protocol(DISTRIBUTED_STORAGE_CONFIG=config)
