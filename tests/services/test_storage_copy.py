"""storage copy: to another location and back while clients push; killed, begun again, nothing left over."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from locations_world import Locations
from object_servers import Seaweedfs
from protocol import OCI_CONFIG, OCI_LAYER, Protocol, Repo, manifest, sha256

from quayframe.data import tables as t
from quayframe.errors import Refused, Unavailable
from quayframe.services.fsck import Asked
from quayframe.services.storage import Storage
from quayframe.services.storage_copy import Done, StorageCopy

Make = Callable[..., Protocol]
DEADLINE_S = 60


def tell(what: str, done: int, of: int) -> None:
    assert done <= of


def copying(protocol: Protocol) -> StorageCopy:
    registry = protocol.registry
    return StorageCopy(registry.db, registry.storage, registry.blobs, registry.content.placing)


def run(world: Locations, source: str, target: str, **more: bool) -> Done:
    return copying(world.protocol).run(source, target, tell, **more)


def content(protocol: Protocol) -> dict[str, str]:
    """What each location gives for each blob that it has: {location and digest: digest of its bytes}."""
    registry = protocol.registry
    columns = (t.Blob.digest, t.BlobPlacement.location, t.BlobPlacement.storage_key)
    query = t.BlobPlacement.select(*columns).join(t.Blob, on=(t.Blob.id == t.BlobPlacement.blob))
    return {
        f"{location} {digest}": sha256(b"".join(registry.storage.read(location, key)))
        for digest, location, key in registry.db.rows(query)
    }


@pytest.fixture
def world(make_protocol: Make, tmp_path: Path) -> Locations:
    world = Locations(make_protocol, tmp_path, replicated=False)
    for _ in range(5):
        world.repo.image()
    return world


def test_all_comes_over_and_back(world: Locations) -> None:
    before = content(world.protocol)
    there = run(world, "near", "far", move=True)
    assert (there.copied, there.moved, there.lost) == (10, 10, [])
    assert set(content(world.protocol)) == {one.replace("near", "far") for one in before}
    run(world, "far", "near", move=True)
    world.protocol.registry.collector.sweep(-1000)
    assert content(world.protocol) == before
    assert [path for path in world.folders["far"].rglob("*") if path.is_file()] == []


def test_a_second_run_copies_what_is_new(world: Locations) -> None:
    assert run(world, "near", "far").copied == 10
    assert run(world, "near", "far").copied == 0
    world.repo.image()
    assert run(world, "near", "far").copied == 2


def test_what_is_pushed_meanwhile_comes_too(world: Locations, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Storage.begin
    pushed = threading.Event()

    def pushing(self: Storage, location: str) -> object:
        if location == "far" and not pushed.is_set():
            pushed.set()
            world.repo.image()
        return begin(self, location)

    monkeypatch.setattr(Storage, "begin", pushing)
    run(world, "near", "far")
    assert len(world.at_location("far")) == len(world.at_location("near")) == 12


def test_a_location_that_is_away_for_a_moment_is_waited_for(
    world: Locations, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, times = Storage.begin, iter(range(1000))
    monkeypatch.setattr("quayframe.services.storage_copy.time.sleep", lambda seconds: None)

    def away(self: Storage, location: str) -> object:
        if next(times) < 3:
            raise Unavailable("far is away")
        return begin(self, location)

    monkeypatch.setattr(Storage, "begin", away)
    assert run(world, "near", "far").copied == 10


def test_lost_bytes_are_named_and_the_rest_comes(world: Locations) -> None:
    layer, data = world.push()
    path = world.at(layer)["near"]
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"?")
    done = run(world, "near", "far", move=True)
    assert (done.copied, done.lost) == (11, [layer])
    assert set(world.at(layer)) == {"near"}


@pytest.mark.parametrize(("source", "target"), [("near", "near"), ("near", "moon"), ("moon", "near")])
def test_what_is_no_location_is_refused(world: Locations, source: str, target: str) -> None:
    with pytest.raises(Refused):
        run(world, source, target)


def test_what_a_location_has_is_told(world: Locations) -> None:
    world.push()
    run(world, "near", "far")
    world.repo.image()
    held = copying(world.protocol).held()
    assert (held["near"].blobs, held["near"].alone) == (14, 2)
    assert (held["far"].blobs, held["far"].alone) == (12, 0)
    sizes = {name: sum(path.stat().st_size for path in world.at_location(name)) for name in held}
    assert {name: found.size for name, found in held.items()} == sizes


def test_an_upload_under_way_is_told_and_comes_with_the_next_run(world: Locations) -> None:
    location = world.repo.begin()
    assert world.repo.patch(location, b"half ").status_code == 202
    run(world, "near", "far")
    assert (copying(world.protocol).under_way("near"), copying(world.protocol).under_way("far")) == (1, 0)
    assert world.repo.finish(location, sha256(b"half and half"), b"and half").status_code == 201
    assert run(world, "near", "far").copied == 1
    assert copying(world.protocol).under_way("near") == 0


def test_a_laptops_thousand_repositories_go_to_a_bucket_and_come_back(
    make_protocol: Make, tmp_path: Path, seaweedfs_server: Seaweedfs
) -> None:
    """The program is killed in the middle, and run again."""
    bucket = seaweedfs_server.parameters(f"/{secrets.token_hex(8)}")
    protocol = make_protocol(
        TESTING=True,
        DB_URI=f"sqlite:///{tmp_path}/rows.db",
        DISTRIBUTED_STORAGE_CONFIG={
            "disk": ["LocalStorage", {"storage_path": str(tmp_path / "disk")}],
            "bucket": ["S3Storage", bucket],
        },
        DISTRIBUTED_STORAGE_PREFERENCE=["disk"],
    )
    fill(protocol, 1000)
    before = content(protocol)
    assert len(before) == 1001

    command = [
        sys.executable, "-m", "quayframe", "storage", "copy", "disk", "bucket", "--jobs", "8",
        "--config", str(protocol.data.parent / "config.yaml"), "--data", str(protocol.data),
    ]  # fmt: skip
    placed = t.BlobPlacement.select(t.BlobPlacement.id).where(t.BlobPlacement.location == "bucket")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while len(protocol.registry.db.rows(placed)) < 200:
            assert process.poll() is None, process.stdout and process.stdout.read()
        process.send_signal(signal.SIGKILL)
    assert 200 <= len(protocol.registry.db.rows(placed)) < 1001
    again = subprocess.run([*command, "--move"], capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert content(protocol) == {f"bucket {one.split()[1]}": found for one, found in before.items()}

    copying(protocol).run("bucket", "disk", tell, threads=8, move=True)
    # The hold of the process that was killed ends by itself, later.
    protocol.registry.db.write(lambda tx: tx.run(t.Lease.update(until_ms=1)))
    protocol.registry.collector.sweep(-1000)
    assert content(protocol) == before
    assert [told.finding for told in protocol.registry.content.fsck.run(Asked(digests=True))] == []
    assert list(protocol.registry.storage.keys("bucket")) == []


def fill(protocol: Protocol, count: int) -> None:
    """Repositories of one image each; the images share a config."""
    first = protocol.repo()
    config, text = first.blob(json.dumps({"architecture": "amd64"}).encode())
    assert first.owner is not None
    for number in range(count):
        repo: Repo = protocol.repo(first.owner, f"r{number}")
        assert repo.blob(text)[0] == config
        layer, data = repo.blob(f"layer {number}".encode())
        body = manifest((OCI_CONFIG, config, len(text)), [(OCI_LAYER, layer, len(data))])
        assert repo.put("v1", body).status_code == 201
