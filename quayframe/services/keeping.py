"""What keeps manifests, gathered from the rows for `lifecycle.decide`, many at once.

Each check is local: the collector goes from the roots down, so that a parent or a subject keeps for as
long as its row is there (data.md, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import peewee

from quayframe.data.tables import Manifest, ManifestBlob, ManifestChild, ManifestHold, Tag, TagInterval

from .lifecycle import Reason, of_tag

Rows = Callable[[Any], list[tuple[Any, ...]]]
Reasons = dict[int, list[Reason]]
_BATCH = 500


def batches(ids: Collection[int]) -> Iterator[list[int]]:
    """In lists that every database takes."""
    ordered = sorted(ids)
    for at in range(0, len(ordered), _BATCH):
        yield ordered[at : at + _BATCH]


def of_manifests(
    rows: Rows,
    repository_id: int,
    ids: Collection[int],
    now: int,
    window_ms: int,
    gone: Collection[int] = frozenset(),
) -> Reasons:
    """What keeps each of these manifests of one repository at `now`; of many reasons of one rule, the one
    that keeps longest. Without any a manifest goes.

    :param gone: manifests that are to be taken as gone already.
    """
    found: Reasons = {ident: [] for ident in ids}
    for some in batches(ids):
        _tags(rows, some, now, window_ms, found)
        _holds(rows, some, now, found)
        _parents(rows, some, gone, found)
        _subjects(rows, repository_id, some, gone, found)
    return found


def _tags(rows: Rows, ids: list[int], now: int, window_ms: int, found: Reasons) -> None:
    endless = TagInterval.end_ms.is_null()
    held = endless | ((TagInterval.end_ms > now - window_ms) & unpurged())
    fn = peewee.fn
    query = (
        TagInterval.select(
            TagInterval.manifest,
            fn.MAX(TagInterval.end_ms),
            fn.MIN(TagInterval.name),
            fn.COUNT(TagInterval.id),
        )
        .where(TagInterval.manifest.in_(ids) & held)
        .group_by(TagInterval.manifest, endless)
    )
    for ident, end, name, count in rows(query):
        named = str(name) if count == 1 else f"{name} and {count - 1} more"
        found[ident].append(of_tag(named, end, window_ms))


def unpurged() -> Any:
    """The condition on a tag's period: what was deleted permanently keeps nothing, also after the window
    has been made longer."""
    return peewee.fn.COALESCE(TagInterval.end_reason, "") != "purged"


def _holds(rows: Rows, ids: list[int], now: int, found: Reasons) -> None:
    held = ManifestHold.manifest.in_(ids) & (ManifestHold.expires_ms > now)
    columns = (ManifestHold.manifest, ManifestHold.expires_ms, ManifestHold.reason)
    for ident, until, reason in rows(ManifestHold.select(*columns).where(held)):
        found[ident].append(Reason("hold", until, reason))


def _parents(rows: Rows, ids: list[int], gone: Collection[int], found: Reasons) -> None:
    query = (
        ManifestChild.select(ManifestChild.child, Manifest.id, Manifest.digest)
        .join(Manifest, on=(Manifest.id == ManifestChild.parent))
        .where(ManifestChild.child.in_(ids))
    )
    met = set()
    for child, parent, digest in rows(query):
        if parent not in gone and child not in met:
            met.add(child)
            found[child].append(Reason("index", None, digest))


def _subjects(rows: Rows, repository_id: int, ids: list[int], gone: Collection[int], found: Reasons) -> None:
    """A referrer that was deleted itself can come back by a new push alone: its subject keeps it no more."""
    refers = Manifest.id.in_(ids) & Manifest.subject.is_null(False) & Manifest.deleted_ms.is_null()
    columns = (Manifest.id, Manifest.subject, Manifest.subject_seen)
    referrers = rows(Manifest.select(*columns).where(refers))
    if not referrers:
        return
    there = (Manifest.repository == repository_id) & Manifest.digest.in_({row[1] for row in referrers})
    subjects = {d: i for i, d in rows(Manifest.select(Manifest.id, Manifest.digest).where(there))}
    for ident, subject, seen in referrers:
        if subject in subjects and subjects[subject] not in gone:
            found[ident].append(Reason("referrer", None, subject))
        elif subject not in subjects and not seen:
            found[ident].append(Reason("alone", None, subject))


def named(rows: Rows, ids: Collection[int]) -> set[int]:
    """Those that a row of a tag still names, whether it keeps them or not. When that row goes the manifest
    is looked at again."""
    found: set[int] = set()
    for some in batches(ids):
        for column in (Tag.manifest, TagInterval.manifest):
            query = column.model.select(column).where(column.in_(some)).distinct()
            found.update(int(i) for (i,) in rows(query))
    return found


def needed(rows: Rows, blob_ids: Collection[int], repository_ids: Collection[int]) -> set[tuple[int, int]]:
    """(repository, blob) of those blobs that manifests of those repositories name."""
    found: set[tuple[int, int]] = set()
    for some in batches(blob_ids):
        query = (
            ManifestBlob.select(Manifest.repository, ManifestBlob.blob)
            .join(Manifest, on=(Manifest.id == ManifestBlob.manifest))
            .where(ManifestBlob.blob.in_(some) & Manifest.repository.in_(list(repository_ids)))
            .distinct()
        )
        found.update((int(repository), int(blob)) for repository, blob in rows(query))
    return found
