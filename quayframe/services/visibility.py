"""Which manifests can be seen: reached from a live tag, a live index, a live subject or a hold, and not
deleted by digest (data.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee

from quayframe.data.tables import Manifest, ManifestChild, ManifestHold, Tag

Rows = Callable[[Any], list[tuple[Any, ...]]]
_DEEPEST = 64
_NEVER = 2**62


def live(now: int) -> Any:
    """The condition on a tag's head: it has not ended."""
    # One term: of two, SQLite looks up each in the index of ends, which almost every tag is in.
    return peewee.fn.COALESCE(Tag.end_ms, _NEVER) > now


def visible(rows: Rows, repository_id: int, manifest_ids: set[int], now: int) -> set[int]:
    """Those of `manifest_ids` (of one repository, not deleted) that can be seen now.

    Walks upwards, level by level, over all of them at once: from a manifest to the indexes that list
    it and to the subject that it names. What then is found to be kept shows all that it was reached
    from. `rows` runs a query.
    """
    below: dict[int, list[int]] = {}
    shown: set[int] = set()
    met = level = set(manifest_ids)
    for _ in range(_DEEPEST):
        if not level:
            break
        rooted = _rooted(rows, repository_id, level, now)
        shown |= rooted
        above = set()
        for lower, upper in _above(rows, repository_id, level - rooted):
            below.setdefault(upper, []).append(lower)
            above.add(upper)
        level = above - met
        met = met | level
    todo = list(shown)
    while todo:
        fresh = set(below.get(todo.pop(), ())) - shown
        shown |= fresh
        todo.extend(fresh)
    return shown & manifest_ids


def _rooted(rows: Rows, repository_id: int, ids: set[int], now: int) -> set[int]:
    """Those that a live tag or a hold keeps, and referrers whose subject was never here."""
    found: set[int] = set()
    for some in _batches(ids):
        found.update(i for (i,) in rows(Tag.select(Tag.manifest).where(Tag.manifest.in_(some) & live(now))))
        held = ManifestHold.manifest.in_(some) & (ManifestHold.expires_ms > now)
        found.update(i for (i,) in rows(ManifestHold.select(ManifestHold.manifest).where(held)))
        alone = Manifest.subject.is_null(False) & (Manifest.subject_seen == 0)
        found.update(i for (i,) in rows(Manifest.select(Manifest.id).where(Manifest.id.in_(some) & alone)))
    return found


def _above(rows: Rows, repository_id: int, ids: set[int]) -> list[tuple[int, int]]:
    """(below, above) pairs: an index of each manifest, and the subject that it names."""
    pairs: list[tuple[int, int]] = []
    for some in _batches(ids):
        parents = (
            ManifestChild.select(ManifestChild.child, ManifestChild.parent)
            .join(Manifest, on=(Manifest.id == ManifestChild.parent))
            .where(ManifestChild.child.in_(some) & Manifest.deleted_ms.is_null())
        )
        subject = Manifest.alias("subject")
        subjects = (
            Manifest.select(Manifest.id, subject.id)
            .join(subject, on=((subject.repository == repository_id) & (subject.digest == Manifest.subject)))
            .where(Manifest.id.in_(some) & subject.deleted_ms.is_null())
        )
        for query in (parents, subjects):
            pairs.extend((int(a), int(b)) for a, b in rows(query))
    return pairs


def _batches(ids: set[int]) -> list[list[int]]:
    ordered = sorted(ids)
    return [ordered[at : at + 500] for at in range(0, len(ordered), 500)]
