"""Tags as lists show them: the live ones, or all that was, page by page.

A page's ids come out of a covering index alone, from the latest start on; what is shown of them is read
for those rows only. So the last of a thousand pages costs little more than the first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.fields import POSTGRESQL
from quayframe.data.tables import Manifest, ManifestChild, Tag, TagInterval
from quayframe.oci import manifest as oci
from quayframe.oci.media import INDEX_TYPES

from .clock import now_ms
from .pins import Pins
from .visibility import live

MOST = 100
USUAL = 50
_FARTHEST = 2**40
_INDEX_BYTES = 8 * 1024 * 1024
"""Of indexes that are read for one page; of those beyond it is not said what they list."""


@dataclass(frozen=True)
class Wanted:
    """What a list is asked for. `part`: a piece of the name; `name`: the whole of it."""

    active: bool = False
    name: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class Period:
    """A tag while it named one manifest, times in ms. `size`: the sum of the layers' in bytes, None for an
    index. `immutable`: now. `children`: of an index, {digest: whether it is here}; None where that would take
    too long."""

    name: str
    digest: str
    is_index: bool
    size: int | None
    start_ms: int
    end_ms: int | None
    reversion: bool
    immutable: bool
    children: dict[str, bool] | None = field(default_factory=dict)


class TagHistory:
    def __init__(self, db: Database, pins: Pins) -> None:
        self._db = db
        self._pins = pins

    def page(self, repository_id: int, wanted: Wanted, page: int, limit: int) -> tuple[list[Period], bool]:
        """The `page`th `limit` periods (from 1), the latest first, then by name; whether more follow."""
        offset = (page - 1) * limit
        if offset > _FARTHEST:
            return [], False
        if wanted.name is not None:
            ids, more = self._ids_of(repository_id, wanted, offset, limit)
        else:
            table: Any = Tag if wanted.active else TagInterval
            where = table.repository == repository_id
            if wanted.active:
                where &= live(now_ms())
            if wanted.part is not None:
                where &= self._contains(table.name, wanted.part)
            ids, more = self._ids(table, where, offset, limit)
        rows = self._rows(repository_id, ids, by_head=wanted.active)
        return [rows[ident] for ident in ids if ident in rows], more

    def _contains(self, column: Any, text: str) -> Any:
        # LIKE knows no capital letters on SQLite, and reads % and _ of a name as its own.
        find = peewee.fn.STRPOS if self._db.dialect == POSTGRESQL else peewee.fn.INSTR
        return find(column, text) > 0

    def _ids_of(self, repository_id: int, wanted: Wanted, offset: int, limit: int) -> tuple[list[int], bool]:
        """Of one tag, whose few rows are found by it, however many others there are."""
        if wanted.part is not None and wanted.part not in (wanted.name or ""):
            return [], False
        head = (Tag.repository == repository_id) & (Tag.name == wanted.name)
        if wanted.active:
            head &= live(now_ms())
        ident = self._db.value(Tag.select(Tag.id).where(head))
        if ident is None or (wanted.active and offset):
            return [], False
        if wanted.active:
            return [ident], False
        query = TagInterval.select(TagInterval.id).where(TagInterval.tag == ident)
        rows = self._db.rows(query.order_by(TagInterval.start_ms.desc()).limit(limit + 1).offset(offset))
        return [row[0] for row in rows[:limit]], len(rows) > limit

    def _ids(self, table: Any, where: Any, offset: int, limit: int) -> tuple[list[int], bool]:
        """The index is read in its own order, with the names of one moment backwards. Of the moments at
        which the page begins and ends, which may go on in other pages, the names are read once more."""
        query = table.select(table.id, table.start_ms, table.name).where(where)
        down = query.order_by(table.start_ms.desc(), table.name.desc())
        rows = self._db.rows(down.limit(limit + 1).offset(offset))
        moments = [list(group) for _, group in groupby(rows[:limit], key=lambda row: row[1])]
        found: list[int] = []
        for number, group in enumerate(moments):
            if 0 < number < len(moments) - 1:
                found += [row[0] for row in reversed(group)]
                continue
            moment = where & (table.start_ms == group[0][1])
            # So many names of this moment are in the pages before.
            skipped = 0 if number else self._count(table, moment & (table.name > group[0][2]))
            names = table.select(table.id, table.name).where(moment).order_by(table.name)
            found += [row[0] for row in self._db.rows(names.limit(len(group)).offset(skipped))]
        return found, len(rows) > limit

    def _count(self, table: Any, where: Any) -> int:
        return int(self._db.value(table.select(peewee.fn.COUNT(table.id)).where(where)))

    def _rows(self, repository_id: int, ids: Collection[int], *, by_head: bool) -> dict[int, Period]:
        """What is shown, by the id of the head or of the interval."""
        current = (TagInterval.tag == Tag.id) & (TagInterval.start_ms == Tag.start_ms)
        key = Tag.id if by_head else TagInterval.id
        query = (
            TagInterval.select(
                key, Tag.name, Manifest.id, Manifest.digest, Manifest.media_type, Manifest.layers_size,
                TagInterval.start_ms, TagInterval.end_ms, TagInterval.reversion,
                Tag.start_ms, Tag.immutable, Tag.immutable_reason, Manifest.size,
            )
            .join(Tag, on=current if by_head else (TagInterval.tag == Tag.id))
            .join(Manifest, on=(Manifest.id == TagInterval.manifest))
            .where(key.in_(list(ids)))
        )  # fmt: skip
        rows = self._db.rows(query)
        indexes = {row[2]: int(row[12]) for row in rows if row[4] in INDEX_TYPES}
        children = self._children(_fitting(indexes))
        pinned = self._pins.reading(self._db, repository_id)
        now = now_ms()
        found = {}
        for ident, name, manifest, digest, media, size, start, end, back, head, flag, why, _ in rows:
            is_live = start == head and (end is None or end > now)
            found[ident] = Period(
                name=name,
                digest=digest,
                is_index=media in INDEX_TYPES,
                size=None if media in INDEX_TYPES else int(size),
                start_ms=int(start),
                end_ms=end,
                reversion=bool(back),
                immutable=is_live and pinned(name, bool(flag), why) is not None,
                children=children.get(manifest) if manifest in indexes else {},
            )
        return found

    def _children(self, manifest_ids: Collection[int]) -> dict[int, dict[str, bool]]:
        """By index: {digest of each manifest that it lists: whether it is here}."""
        if not manifest_ids:
            return {}
        present: dict[int, set[str]] = {}
        known = ManifestChild.parent.in_(list(manifest_ids))
        for parent, digest in self._db.rows(
            ManifestChild.select(ManifestChild.parent, Manifest.digest)
            .join(Manifest, on=(Manifest.id == ManifestChild.child))
            .where(known & Manifest.deleted_ms.is_null())
        ):
            present.setdefault(parent, set()).add(digest)
        bodies = self._db.rows(
            Manifest.select(Manifest.id, Manifest.body, Manifest.media_type).where(
                Manifest.id.in_(list(manifest_ids))
            )
        )
        return {
            ident: {
                str(child.digest): str(child.digest) in present.get(ident, ())
                for child in oci.parse(bytes(body), media).children
            }
            for ident, body, media in bodies
        }


def _fitting(indexes: dict[int, int]) -> set[int]:
    """Those, the small ones first, that together are not too long. A page
    may show a hundred of four megabytes."""
    found: set[int] = set()
    room = _INDEX_BYTES
    for ident, size in sorted(indexes.items(), key=lambda one: one[1]):
        room -= size
        if room < 0:
            break
        found.add(ident)
    return found


def parse_filter(text: str) -> Wanted | None:
    """What `filter_tag_name` says: `like:<piece>` or `eq:<name>`; None for anything else."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in ("like", "eq"):
        return None
    return Wanted(part=name) if kind == "like" else Wanted(name=name)
