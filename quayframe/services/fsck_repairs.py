"""What `fsck --repair` does to rows that do not fit others, each in a transaction of its own.

A repair looks again under the rows' locks, and gives False where there was nothing to mend any more."""

from __future__ import annotations

from collections.abc import Callable

import peewee

from quayframe.data.db import Tx
from quayframe.data.tables import Blob, Manifest, RepositoryBlob, Tag, TagInterval

from . import keeping
from .collecting import mark


def marking(ident: int) -> Callable[[Tx], bool]:
    def repair(tx: Tx) -> bool:
        if not tx.share(Manifest.select(Manifest.id).where(Manifest.id == ident)):
            return False
        mark(tx, [ident])
        return True

    return repair


def lasting(tx: Tx, *, link_id: int, blob_id: int) -> bool:
    tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id))
    return bool(tx.run(RepositoryBlob.update(expires_ms=None).where(RepositoryBlob.id == link_id)))


def ending(tx: Tx, *, link_id: int, blob_id: int, until: int) -> bool:
    tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id))
    repository = tx.value(
        RepositoryBlob.select(RepositoryBlob.repository).where(RepositoryBlob.id == link_id)
    )
    if repository is None or keeping.needed(tx.rows, [blob_id], [repository]):
        return False
    endless = (RepositoryBlob.id == link_id) & RepositoryBlob.expires_ms.is_null()
    return bool(tx.run(RepositoryBlob.update(expires_ms=until).where(endless)))


def write_period(tx: Tx, *, tag_id: int) -> bool:
    columns = (Tag.repository, Tag.manifest, Tag.name, Tag.start_ms, Tag.end_ms, Tag.end_reason)
    rows = tx.lock(Tag.select(*columns).where(Tag.id == tag_id))
    if not rows:
        return False
    repository, manifest, name, start, end, reason = rows[0]
    values = {"manifest": manifest, "name": name, "end_ms": end, "end_reason": reason}
    if tx.insert_absent(TagInterval, tag=tag_id, repository=repository, start_ms=start, **values):
        return True
    mine = (TagInterval.tag == tag_id) & (TagInterval.start_ms == start)
    return bool(tx.run(TagInterval.update(**values).where(mine)))


def name_period(tx: Tx, *, ident: int) -> bool:
    name = Tag.select(Tag.name).where(Tag.id == TagInterval.tag)
    return bool(tx.run(TagInterval.update(name=name).where(TagInterval.id == ident)))


def end_period(tx: Tx, *, ident: int) -> bool:
    """The period ended when the next one began."""
    row = tx.one(TagInterval.select(TagInterval.tag, TagInterval.start_ms).where(TagInterval.id == ident))
    if row is None:
        return False
    tag_id, start = row
    tx.lock(Tag.select(Tag.id).where(Tag.id == tag_id))
    later = (TagInterval.tag == tag_id) & (TagInterval.start_ms > start)
    following = tx.value(TagInterval.select(peewee.fn.MIN(TagInterval.start_ms)).where(later))
    if following is None:
        return False
    endless = (TagInterval.id == ident) & TagInterval.end_ms.is_null()
    return bool(tx.run(TagInterval.update(end_ms=following, end_reason="moved").where(endless)))
