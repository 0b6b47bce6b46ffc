"""The collector of what repositories hold: it goes from the roots down, in small transactions.

    periods of tags beyond the window → marks → manifests → marks of what they listed and of what referred
    to them, links that will expire → links → blobs → the trash

Candidates are found at the beginning of an index: ends of periods, ends of holds (a mark is a hold that has
expired), ends of links. Whatever takes a reason away marks in the same transaction, so a kill at any
moment forgets nothing. Each transaction locks what it takes away and looks again, so that any number of
collectors may run beside pushes, mounts and restores: whoever gives a reason to stay shares that row first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import peewee

from quayframe.data.content import TagPulls
from quayframe.data.db import Database, Tx
from quayframe.data.tables import (
    Account,
    EventCursor,
    Manifest,
    ManifestBlob,
    ManifestChild,
    ManifestHold,
    Repository,
    RepositoryBlob,
    Tag,
    TagInterval,
)

from . import keeping
from .blobs import Blobs
from .cascade import referring
from .clock import now_ms
from .collecting import Counts, Go, Work, Writer, mark, shortest_window_ms, window_ms
from .heads import Heads
from .keeping import batches
from .lifecycle import decide
from .unlinking import unlink

CANDIDATES = 500
"""Rows of an index that are read at once."""
_INTERVALS = 100
_MANIFESTS = 20
_LINKS = 100
"""How many of each go in one transaction."""
_ENDS = "gc:ends"
_LATE_MS = 60_000
"""How much later than its moment an end may be committed."""


class Collection:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none.
    :param hold_s: PUSH_TEMP_TAG_EXPIRATION_SEC: so long a link stays after its last manifest."""

    def __init__(self, db: Database, heads: Heads, blobs: Blobs, *, window_s: int, hold_s: int) -> None:
        self._db = db
        self._heads = heads
        self._blobs = blobs
        self._window_s = window_s
        self._hold_ms = hold_s * 1000
        self._writer = Writer(db)

    def round(self, go: Go = lambda: True) -> Counts:
        """Takes away what can go now. Returns how much that was; nothing = all is done.

        :param go: asked between two transactions; False = stop here."""
        total = self._intervals(go)
        while go() and (done := self._manifests(go)):
            total += done
        return total + self._links(go)

    # -- signatures ---------------------------------------------------------------------------

    def follow(self, go: Go = lambda: True) -> None:
        """Signature tags end with the last tag of what they sign also where that ended by itself: nothing
        runs at that moment."""
        now = now_ms()
        # Where the clock was put back, what had ended and lives again will end once more.
        cursor = min(now, self._cursor())
        where = (Tag.end_ms > cursor - _LATE_MS) & (Tag.end_ms <= now)
        columns = (Tag.end_ms, Tag.id, Tag.repository, Tag.manifest, Tag.end_reason)
        for rows in self._pages(Tag.select(*columns).where(where), Tag.end_ms, Tag.id, go):
            ended = [(repository, manifest) for _, _, repository, manifest, why in rows if _by_itself(why)]
            for repository, manifests in _grouped(ended, _MANIFESTS):
                self._writer.each(manifests, self._following(repository))
            self._advance(max(cursor, rows[-1][0]))
        if go():
            self._advance(now)

    def _following(self, repository_id: int) -> Work:
        def work(tx: Tx, ids: Sequence[int]) -> Counts:
            # In turn with pushes: a manifest that gets another tag now keeps its signatures.
            tx.in_turn(Repository.select(Repository.id).where(Repository.id == repository_id))
            self._heads.follow(tx, repository_id, ids)
            return Counts()

        return work

    def _cursor(self) -> int:
        found = self._db.value(EventCursor.select(EventCursor.seq).where(EventCursor.name == _ENDS))
        return int(found or 0)

    def _advance(self, to: int) -> None:
        def work(tx: Tx) -> None:
            if not tx.run(EventCursor.update(seq=to).where(EventCursor.name == _ENDS)):
                tx.insert_absent(EventCursor, name=_ENDS, seq=to)

        self._writer.write(work)

    # -- tags ---------------------------------------------------------------------------------

    def _intervals(self, go: Go) -> Counts:
        """Periods beyond their window go, a dead tag with its last one; their manifests are marked."""
        now = now_ms()
        bound = now - shortest_window_ms(self._db, self._window_s)
        query = self._ended(now, TagInterval.end_ms, TagInterval.id).where(TagInterval.end_ms <= bound)
        total = Counts()
        for rows in self._pages(query, TagInterval.end_ms, TagInterval.id, go):
            for some in _chunks([row[1] for row in rows], _INTERVALS):
                if go():
                    total += self._writer.each(some, self._end_intervals)
        return total

    def _ended(self, now: int, *columns: Any) -> Any:
        """Periods that ended longer ago than their namespace's window."""
        return (
            TagInterval.select(*columns)
            .join(Repository, on=(Repository.id == TagInterval.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(TagInterval.end_ms <= now - window_ms(self._window_s))
        )

    def _end_intervals(self, tx: Tx, ids: Sequence[int]) -> Counts:
        mine = TagInterval.id.in_(list(ids))
        wanted = {tag for (tag,) in tx.rows(TagInterval.select(TagInterval.tag).where(mine))}
        # Whoever changes a tag locks its head first.
        query = Tag.select(Tag.id, Tag.start_ms, Tag.end_ms).where(Tag.id.in_(wanted))
        heads = {row[0]: row for row in tx.lock(query.order_by(Tag.repository, Tag.name))}
        now = now_ms()
        live = {i: start for i, start, end in heads.values() if end is None or end > now}
        columns = (TagInterval.id, TagInterval.tag, TagInterval.manifest, TagInterval.start_ms)
        rows = [
            row
            for row in tx.rows(self._ended(now, *columns).where(mine))
            if row[1] in heads and live.get(row[1]) != row[3]
        ]
        if not rows:
            return Counts()
        mark(tx, sorted({row[2] for row in rows}))
        tx.run(TagInterval.delete().where(TagInterval.id.in_([row[0] for row in rows])))
        dead = {row[1] for row in rows} - live.keys()
        return Counts(intervals=len(rows), tags=_end_heads(tx, dead))

    # -- manifests ----------------------------------------------------------------------------

    def _manifests(self, go: Go) -> Counts:
        """Marked manifests that nothing keeps go, and those whose temporary holds have ended."""
        ended = ManifestHold.expires_ms <= now_ms()
        query = (
            ManifestHold.select(ManifestHold.expires_ms, ManifestHold.id, Manifest.repository, Manifest.id)
            .join(Manifest, on=(Manifest.id == ManifestHold.manifest))
            .where(ended)
        )
        total = Counts()
        for rows in self._pages(query, ManifestHold.expires_ms, ManifestHold.id, go):
            for repository, some in _grouped([(row[2], row[3]) for row in rows], _MANIFESTS):
                if go():
                    total += self._writer.each(some, self._of_repository(repository))
        return total

    def _of_repository(self, repository_id: int) -> Work:
        def work(tx: Tx, ids: Sequence[int]) -> Counts:
            # Pushes of manifests to this repository take the same turn.
            if not tx.in_turn(Repository.select(Repository.id).where(Repository.id == repository_id)):
                # Another collector has taken it away as a whole.
                return Counts()
            mine = Manifest.id.in_(list(ids))
            rows = tx.lock(Manifest.select(Manifest.id, Manifest.digest).where(mine).order_by(Manifest.id))
            digests = {ident: str(digest) for ident, digest in rows}
            now = now_ms()
            ended = ManifestHold.manifest.in_(list(digests)) & (ManifestHold.expires_ms <= now)
            tx.run(ManifestHold.delete().where(ended))
            window = self._window_of(tx, repository_id)
            reasons = keeping.of_manifests(tx.rows, repository_id, digests, now, window)
            gone = {ident for ident, found in reasons.items() if not decide(found).is_kept(now)}
            gone -= keeping.named(tx.rows, gone)
            if gone:
                self._remove(tx, repository_id, {ident: digests[ident] for ident in gone}, now)
            # A mark that was looked at is work done: what it led to may be next.
            return Counts(manifests=len(gone))

        return work

    def _window_of(self, tx: Tx, repository_id: int) -> int:
        query = Repository.select(window_ms(self._window_s)).join(
            Account, on=(Account.id == Repository.namespace)
        )
        return int(tx.value(query.where(Repository.id == repository_id)))

    def _remove(self, tx: Tx, repository_id: int, gone: dict[int, str], now: int) -> None:
        """Manifests go; what they alone kept is marked, or will expire."""
        ids = list(gone)
        below = ManifestChild.select(ManifestChild.child).where(ManifestChild.parent.in_(ids))
        left = {int(child) for (child,) in tx.rows(below)}
        about = (Manifest.repository == repository_id) & Manifest.subject.in_(list(gone.values()))
        left |= {int(ident) for (ident,) in tx.rows(Manifest.select(Manifest.id).where(about))}
        mark(tx, sorted(left - gone.keys()))
        named = ManifestBlob.select(ManifestBlob.blob).where(ManifestBlob.manifest.in_(ids)).distinct()
        blobs = {int(blob) for (blob,) in tx.rows(named)}
        for column in referring(Manifest):
            # A row of a tag is never taken along: its foreign key would refuse the manifest's going.
            if column.model not in (Tag, TagInterval):
                tx.run(column.model.delete().where(column.in_(ids)))
        tx.run(Manifest.delete().where(Manifest.id.in_(ids)))
        blobs -= {blob for _, blob in keeping.needed(tx.rows, blobs, [repository_id])}
        for some in batches(blobs):
            mine = (RepositoryBlob.repository == repository_id) & RepositoryBlob.blob.in_(some)
            # Whoever brings a blob back now looks for manifests under this lock: before, or when all is done.
            tx.lock(RepositoryBlob.select(RepositoryBlob.id).where(mine).order_by(RepositoryBlob.id))
            for_good = mine & RepositoryBlob.expires_ms.is_null()
            shown = RepositoryBlob.deleted_ms.is_null()
            # A client that skipped an upload since HEAD said 200 has this long to push its manifest.
            tx.run(RepositoryBlob.update(expires_ms=now + self._hold_ms).where(for_good & shown))
            tx.run(RepositoryBlob.update(expires_ms=now).where(for_good & ~shown))

    # -- blobs --------------------------------------------------------------------------------

    def _links(self, go: Go) -> Counts:
        """Links that have expired go, and with a blob's last link the blob."""
        expired = RepositoryBlob.expires_ms <= now_ms()
        query = RepositoryBlob.select(RepositoryBlob.expires_ms, RepositoryBlob.id).where(expired)
        total = Counts()
        for rows in self._pages(query, RepositoryBlob.expires_ms, RepositoryBlob.id, go):
            for some in _chunks([row[1] for row in rows], _LINKS):
                if go():
                    total += self._writer.each(some, lambda tx, ids: unlink(tx, self._blobs, ids))
        return total

    # -- parts --------------------------------------------------------------------------------

    def _pages(self, query: Any, moment: Any, ident: Any, go: Go) -> Iterator[list[tuple[Any, ...]]]:
        """A query's rows, whose first columns are `moment` and `ident`, in pages: what stays is passed."""
        behind = None
        while go():
            page = query.order_by(moment, ident).limit(CANDIDATES)
            if behind is not None:
                page = page.where((moment >= behind[0]) & ((moment > behind[0]) | (ident > behind[1])))
            rows = self._db.rows(page)
            if rows:
                yield rows
            if len(rows) < CANDIDATES:
                return
            behind = rows[-1][:2]


def _end_heads(tx: Tx, dead: set[int]) -> int:
    """Dead tags without any period left go. Others are what their newest one says from now on, since the
    manifest of before may be collected; they end no later for that. Returns how many went."""
    if not dead:
        return 0
    newest = TagInterval.select(TagInterval.tag, peewee.fn.MAX(TagInterval.start_ms))
    newest = newest.where(TagInterval.tag.in_(dead)).group_by(TagInterval.tag)
    left: dict[int, int] = dict(tx.rows(newest))
    gone = sorted(dead - left.keys())
    tx.run(TagPulls.delete().where(TagPulls.tag.in_(gone)))
    tx.run(Tag.delete().where(Tag.id.in_(gone)))
    for tag, start in left.items():
        where = (TagInterval.tag == tag) & (TagInterval.start_ms == start)
        manifest = tx.value(TagInterval.select(TagInterval.manifest).where(where))
        change = Tag.update(manifest=manifest, start_ms=start, version=Tag.version + 1)
        tx.run(change.where((Tag.id == tag) & ((Tag.manifest != manifest) | (Tag.start_ms != start))))
    return len(gone)


def _by_itself(end_reason: str | None) -> bool:
    """Whether a tag ended without an act, which would have seen to its signatures."""
    return (end_reason or "expiration").partition(":")[0] in ("expiration", "label")


def _chunks(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    for at in range(0, len(ids), size):
        yield list(ids[at : at + size])


def _grouped(pairs: Iterable[tuple[int, int]], size: int) -> Iterator[tuple[int, list[int]]]:
    """(repository, some of its manifests), each once."""
    found: dict[int, dict[int, None]] = {}
    for repository, manifest in pairs:
        found.setdefault(repository, {})[manifest] = None
    for repository, manifests in found.items():
        for some in _chunks(list(manifests), size):
            yield repository, some
