"""Registries whose time passes as tests say: what ended is moved into the past, and collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from leftovers import leftovers
from protocol import Protocol, Repo

from quayframe.data import tables as t
from quayframe.data.db import Database
from quayframe.services.collecting import Counts
from quayframe.services.principal import SYSTEM

HOUR = 3_600_000
DAY = 24 * HOUR
WINDOW = 14 * DAY

MOMENTS: tuple[Any, ...] = (
    t.Tag.start_ms, t.Tag.end_ms, t.TagInterval.start_ms, t.TagInterval.end_ms, t.ManifestHold.expires_ms,
    t.RepositoryBlob.expires_ms, t.RepositoryBlob.deleted_ms, t.Repository.deleted_ms, t.Account.deleted_ms,
    t.Manifest.deleted_ms, t.Trash.due_ms,
)  # fmt: skip


def pass_time(db: Database, ms: int) -> None:
    """All that has happened, happened so much longer ago."""

    def work(tx: Any) -> None:
        for column in MOMENTS:
            # A mark's 0 and what is going for good have no moment.
            tx.run(column.model.update({column: column - ms}).where(column > max(ms, 1)))
        tx.run(t.EventCursor.update(seq=t.EventCursor.seq - ms).where(t.EventCursor.name == "gc:ends"))

    db.write(work)


@dataclass
class World:
    protocol: Protocol

    @property
    def db(self) -> Database:
        return self.protocol.registry.db

    def collect(self) -> Counts:
        """Until nothing is left, as `gc run` does."""
        total = Counts()
        while done := self.protocol.registry.content.garbage.round():
            total += done
        while objects := self.protocol.registry.collector.empty_trash():
            total += Counts(objects=objects)
        return total

    def later(self, ms: int) -> Counts:
        """So much later: what that brings is collected."""
        pass_time(self.db, ms)
        return self.collect()

    def count(self, table: Any) -> int:
        return len(self.db.rows(table.select(table.id)))

    def left(self) -> dict[str, int]:
        """How many rows of content there are, of the tables that have any."""
        kinds: tuple[Any, ...] = (
            t.Tag,
            t.TagInterval,
            t.Manifest,
            t.ManifestHold,
            t.ManifestBlob,
            t.ManifestChild,
        )
        kinds += (t.RepositoryBlob, t.Blob, t.BlobPlacement, t.Trash, t.Upload)
        counted = {table.__name__: self.count(table) for table in kinds}
        return {name: count for name, count in counted.items() if count}

    def is_clean(self) -> bool:
        """Nothing of any content is left, in rows and in storage."""
        return self.left() == {} and leftovers(self.db, self.protocol.data / "storage") == []

    def consistent(self) -> bool:
        """Rows and storage fit each other."""
        return leftovers(self.db, self.protocol.data / "storage") == []

    def repository_id(self, repo: Repo) -> int:
        row = self.protocol.registry.access.repository(*repo.path)
        assert row is not None
        return row.id

    def delete_repository(self, repo: Repo) -> None:
        self.protocol.registry.repositories.delete(SYSTEM, repo.path)

    def size(self, namespace_id: int | None) -> int:
        """What the deltas of a namespace come to, in bytes."""
        rows = self.db.rows(
            t.SizeDelta.select(t.SizeDelta.delta).where(t.SizeDelta.namespace == namespace_id)
        )
        return sum(delta for (delta,) in rows)
