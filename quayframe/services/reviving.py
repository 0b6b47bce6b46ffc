"""Which manifests can come back, and what comes with them: all that they list and their blobs, each of which
may have been deleted."""

from __future__ import annotations

from collections.abc import Collection

from quayframe.data.db import Tx
from quayframe.data.tables import Blob, Manifest, ManifestBlob, ManifestChild, RepositoryBlob

from . import keeping
from .keeping import batches

_ABOVE = ("index", "referrer")
_DEEPEST = 64
"""What more levels above keep is not found: nothing that is to be seen is so deep (visibility.py)."""


def is_held(tx: Tx, repository_id: int, manifest_id: int, now: int, window_ms: int) -> bool:
    """Whether a tag within its window, a hold or the like keeps a manifest, or one above it: not only a row
    that the collector has yet to come to."""
    met: set[int] = set()
    level = {manifest_id}
    for _ in range(_DEEPEST):
        reasons = keeping.of_manifests(tx.rows, repository_id, level, now, window_ms)
        if any(reason.rule not in _ABOVE for found in reasons.values() for reason in found):
            return True
        met |= level
        lists = {ident for ident in level if any(r.rule == "index" for r in reasons[ident])}
        refers = {ident for ident in level if any(r.rule == "referrer" for r in reasons[ident])}
        level = (_indexes(tx, lists) | _subjects(tx, repository_id, refers)) - met
        if not level:
            break
    return False


def _indexes(tx: Tx, ids: set[int]) -> set[int]:
    found: set[int] = set()
    for some in batches(ids):
        query = ManifestChild.select(ManifestChild.parent).where(ManifestChild.child.in_(some))
        found.update(int(parent) for (parent,) in tx.rows(query))
    return found


def _subjects(tx: Tx, repository_id: int, ids: set[int]) -> set[int]:
    found: set[int] = set()
    for some in batches(ids):
        named = Manifest.select(Manifest.subject).where(Manifest.id.in_(some))
        digests = [digest for (digest,) in tx.rows(named)]
        there = (Manifest.repository == repository_id) & Manifest.digest.in_(digests)
        found.update(int(ident) for (ident,) in tx.rows(Manifest.select(Manifest.id).where(there)))
    return found


def below(tx: Tx, manifest_id: int) -> set[int]:
    """The manifests that an index lists, those that these list, and so on; without itself."""
    met = {manifest_id}
    level: Collection[int] = met
    while level:
        found: set[int] = set()
        for some in batches(level):
            query = ManifestChild.select(ManifestChild.child).where(ManifestChild.parent.in_(some))
            found.update(int(child) for (child,) in tx.rows(query))
        level = found - met
        met = met | level
    return met - {manifest_id}


def revive(tx: Tx, repository_id: int, manifest_id: int) -> None:
    """Makes a manifest that is held visible again, with all that is needed to pull it: what was deleted by
    its digest as well. The caller has locked its row, so that the collector takes nothing of it away."""
    ids = {manifest_id} | below(tx, manifest_id)
    blobs: set[int] = set()
    for some in batches(ids):
        deleted = Manifest.id.in_(some) & Manifest.deleted_ms.is_null(False)
        tx.run(Manifest.update(deleted_ms=None).where(deleted))
        named = (
            ManifestBlob.select(ManifestBlob.blob)
            .join(RepositoryBlob, on=(RepositoryBlob.blob == ManifestBlob.blob))
            .where(ManifestBlob.manifest.in_(some) & (RepositoryBlob.repository == repository_id))
        )
        gone = RepositoryBlob.deleted_ms.is_null(False)
        blobs.update(int(blob) for (blob,) in tx.rows(named.where(gone)))
    # Whoever links a blob shares its row first, in one order everywhere.
    if blobs:
        tx.share(Blob.select(Blob.id).where(Blob.id.in_(blobs)).order_by(Blob.digest))
    for some in batches(blobs):
        mine = (RepositoryBlob.repository == repository_id) & RepositoryBlob.blob.in_(some)
        back = RepositoryBlob.update(deleted_ms=None, expires_ms=None)
        tx.run(back.where(mine & RepositoryBlob.deleted_ms.is_null(False)))
