"""Rows and storage against each other: what is wrong is found, told with its cure, and repaired."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from protocol import OCI_INDEX, OCI_MANIFEST, Protocol, Repo, sha256

from quayframe.data import tables as t
from quayframe.data.db import Database
from quayframe.errors import NameUnknown, Unavailable
from quayframe.oci.names import RepositoryName
from quayframe.services.clock import now_ms
from quayframe.services.findings import KINDS
from quayframe.services.fsck import Asked, Told


class World:
    """A registry with an image, an index of it, a signature, and a second repository that mounts a layer."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.repo: Repo = protocol.repo()
        self.digest, self.body = self.repo.image("v1")
        listed = [{"mediaType": OCI_MANIFEST, "digest": self.digest, "size": len(self.body)}]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
        assert self.repo.put("all", index, OCI_INDEX).status_code == 201
        self.index = sha256(index)
        self.layer = json.loads(self.body)["layers"][0]["digest"]

    @property
    def db(self) -> Database:
        return self.protocol.registry.db

    def run(self, **asked: Any) -> list[Told]:
        return list(self.protocol.registry.content.fsck.run(Asked(**asked)))

    def kinds(self, **asked: Any) -> list[str]:
        return [told.finding.kind for told in self.run(**asked)]

    def write(self, query: Any) -> int:
        return int(self.db.write(lambda tx: tx.run(query)))

    def blob(self) -> int:
        return int(self.db.value(t.Blob.select(t.Blob.id).where(t.Blob.digest == self.layer)))

    def file(self) -> Path:
        placed = t.BlobPlacement.blob == self.blob()
        key = self.db.value(t.BlobPlacement.select(t.BlobPlacement.storage_key).where(placed))
        return next(self.protocol.data.rglob(Path(str(key)).name))

    def manifest(self, digest: str) -> int:
        return int(self.db.value(t.Manifest.select(t.Manifest.id).where(t.Manifest.digest == digest)))


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


def test_a_whole_registry_has_nothing_wrong(world: World) -> None:
    assert world.run(digests=True) == []


def lose_object(world: World) -> None:
    world.file().unlink()


def cut_object(world: World) -> None:
    file = world.file()
    file.write_bytes(file.read_bytes()[:-1])


def leave_object(world: World) -> None:
    stray = world.file().with_name("0" * 64 + ".stray")
    stray.write_bytes(b"nobody's")


def end_link(world: World) -> None:
    far = now_ms() + 10**9
    assert world.write(t.RepositoryBlob.update(expires_ms=far).where(t.RepositoryBlob.blob == world.blob()))


def leave_link(world: World) -> None:
    digest, _ = world.repo.blob()
    blob = t.Blob.select(t.Blob.id).where(t.Blob.digest == digest)
    assert world.write(t.RepositoryBlob.update(expires_ms=None).where(t.RepositoryBlob.blob == blob))


def lose_link(world: World) -> None:
    assert world.write(t.RepositoryBlob.delete().where(t.RepositoryBlob.blob == world.blob()))
    # The sum is right again, and the blob is linked elsewhere: this finding is the only one.
    other = world.protocol.repo()
    other.blob(b"other")
    row = world.protocol.registry.access.repository(*other.path)
    assert row is not None
    link = {"repository": row.id, "namespace": row.namespace_id, "blob": world.blob()}
    world.db.write(lambda tx: tx.insert(t.RepositoryBlob, **link, expires_ms=now_ms() + 10**7))
    correct_sums(world)


def correct_sums(world: World) -> None:
    for told in world.run():
        if told.finding.kind == "wrong-sum" and told.finding.repair is not None:
            world.db.write(told.finding.repair)


def lose_name_of_blob(world: World) -> None:
    assert world.write(t.ManifestBlob.delete().where(t.ManifestBlob.blob == world.blob()))
    far = now_ms() + 10**9
    assert world.write(t.RepositoryBlob.update(expires_ms=far).where(t.RepositoryBlob.blob == world.blob()))


