"""When a tag goes, by which rule, and what holds it and its manifest: the reasons, gathered for `decide`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Account, Manifest, ManifestChild, ManifestHold, Tag, TagInterval
from quayframe.errors import NotFound

from . import keeping
from .access import RepositoryRow
from .clock import now_ms
from .heads import subject_of
from .lifecycle import Reason, Verdict, decide, of_end, of_tag
from .pins import Pins
from .pruning import Effort, Place, Pruning
from .visibility import live, visible

_SHOWN = 20
"""Tags, indexes and holds that are named as keeping one manifest: those that keep it longest."""
_DEEPEST = 16
_MOST = 100
"""Manifests above, and subjects of signatures, that one answer asks about: who pushes says how many there
are, and anybody who reads may ask."""
_NEVER = 2**62


@dataclass(frozen=True)
class TagLife:
    """`ends`: what ends a live tag, or ended a dead one; None = never by itself. `gone_ms`: from when on it
    and its manifest may be collected and not come back; None = what holds the manifest has no end."""

    name: str
    digest: str
    is_live: bool
    pinned_by: Reason | None
    ends: Reason | None
    gone_ms: int | None
    reasons: list[Reason]


@dataclass(frozen=True)
class ManifestLife:
    """`gone_ms`: from when on it may be collected; None = what holds it has no end."""

    digest: str
    kept_by: Reason | None
    gone_ms: int | None
    reasons: list[Reason]


@dataclass(frozen=True)
class _Head:
    id: int
    name: str
    manifest_id: int
    start_ms: int
    end_ms: int | None
    end_reason: str | None
    immutable: bool
    immutable_reason: str | None


_COLUMNS = (
    Tag.id, Tag.name, Tag.manifest, Tag.start_ms, Tag.end_ms, Tag.end_reason, Tag.immutable,
    Tag.immutable_reason,
)  # fmt: skip


class Lifecycles:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none."""

    def __init__(self, db: Database, pins: Pins, pruning: Pruning, *, window_s: int) -> None:
        self._db = db
        self._pins = pins
        self._pruning = pruning
        self._window_s = window_s

    def of_tag(self, repository: RepositoryRow, name: str) -> TagLife:
        """Of a live tag, or of a dead one that can still be restored. Raises NotFound."""
        where = (Tag.repository == repository.id) & (Tag.name == name)
        row = self._db.one(Tag.select(*_COLUMNS).where(where))
        if row is None:
            raise NotFound()
        asking = self._asking(repository)
        head = _Head(*row)
        if head.end_ms is not None and head.end_ms <= asking.now - asking.window_ms:
            raise NotFound()
        digest = str(self._db.value(Manifest.select(Manifest.digest).where(Manifest.id == head.manifest_id)))
        reasons = asking.reasons(head)
        verdict = decide(reasons, pins_expire=self._pins.can_expire)
        keeps = asking.keeps(head.manifest_id, head, verdict.ends_ms)
        kept = decide(keeps)
        return TagLife(
            name=name,
            digest=digest,
            is_live=head.end_ms is None or head.end_ms > asking.now,
            pinned_by=verdict.pinned_by,
            ends=verdict.ends_by,
            gone_ms=None if kept.for_good else kept.kept_ms,
            reasons=reasons + keeps,
        )

    def of_manifest(self, repository: RepositoryRow, digest: str, *, hidden: bool = True) -> ManifestLife:
        """Of a manifest that is there; with `hidden` also of one that cannot be seen. Raises NotFound."""
        where = (Manifest.repository == repository.id) & (Manifest.digest == digest)
        row = self._db.one(Manifest.select(Manifest.id, Manifest.deleted_ms).where(where))
        if row is None:
            raise NotFound()
        ident, deleted = row
        shown = deleted is None and visible(self._db.rows, repository.id, {ident}, now_ms())
        if not shown and not hidden:
            raise NotFound()
        asking = self._asking(repository)
        keeps = asking.keeps(ident)
        kept = decide(keeps)
        gone = None if kept.for_good else (kept.kept_ms or asking.now)
        return ManifestLife(digest, kept.kept_by, gone, keeps)

    def _asking(self, repository: RepositoryRow) -> _Asking:
        chosen = self._db.value(
            Account.select(Account.removed_tag_expiration_s).where(Account.id == repository.namespace_id)
        )
        window_s = self._window_s if chosen is None else int(chosen)
        place = Place(repository.id, repository.namespace_id, repository.namespace, repository.name)
        return _Asking(self._db, self._pins, self._pruning, place, window_s * 1000, now_ms())


