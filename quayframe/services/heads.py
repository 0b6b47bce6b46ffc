"""Heads of tags and their history, inside a transaction: set, ended, dated, pinned.

Every change is one conditional update (or first insert) of the head by its version, then of the interval.
What a change takes the last tag from, its signatures follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from quayframe.data.db import Tx
from quayframe.data.tables import Manifest, Tag, TagInterval
from quayframe.errors import PreconditionFailed, TagImmutable

from .clock import now_ms
from .expirations import PLAIN, Terms, terms_of
from .holds import keep_still
from .keeping import batches
from .pins import Pins
from .visibility import live

SUFFIXES = ("sig", "att", "sbom")
"""Tags `sha256-<hex>.<suffix>` sign or describe the manifest of that digest (cosign's convention)."""
_FOLLOWER = re.compile(rf"(sha256|sha512)-([0-9a-f]+)\.(?:{'|'.join(SUFFIXES)})")
_COLUMNS = (
    Tag.id, Tag.repository, Tag.name, Tag.manifest, Tag.start_ms, Tag.end_ms, Tag.end_reason, Tag.immutable,
    Tag.immutable_reason, Tag.version,
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """What a tag is now, its row locked."""

    id: int
    repository_id: int
    name: str
    manifest_id: int
    start_ms: int
    end_ms: int | None
    end_reason: str | None
    immutable: bool
    immutable_reason: str | None
    version: int

    def is_live(self, now: int) -> bool:
        return self.end_ms is None or self.end_ms > now


Guard = Callable[[Head | None], None]


class Heads:
    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    def find(self, tx: Tx, repository_id: int, name: str) -> Head | None:
        """The tag's head, alive or not, locked."""
        rows = tx.lock(Tag.select(*_COLUMNS).where((Tag.repository == repository_id) & (Tag.name == name)))
        return Head(*rows[0]) if rows else None

    def of_manifest(self, tx: Tx, repository_id: int, manifest_id: int) -> list[Head]:
        """The live heads at a manifest, locked in the order of their names."""
        where = (Tag.repository == repository_id) & (Tag.manifest == manifest_id) & live(now_ms())
        return [Head(*row) for row in tx.lock(Tag.select(*_COLUMNS).where(where).order_by(Tag.name))]

    def set(
        self,
        tx: Tx,
        repository_id: int,
        name: str,
        manifest_id: int,
        *,
        terms: Terms = PLAIN,
        guard: Guard | None = None,
        by: str = "moved",
    ) -> Head | None:
        """The tag names the manifest from now on; returns its live head of before, None where it had none.

        :param guard: sees the live head (or None) before anything is changed, and may raise.
        :param by: the rule by which the manifest of before loses the tag.
        Raises TagImmutable, PreconditionFailed, ManifestUnknown when the collector was faster."""
        now = now_ms()
        keep_still(tx, manifest_id)
        head = self.find(tx, repository_id, name)
        terms = self._allowed(tx, repository_id, name, terms)
        fresh = {"end_ms": terms.end_ms, "end_reason": terms.end_reason if terms.end_ms else None}
        pin = {"immutable": int(terms.immutable), "immutable_reason": "label" if terms.immutable else None}
        if head is None:
            if guard:
                guard(None)
            made = tx.insert_absent(
                Tag, repository=repository_id, name=name, manifest=manifest_id, start_ms=now, **fresh, **pin
            )
            head = self.find(tx, repository_id, name)
            assert head is not None
            if made:
                self._open(tx, head, manifest_id, now, terms)
                self._bring_back(tx, repository_id, manifest_id)
                return None
        before = head if head.is_live(now) else None
        if guard:
            guard(before)
        if before is not None and self._pins.of(tx, before) is not None:
            if before.manifest_id == manifest_id:
                return before
            raise TagImmutable(detail={"message": f"tag '{name}' is immutable"})
        start = max(now, head.start_ms + 1)
        if terms.end_ms is not None and start > now:
            # The clock has gone back: the life that was meant begins with the tag.
            terms = replace(terms, end_ms=terms.end_ms + start - now)
            fresh["end_ms"] = terms.end_ms
        self._update(tx, head, manifest=manifest_id, start_ms=start, **fresh, **pin)
        if before is not None:
            self._close(tx, head, start, by)
        self._open(tx, head, manifest_id, start, terms)
        self._bring_back(tx, repository_id, manifest_id)
        if before is not None and before.manifest_id != manifest_id:
            self._follow(tx, repository_id, [before.manifest_id])
        return before

    def end(self, tx: Tx, heads: Iterable[Head], by: str, *, at: int | None = None) -> None:
        """Ends live tags, which the caller has locked, by the rule `by`; their heads stay.

        :param at: the moment; now, if it is not said.
        Raises TagImmutable, PreconditionFailed."""
        left: dict[int, set[int]] = {}
        alike: dict[int, list[int]] = {}
        for head in heads:
            if self._pins.of(tx, head) is not None:
                raise TagImmutable(detail={"message": f"tag '{head.name}' is immutable"})
            alike.setdefault(head.version, []).append(head.id)
            left.setdefault(head.repository_id, set()).add(head.manifest_id)
        # Also where the clock has gone back behind the start: what was ended is not served.
        moment = now_ms() if at is None else at
        # A manifest may have thousands of tags, most of the same version.
        for version, ids in alike.items():
            for some in batches(ids):
                self._end(tx, some, version, moment, by)
        for repository_id, manifests in left.items():
            self._follow(tx, repository_id, manifests)

    def date(self, tx: Tx, head: Head, end_ms: int | None, by: str | None) -> None:
        """Changes when a tag ends (None = never), or has ended, in place: no new interval."""
        self._update(tx, head, end_ms=end_ms, end_reason=by if end_ms is not None else None)
        current = (TagInterval.tag == head.id) & (TagInterval.start_ms == head.start_ms)
        change = TagInterval.update(end_ms=end_ms, end_reason=by if end_ms is not None else None)
        tx.run(change.where(current))

    def pin(self, tx: Tx, head: Head, immutable: bool) -> None:
        """Makes a live tag immutable by the API's word, or takes that back. A pin takes the end away."""
        self._update(tx, head, immutable=int(immutable), immutable_reason="api" if immutable else None)

    def follow(self, tx: Tx, repository_id: int, manifest_ids: Collection[int]) -> None:
        """Of those manifests whose last tag has ended, the tags of their signatures end as well."""
        self._follow(tx, repository_id, manifest_ids)

    # -- parts --------------------------------------------------------------------------------

    def _allowed(self, tx: Tx, repository_id: int, name: str, terms: Terms) -> Terms:
        """The terms without an end, where the tag is pinned from its beginning and pins do not expire."""
        if terms.end_ms is None or self._pins.can_expire or not self._pins.enabled:
            return terms
        if terms.immutable or self._pins.by_policy(tx, repository_id, name) is not None:
            return replace(terms, end_ms=None, end_reason=None)
        return terms

    @staticmethod
    def _update(tx: Tx, head: Head, **values: Any) -> None:
        mine = (Tag.id == head.id) & (Tag.version == head.version)
        if not tx.run(Tag.update(version=head.version + 1, **values).where(mine)):
            raise PreconditionFailed(f"tag {head.name} was changed at the same moment")

    @staticmethod
    def _end(tx: Tx, tag_ids: list[int], version: int, moment: int, by: str) -> None:
        mine = Tag.id.in_(tag_ids) & (Tag.version == version)
        change = Tag.update(version=version + 1, end_ms=moment, end_reason=by)
        if tx.run(change.where(mine)) != len(tag_ids):
            raise PreconditionFailed("a tag was changed at the same moment")
        began = (TagInterval.tag == Tag.id) & (TagInterval.start_ms == Tag.start_ms)
        current = TagInterval.select(TagInterval.id).join(Tag, on=began).where(Tag.id.in_(tag_ids))
        ids = [ident for (ident,) in tx.rows(current)]
        tx.run(TagInterval.update(end_ms=moment, end_reason=by).where(TagInterval.id.in_(ids)))

    @staticmethod
    def _open(tx: Tx, head: Head, manifest_id: int, start: int, terms: Terms) -> None:
        tx.insert(
            TagInterval,
            tag=head.id,
            repository=head.repository_id,
            manifest=manifest_id,
            name=head.name,
            start_ms=start,
            end_ms=terms.end_ms,
            end_reason=terms.end_reason if terms.end_ms else None,
            reversion=int(terms.reversion),
        )

    @staticmethod
    def _close(tx: Tx, head: Head, end: int, by: str) -> None:
        current = (TagInterval.tag == head.id) & (TagInterval.start_ms == head.start_ms)
        tx.run(TagInterval.update(end_ms=end, end_reason=by).where(current))

    def _follow(self, tx: Tx, repository_id: int, manifest_ids: Collection[int]) -> None:
        names = _followers(self._untagged(tx, repository_id, manifest_ids))
        where = (Tag.repository == repository_id) & Tag.name.in_(names) & live(now_ms())
        heads = [Head(*row) for row in tx.lock(Tag.select(*_COLUMNS).where(where).order_by(Tag.name))]
        # A pinned signature stays: it was asked to.
        self.end(tx, [head for head in heads if self._pins.of(tx, head) is None], "subject")

    @staticmethod
    def _untagged(tx: Tx, repository_id: int, manifest_ids: Collection[int]) -> list[str]:
        """The digests of those that no live tag names."""
        ids = set(manifest_ids)
        tagged = (Tag.repository == repository_id) & Tag.manifest.in_(ids) & live(now_ms())
        ids -= {row[0] for row in tx.rows(Tag.select(Tag.manifest).where(tagged))}
        return [d for (d,) in tx.rows(Manifest.select(Manifest.digest).where(Manifest.id.in_(ids)))]

    def _bring_back(self, tx: Tx, repository_id: int, manifest_id: int) -> None:
        """Signature tags that had ended with the manifest's last tag live again, as the manifest does."""
        digest = str(tx.value(Manifest.select(Manifest.digest).where(Manifest.id == manifest_id)))
        where = (Tag.repository == repository_id) & Tag.name.in_(_followers([digest]))
        where &= (Tag.end_reason == "subject") & (Tag.end_ms <= now_ms())
        for row in tx.lock(Tag.select(*_COLUMNS).where(where).order_by(Tag.name)):
            head = Head(*row)
            gone = Manifest.select(Manifest.deleted_ms).where(Manifest.id == head.manifest_id)
            if tx.value(gone) is not None:
                # It was deleted itself, by its digest.
                continue
            terms = replace(terms_of(tx, head.manifest_id, now_ms(), self._pins), reversion=True)
            self.set(tx, repository_id, head.name, head.manifest_id, terms=terms)


def subject_of(tag: str) -> str | None:
    """The digest that a signature tag is about; None for another tag."""
    found = _FOLLOWER.fullmatch(tag)
    return f"{found[1]}:{found[2]}" if found else None


def _followers(digests: Iterable[str]) -> list[str]:
    return [f"{digest.replace(':', '-')}.{suffix}" for digest in digests for suffix in SUFFIXES]