def leave_blob(world: World) -> None:
    made = {"digest": "sha256:" + "1" * 64, "size": 0, "created_ms": 1}
    world.db.write(lambda tx: tx.insert(t.Blob, **made))


def forget_manifest(world: World) -> None:
    digest, _ = world.repo.image(None)
    assert world.write(t.ManifestHold.delete().where(t.ManifestHold.manifest == world.manifest(digest)))


def lose_period(world: World) -> None:
    named = t.TagInterval.name == "v1"
    assert world.write(t.TagInterval.delete().where(named))


def leave_period_open(world: World) -> None:
    world.repo.image("moved")
    world.repo.image("moved")
    over = (t.TagInterval.name == "moved") & t.TagInterval.end_ms.is_null(False)
    assert world.write(t.TagInterval.update(end_ms=None).where(over)) == 1


def lose_names_of_periods(world: World) -> None:
    assert world.write(t.TagInterval.update(name=None).where(t.TagInterval.name == "v1"))


def shift_sum(world: World) -> None:
    assert world.write(t.SizeDelta.update(delta=t.SizeDelta.delta + 5).where(t.SizeDelta.id == 1))


DAMAGE: dict[str, Callable[[World], None]] = {
    "missing-object": lose_object,
    "wrong-size": cut_object,
    "orphan-object": leave_object,
    "fleeting-link": end_link,
    "idle-link": leave_link,
    "missing-link": lose_link,
    "missing-blob": lose_name_of_blob,
    "unlinked-blob": leave_blob,
    "forgotten-manifest": forget_manifest,
    "missing-period": lose_period,
    "endless-period": leave_period_open,
    "nameless-period": lose_names_of_periods,
    "wrong-sum": shift_sum,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_wrong_is_found_and_nothing_else_and_a_repair_makes_it_right(world: World, kind: str) -> None:
    DAMAGE[kind](world)
    found = world.run()
    assert [told.finding.kind for told in found] == [kind]
    assert found[0].repaired is None
    assert found[0].finding.text == KINDS[kind]
    assert world.kinds() == [kind], "without --repair nothing is changed"

    assert [told.repaired for told in world.run(repair=True)] == [True]
    after = world.kinds(digests=True)
    # A copy that is forgotten leaves a blob that the next push brings.
    assert after == (["lost-blob"] if kind in ("missing-object", "wrong-size") else [])
    assert world.repo.get("manifests/v1").content == world.body


def test_bytes_of_another_digest_are_found_only_when_they_are_read(world: World) -> None:
    file = world.file()
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.write_bytes(bytes(data))

    assert world.kinds() == []
    assert world.kinds(digests=True) == ["wrong-bytes"]
    assert [told.repaired for told in world.run(digests=True, repair=True)] == [True]
    assert world.repo.get(f"blobs/{world.layer}").status_code == 404


def test_an_upload_mends_a_copy_that_was_forgotten(world: World) -> None:
    content = world.file().read_bytes()
    world.file().unlink()
    world.run(repair=True)
    world.repo.blob(content)
    assert world.kinds(digests=True) == []
    assert world.repo.get(f"blobs/{world.layer}").content == content


def test_a_manifest_whose_bytes_are_not_its_own_is_told(world: World) -> None:
    changed = t.Manifest.update(body=world.body + b" ").where(t.Manifest.digest == world.digest)
    assert world.write(changed)
    assert world.kinds(repair=True) == ["wrong-manifest"]


def test_a_child_that_is_not_there_is_told_unless_indexes_may_be_sparse(
    world: World, make_protocol: Callable[..., Protocol]
) -> None:
    assert world.write(t.ManifestChild.delete().where(t.ManifestChild.parent == world.manifest(world.index)))
    assert world.kinds() == ["missing-child"]

    sparse = World(make_protocol(FEATURE_SPARSE_INDEX=True))
    sparse.write(t.ManifestChild.delete())
    assert sparse.kinds() == []


def test_what_is_on_its_way_is_no_finding(world: World) -> None:
    world.repo.begin()
    world.repo.blob()
    world.repo.image(None)
    world.repo.delete(f"manifests/{world.index}")
    assert world.kinds() == []


def test_an_object_between_its_commit_and_its_row_is_no_orphan(world: World) -> None:
    """The commit has made the object under a key that its row does not name yet."""
    stray = world.file().with_name("2" * 64 + ".late")
    stray.write_bytes(b"late")
    upload = {
        "uuid": "u", "repository_path": "a/b", "location": "default", "state": "[0,{}]", "created_ms": 1,
        "touched_ms": now_ms(), "committing": "sha256:" + "2" * 64, "storage_key": "planned",
    }  # fmt: skip
    location = world.protocol.registry.storage.home
    ident = world.db.write(lambda tx: tx.insert(t.Upload, **(upload | {"location": location})))
    key = str(stray.relative_to(stray.parents[2]))

    def finish() -> None:
        blob = world.blob()
        world.db.write(
            lambda tx: (
                tx.run(t.BlobPlacement.update(storage_key=key).where(t.BlobPlacement.blob == blob)),
                tx.run(t.Upload.delete().where(t.Upload.id == ident)),
            )
        )

    timer = threading.Timer(1, finish)
    timer.start()
    orphans = [told.finding.what for told in world.run() if told.finding.kind == "orphan-object"]
    timer.join()
    assert key not in orphans


def test_an_object_that_cannot_be_deleted_is_told(world: World) -> None:
    row = {"location": "default", "storage_key": "stuck", "due_ms": 1, "attempts": 9, "error": "denied"}
    world.db.write(lambda tx: tx.insert(t.Trash, **row))
    (told,) = world.run()
    assert (told.finding.kind, told.finding.what) == ("undeletable", "stuck: denied")


def test_one_repository_is_checked_alone(world: World) -> None:
    other = world.protocol.repo()
    other.image("v1")
    lose_object(world)
    shift_sum(world)
    assert world.kinds(repository=RepositoryName(*other.path)) == []
    assert world.kinds(repository=RepositoryName(*world.repo.path)) == ["missing-object"]
    with pytest.raises(NameUnknown):
        world.run(repository=RepositoryName("no", "where"))


def test_storage_that_is_away_is_not_taken_for_empty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Any:
        raise Unavailable("the registry's storage is away; try again")

    monkeypatch.setattr(world.protocol.registry.storage, "size", away)
    with pytest.raises(Unavailable):
        world.run(repair=True)
    monkeypatch.undo()
    assert world.kinds() == []


def test_a_folder_that_is_not_mounted_is_not_repaired(world: World) -> None:
    """It comes back with all that was in it."""
    storage = world.protocol.data / "storage"
    away = storage.rename(world.protocol.data / "away")
    found = world.run(repair=True)
    assert {(told.finding.kind, told.repaired) for told in found} == {("missing-object", None)}
    if storage.exists():
        shutil.rmtree(storage)
    away.rename(storage)

    assert world.run(digests=True) == []
    assert world.db.rows(t.Trash.select(t.Trash.id)) == []


def test_an_object_that_turns_up_again_is_not_deleted(world: World) -> None:
    file = world.file()
    data = file.read_bytes()
    file.unlink()
    assert [told.repaired for told in world.run(repair=True)] == [True]
    file.write_bytes(data)
    world.write(t.Trash.update(due_ms=1))
    while world.protocol.registry.collector.empty_trash():
        pass

    assert file.read_bytes() == data


def test_what_another_registry_left_is_told_and_stays(world: World) -> None:
    """Its rows may be yet to come."""
    file = world.file()
    file.with_name("0" * 64).write_bytes(b"of an original registry")

    assert [(told.finding.kind, told.repaired) for told in world.run(repair=True)] == [
        ("orphan-object", None)
    ]