class _Asking:
    """One question, at one moment."""

    def __init__(
        self, db: Database, pins: Pins, pruning: Pruning, place: Place, window_ms: int, now: int
    ) -> None:
        self.window_ms = window_ms
        self.now = now
        self._db = db
        self._pins = pins
        self._pruning = pruning
        self._place = place
        self._pinned = pins.reading(db, place.id)
        self._verdicts: dict[int, Verdict] = {}
        self._asked = 0
        self._subjects: dict[str, Reason | None] = {}
        self._effort = Effort()

    # -- a tag --------------------------------------------------------------------------------

    def reasons(self, head: _Head, depth: int = 0) -> list[Reason]:
        """What pins a tag, and what ends it or has ended it."""
        end = of_end(head.end_ms, head.end_reason)
        found = [replace(end, settled=True)] if end is not None else []
        if head.end_ms is not None and head.end_ms <= self.now:
            return found
        pin = self._pinned(head.name, bool(head.immutable), head.immutable_reason)
        if pin is not None:
            return [pin, *found]
        found += self._pruning.reasons(self._place, head.name, head.start_ms, self._effort)
        if (subject := self._subject(head.name, depth)) is not None:
            found.append(subject)
        return found

    def _subject(self, name: str, depth: int) -> Reason | None:
        """When a signature goes with the last tag of what it signs."""
        digest = subject_of(name)
        if digest is None or depth == _DEEPEST:
            return None
        if digest not in self._subjects and len(self._subjects) < _MOST:
            # A signature may be a tag of what it signs: in a circle none ends another.
            self._subjects[digest] = None
            self._subjects[digest] = self._last_end(digest, depth)
        return self._subjects.get(digest)

    def _last_end(self, digest: str, depth: int) -> Reason | None:
        """When the last live tag of a manifest ends; None = never by itself."""
        query = Tag.select(*_COLUMNS).join(Manifest, on=(Manifest.id == Tag.manifest))
        signed = (Manifest.repository == self._place.id) & (Manifest.digest == digest) & live(self.now)
        rows = self._db.rows(query.where(signed).limit(_SHOWN + 1))
        if not rows or len(rows) > _SHOWN:
            return None
        last = 0
        for row in rows:
            reasons = self.reasons(_Head(*row), depth + 1)
            ends = decide(reasons, pins_expire=self._pins.can_expire).ends_ms
            if ends is None:
                return None
            last = max(last, ends)
        return Reason("subject", last, digest)

    # -- a manifest ---------------------------------------------------------------------------

    def keeps(
        self, manifest_id: int, head: _Head | None = None, ends_ms: int | None = None, depth: int = 0
    ) -> list[Reason]:
        """What keeps a manifest. Of the tag `head` it is said that it ends at `ends_ms`."""
        found = [] if head is None else [of_tag(head.name, ends_ms, self.window_ms)]
        found += self._tags(manifest_id, head)
        held = (ManifestHold.manifest == manifest_id) & (ManifestHold.expires_ms > self.now)
        holds = ManifestHold.select(ManifestHold.expires_ms, ManifestHold.reason).where(held)
        rows = self._db.rows(holds.order_by(ManifestHold.expires_ms.desc()).limit(_SHOWN))
        found += [Reason("hold", until, why) for until, why in rows]
        parents = (
            Manifest.select(Manifest.id, Manifest.digest)
            .join(ManifestChild, on=(ManifestChild.parent == Manifest.id))
            .where(ManifestChild.child == manifest_id)
        )
        for parent, digest in self._db.rows(parents.limit(_SHOWN)):
            found.append(self._above("index", parent, digest, depth))
        return found + self._refers(manifest_id, depth)

    def _tags(self, manifest_id: int, head: _Head | None) -> list[Reason]:
        named = (Tag.manifest == manifest_id) & Tag.end_ms.is_null()
        if head is not None:
            named &= Tag.id != head.id
        names = self._db.rows(Tag.select(Tag.name).where(named).limit(_SHOWN))
        if len(names) == _SHOWN:
            # A manifest of very many tags: nothing keeps it longer than these.
            return [of_tag(name, None, self.window_ms) for (name,) in names]
        where = (TagInterval.manifest == manifest_id) & keeping.unpurged()
        if head is not None:
            where &= (TagInterval.tag != head.id) | (TagInterval.start_ms != head.start_ms)
        ends: Any = peewee.fn.COALESCE(TagInterval.end_ms, _NEVER)
        last = peewee.fn.MAX(ends)
        rows = self._db.rows(
            TagInterval.select(Tag.name, last)
            .join(Tag, on=(Tag.id == TagInterval.tag))
            .where(where & (ends > self.now - self.window_ms))
            .group_by(Tag.id, Tag.name)
            .order_by(last.desc(), Tag.name)
            .limit(_SHOWN)
        )
        return [of_tag(name, None if end == _NEVER else int(end), self.window_ms) for name, end in rows]

    def _refers(self, manifest_id: int, depth: int) -> list[Reason]:
        columns = (Manifest.subject, Manifest.subject_seen, Manifest.deleted_ms)
        row = self._db.one(Manifest.select(*columns).where(Manifest.id == manifest_id))
        if row is None or row[0] is None or row[2] is not None:
            # Deleted by its digest: only a new push brings it back.
            return []
        digest, seen, _ = row
        there = (Manifest.repository == self._place.id) & (Manifest.digest == digest)
        subject = self._db.value(Manifest.select(Manifest.id).where(there))
        if subject is not None:
            return [self._above("referrer", subject, digest, depth)]
        return [] if seen else [Reason("alone", None, digest)]

    def _above(self, rule: str, manifest_id: int, digest: str, depth: int) -> Reason:
        """A manifest above keeps this one for as long as it is there itself."""
        verdict = self._verdicts.get(manifest_id)
        if verdict is None:
            if depth == _DEEPEST or self._asked == _MOST:
                return Reason(rule, None, digest)
            self._asked += 1
            verdict = decide(self.keeps(manifest_id, depth=depth + 1))
            self._verdicts[manifest_id] = verdict
        return Reason(rule, None if verdict.for_good else (verdict.kept_ms or self.now), digest)
