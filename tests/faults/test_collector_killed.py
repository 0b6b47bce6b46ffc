"""kill -9 of the collector before and after each transaction and each call to storage, and within
transactions: the next collection finishes what it had begun, and takes nothing else."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from leftovers import leftovers
from protocol import Protocol, Repo

from quayframe.data import tables as t
from quayframe.services.principal import SYSTEM, Principal

WEEKS = 15 * 24 * 3_600_000
# What loses its last manifest goes in the same collection.
CONFIG = {"PUSH_TEMP_TAG_EXPIRATION_SEC": 0}


@dataclass
class Kept:
    """What is to be there after any collection."""

    owner: Principal
    name: str
    blobs: dict[str, bytes]
    manifests: dict[str, bytes]

    def check(self, protocol: Protocol) -> None:
        accounts = protocol.registry.accounts
        owner = accounts.principal(accounts.get(self.owner.name))
        session = protocol.as_(owner, f"repository:{self.name}:pull")
        repo = Repo(session, self.name, "http://registry.test", self.owner)
        for digest, data in self.blobs.items():
            assert repo.get(f"blobs/{digest}").content == data
        for digest, body in self.manifests.items():
            assert repo.get(f"manifests/{digest}").content == body


def prepare(folder: Path, config: dict[str, Any] | None = None) -> Kept:
    """A registry in which something of every kind can go: old tags, an index with its children, referrers,
    blobs without a manifest, a deleted repository, a deleted organization."""
    protocol = Protocol(folder, config)
    owner = protocol.user()
    repo = protocol.repo(owner)
    digest, body = repo.image("kept")
    kept = Kept(owner, repo.name, {}, {digest: body})
    for (blob,) in protocol.registry.db.rows(t.Blob.select(t.Blob.digest)):
        kept.blobs[blob] = repo.get(f"blobs/{blob}").content
    images = [repo.image()[1] for _ in range(2)]
    _, outer = repo.index("multi", images)
    repo.referrer(outer)
    repo.image("kept")
    repo.put("kept", body)
    repo.blob()
    repo.delete("manifests/multi")
    gone = protocol.repo(owner)
    gone.image("v1")
    gone.begin()
    protocol.registry.repositories.delete(SYSTEM, gone.path)
    protocol.registry.tenancy.organizations.create(SYSTEM, "acme", admin=owner.name)
    inside = Repo(protocol.as_(owner, "repository:acme/r:push,pull"), "acme/r", repo.base, owner)
    inside.image("v1")
    protocol.registry.tenancy.organizations.delete(SYSTEM, "acme")
    age(protocol)
    protocol.close()
    return kept


def age(protocol: Protocol) -> None:
    """Weeks have passed since."""
    columns: tuple[Any, ...] = (
        t.Tag.start_ms, t.Tag.end_ms, t.TagInterval.start_ms, t.TagInterval.end_ms, t.ManifestHold.expires_ms,
        t.RepositoryBlob.expires_ms, t.Repository.deleted_ms, t.Account.deleted_ms,
    )  # fmt: skip

    def work(tx: Any) -> None:
        for column in columns:
            tx.run(column.model.update({column: column - WEEKS}).where(column > WEEKS))

    protocol.registry.db.write(work)


def collect(protocol: Protocol) -> None:
    registry = protocol.registry
    while registry.content.garbage.round():
        pass
    while registry.collector.empty_trash():
        pass


def killed(folder: Path, kill_at: int, within: bool) -> None:
    """In a process of its own: a collection that ends at `kill_at`."""
    left = kill_at

    def fuse(work: Any, *, both: bool = True) -> Any:
        def fused(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = work(*args, **kwargs)
            if both:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        return fused

    protocol = Protocol(folder, CONFIG)
    registry: Any = protocol.registry
    if within:
        registry.db.run = fuse(registry.db.run, both=False)
    else:
        registry.db.write = fuse(registry.db.write)
        registry.storage._call = fuse(registry.storage._call)
    collect(protocol)
    protocol.close()


def left(protocol: Protocol) -> dict[str, int]:
    """How many rows of each table that a collection takes rows of."""
    tables: tuple[Any, ...] = (
        t.Account, t.Repository, t.Tag, t.TagInterval, t.Manifest, t.ManifestHold, t.ManifestBlob,
        t.ManifestChild, t.RepositoryBlob, t.Blob, t.BlobPlacement, t.Trash, t.Upload, t.Team,
    )  # fmt: skip
    return {table.__name__: len(protocol.registry.db.rows(table.select(table.id))) for table in tables}


@pytest.mark.parametrize("within", [False, True], ids=["between", "within"])
def test_a_collector_killed_at_every_write(tmp_path: Path, soak: bool, within: bool) -> None:
    kept = prepare(tmp_path / "before")
    expected: dict[str, int] | None = None
    context = multiprocessing.get_context("fork")
    step = 1 if soak else 7 if within else 2
    # Far more than there are: the first run is not killed, and says what is right.
    for kill_at in [10**6, *range(0, 10**6, step)]:
        folder = tmp_path / f"at{kill_at}"
        shutil.copytree(tmp_path / "before", folder)
        process = context.Process(target=killed, args=(folder, kill_at, within))
        process.start()
        process.join(60)
        protocol = Protocol(folder, CONFIG)
        kept.check(protocol)
        collect(protocol)
        protocol.registry.collector.sweep()
        kept.check(protocol)
        assert leftovers(protocol.registry.db, protocol.data / "storage") == []
        expected = expected or left(protocol)
        assert left(protocol) == expected
        protocol.close()
        shutil.rmtree(folder)
        if process.exitcode == 0 and kill_at < 10**6:
            assert kill_at > 20
            break
        assert process.exitcode == (0 if kill_at == 10**6 else -signal.SIGKILL)
    assert expected is not None
    assert expected["Manifest"] == 1
    assert expected["Repository"] == 1


def stopped(folder: Path, told: Any) -> None:
    """In a process of its own: a collector that stands still just before its first storage delete."""
    protocol = Protocol(folder, CONFIG)
    registry: Any = protocol.registry
    delete = registry.storage.delete

    def halting(location: str, key: str) -> None:
        told.send(key)
        os.kill(os.getpid(), signal.SIGSTOP)
        delete(location, key)

    registry.storage.delete = halting
    collect(protocol)
    told.close()
    protocol.close()


def test_a_late_delete_hits_nothing_that_was_pushed_since(tmp_path: Path) -> None:
    protocol = Protocol(tmp_path)
    repo = protocol.repo()
    digest, data = repo.blob()
    age(protocol)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=stopped, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(30)
        key = ours.recv()
        assert digest.partition(":")[2] in key
        # It has said so, and stands still now or in a moment.
        assert process.pid is not None
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert repo.head(f"blobs/{digest}").status_code == 404
        assert repo.blob(data) == (digest, data)
    finally:
        os.kill(process.pid or 0, signal.SIGCONT)
        process.join(30)
    assert process.exitcode == 0
    assert repo.get(f"blobs/{digest}").content == data
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []
    protocol.close()
