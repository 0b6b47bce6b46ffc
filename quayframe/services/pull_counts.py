"""How often tags and manifests were pulled (FEATURE_IMAGE_PULL_STATS).

Each process counts in its memory and adds what it has counted to the database every few seconds, in
transactions of a few hundred rows, and once more when it stops. A process that is killed loses what it had
not added yet.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import peewee

from quayframe.data.content import ManifestPulls, TagPulls
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Manifest, Tag
from quayframe.errors import NotFound

from .clock import now_ms
from .keeping import batches
from .pulls import Pulled
from .visibility import live, visible

log = logging.getLogger("quayframe.pulls")

FLUSH_S = 5.0
MOST = 10_000
"""Tags, and manifests, that a process counts between two additions; a further one is not counted."""

Counted = dict[int, tuple[int, int]]
"""By id: how many pulls, and when the last one was (ms)."""


@dataclass(frozen=True)
class Pulls:
    """`last_ms` is None where `count` is 0."""

    count: int = 0
    last_ms: int | None = None


@dataclass(frozen=True)
class TagStatistics:
    digest: str
    of_tag: Pulls
    of_manifest: Pulls


class PullCounts:
    """:param enabled: off, or in a registry that is read only, nothing is counted."""

    def __init__(self, db: Database, *, enabled: bool, most: int = MOST) -> None:
        self.enabled = enabled
        self._db = db
        self._most = most
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._manifests: Counted = {}
        self._tags: Counted = {}
        self._missed = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -- counting -----------------------------------------------------------------------------

    def note(self, pulled: Pulled) -> None:
        """One pull, by a tag or by digest."""
        now = now_ms()
        with self._lock:
            self._add(self._manifests, pulled.manifest_id, 1, now)
            if pulled.tag_id is not None:
                self._add(self._tags, pulled.tag_id, 1, now)

    def _add(self, counted: Counted, ident: int, count: int, at: int) -> None:
        known = counted.get(ident)
        if known is not None:
            counted[ident] = (known[0] + count, max(known[1], at))
        elif len(counted) < self._most:
            counted[ident] = (count, at)
        else:
            self._missed += count

    # -- adding to the database ---------------------------------------------------------------

    def keep_flushed(self) -> None:
        """Starts the thread that adds what this process counts; nothing where counting is off."""
        if self.enabled:
            self._thread = threading.Thread(target=self._loop, name="pull-counts", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(FLUSH_S):
            try:
                self.flush()
            except Exception as error:
                log.warning("pulls could not be counted yet: %s", error)

    def close(self) -> None:
        """Ends the thread and adds what is left."""
        self._stop.set()
        try:
            self.flush()
        except Exception as error:
            log.warning("the last pulls of this process are not counted: %s", error)

    def flush(self) -> None:
        """Adds what has been counted. Where that fails it is kept for the next time, and the error raised."""
        with self._flushing:
            with self._lock:
                manifests, self._manifests = self._manifests, {}
                tags, self._tags = self._tags, {}
                missed, self._missed = self._missed, 0
            if missed:
                log.warning("%d pulls were not counted: of more than %d things at once", missed, self._most)
            if not manifests:
                return
            try:
                self._store(ManifestPulls.manifest, Manifest, manifests)
                self._store(TagPulls.tag, Tag, tags)
            except Exception:
                with self._lock:
                    for counted, back in ((self._manifests, manifests), (self._tags, tags)):
                        for ident, (count, at) in back.items():
                            self._add(counted, ident, count, at)
                raise

    def _store(self, column: Any, of: Any, counted: Counted) -> None:
        """What has been added is taken out of `counted`: others wait for no more than a few hundred rows."""
        # In the order of the rows' ids, so that two processes wait for each other in turn.
        for some in batches(counted):
            part = {ident: counted[ident] for ident in some}
            self._db.write(partial(_store, column=column, of=of, counted=part))
            for ident in some:
                del counted[ident]

    # -- reading ------------------------------------------------------------------------------

    def of_tag(self, repository_id: int, name: str) -> TagStatistics:
        """Of a live tag, and of the manifest that it names now. Raises NotFound."""
        row = self._db.one(
            Tag.select(Tag.id, Manifest.id, Manifest.digest)
            .join(Manifest, on=(Manifest.id == Tag.manifest))
            .where((Tag.repository == repository_id) & (Tag.name == name) & live(now_ms()))
        )
        if row is None:
            raise NotFound()
        return TagStatistics(row[2], self._of(TagPulls.tag, row[0]), self._of(ManifestPulls.manifest, row[1]))

    def of_manifest(self, repository_id: int, digest: str) -> Pulls:
        """Of a manifest that can be seen. Raises NotFound."""
        where = (Manifest.repository == repository_id) & (Manifest.digest == digest)
        ident = self._db.value(Manifest.select(Manifest.id).where(where & Manifest.deleted_ms.is_null()))
        if ident is None or not visible(self._db.rows, repository_id, {ident}, now_ms()):
            raise NotFound()
        return self._of(ManifestPulls.manifest, ident)

    def _of(self, column: Any, ident: int) -> Pulls:
        table = column.model
        row = self._db.one(table.select(table.pulls, table.last_ms).where(column == ident))
        return Pulls(*row) if row else Pulls()


def _store(tx: Tx, column: Any, of: Any, counted: Counted) -> None:
    table = column.model
    for ident, (count, at) in sorted(counted.items()):
        later = peewee.Case(None, [(table.last_ms < at, at)], table.last_ms)
        more = table.update(pulls=table.pulls + count, last_ms=later).where(column == ident)
        if tx.run(more):
            continue
        if not tx.share(of.select(of.id).where(of.id == ident)):
            # Collected since it was pulled.
            continue
        if not tx.insert_absent(table, **{column.name: ident, "pulls": count, "last_ms": at}):
            tx.run(more)
