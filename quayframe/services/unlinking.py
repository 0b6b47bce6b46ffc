"""Repositories' links to blobs go, and with the last link the blob: its bytes are in the trash then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from quayframe.data.db import Tx
from quayframe.data.tables import Blob, BlobPlacement, ManifestBlob, RepositoryBlob, SizeDelta

from .blobs import Blobs
from .clock import now_ms
from .collecting import Counts
from .keeping import needed

Link = tuple[int, int, int, int]
"""The columns LINK."""
LINK = (RepositoryBlob.id, RepositoryBlob.repository, RepositoryBlob.namespace, RepositoryBlob.blob)


def unlink(tx: Tx, blobs: Blobs, link_ids: Collection[int], *, expired: bool = True) -> Counts:
    """Takes away links; whoever makes or renews one locks the blob's row first, as this does.

    :param expired: only those that have expired and that no manifest needs.
    """
    mine = RepositoryBlob.id.in_(list(link_ids))
    wanted = [blob for (blob,) in tx.rows(RepositoryBlob.select(RepositoryBlob.blob).where(mine))]
    held = tx.lock(Blob.select(Blob.id, Blob.size).where(Blob.id.in_(wanted)).order_by(Blob.digest))
    sizes: dict[int, int] = {int(ident): int(size) for ident, size in held}
    if expired:
        mine &= RepositoryBlob.expires_ms <= now_ms()
    links: list[Link] = [
        link for link in tx.lock(RepositoryBlob.select(*LINK).where(mine)) if link[3] in sizes
    ]
    if expired:
        links = _spare(tx, links)
    if not links:
        return Counts()
    tx.run(RepositoryBlob.delete().where(RepositoryBlob.id.in_([link[0] for link in links])))
    _shrink(tx, links, sizes)
    gone = _unheld(tx, {link[3] for link in links})
    _discard(tx, blobs, gone)
    return Counts(links=len(links), blobs=len(gone), bytes=sum(sizes[ident] for ident in gone))


def _spare(tx: Tx, links: list[Link]) -> list[Link]:
    """Those that no manifest needs; the others are for good again, as they ought to be."""
    used = needed(tx.rows, {link[3] for link in links}, {link[1] for link in links})
    kept = [link[0] for link in links if (link[1], link[3]) in used]
    if kept:
        tx.run(RepositoryBlob.update(expires_ms=None).where(RepositoryBlob.id.in_(kept)))
    return [link for link in links if (link[1], link[3]) not in used]


def _shrink(tx: Tx, links: Iterable[Link], sizes: dict[int, int]) -> None:
    """Notes which namespaces have lost their last copy of a blob."""
    pairs = {(namespace, blob): repository for _, repository, namespace, blob in links}
    here = RepositoryBlob.blob.in_({blob for _, blob in pairs})
    here &= RepositoryBlob.namespace.in_({namespace for namespace, _ in pairs})
    columns = (RepositoryBlob.namespace, RepositoryBlob.blob)
    left = set(tx.rows(RepositoryBlob.select(*columns).where(here).distinct()))
    now = now_ms()
    rows = [
        {"namespace": namespace, "repository": repository, "delta": -sizes[blob], "at_ms": now}
        for (namespace, blob), repository in pairs.items()
        if (namespace, blob) not in left
    ]
    if rows:
        tx.run(SizeDelta.insert_many(rows))


def _unheld(tx: Tx, blob_ids: set[int]) -> set[int]:
    """Those that no repository links any more."""
    left: set[int] = set(blob_ids)
    for column in (RepositoryBlob.blob, ManifestBlob.blob):
        if left:
            query: Any = column.model.select(column).where(column.in_(left)).distinct()
            left -= {int(ident) for (ident,) in tx.rows(query)}
    return left


def _discard(tx: Tx, blobs: Blobs, blob_ids: set[int]) -> None:
    if not blob_ids:
        return
    placed = BlobPlacement.blob.in_(blob_ids)
    for location, key in tx.rows(
        BlobPlacement.select(BlobPlacement.location, BlobPlacement.storage_key).where(placed)
    ):
        blobs.discard(tx, location, key)
    tx.run(BlobPlacement.delete().where(placed))
    tx.run(Blob.delete().where(Blob.id.in_(blob_ids)))


def discard_unlinked(tx: Tx, blobs: Blobs, blob_id: int) -> bool:
    """Takes away a blob that no repository links and no manifest names; tells whether it did."""
    if not tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id)):
        return False
    gone = _unheld(tx, {blob_id})
    _discard(tx, blobs, gone)
    return bool(gone)
