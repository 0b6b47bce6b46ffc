"""What an immutable tag needs is not taken from under it: manifests that its index lists, and blobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from quayframe.data.db import Tx
from quayframe.data.tables import Manifest, ManifestBlob, ManifestChild, Tag
from quayframe.errors import TagImmutable

from .clock import now_ms
from .keeping import batches
from .pins import Pins
from .visibility import live

_DEEPEST = 64


@dataclass(frozen=True)
class _Named:
    repository_id: int
    name: str
    immutable: bool
    immutable_reason: str | None


def refuse_manifest(tx: Tx, pins: Pins, repository_id: int, manifest_id: int) -> None:
    """Raises TagImmutable where the manifest, or an index above it, has a tag that is pinned."""
    if pins.enabled:
        _refuse(tx, pins, repository_id, {manifest_id})


def refuse_blob(tx: Tx, pins: Pins, repository_id: int, blob_id: int) -> None:
    """Raises TagImmutable where a manifest of the repository that needs the blob is one of those."""
    if pins.enabled:
        query = Manifest.select(Manifest.id).join(ManifestBlob, on=(ManifestBlob.manifest == Manifest.id))
        here = (ManifestBlob.blob == blob_id) & (Manifest.repository == repository_id)
        _refuse(tx, pins, repository_id, {int(ident) for (ident,) in tx.rows(query.where(here))})


def _refuse(tx: Tx, pins: Pins, repository_id: int, manifest_ids: Collection[int]) -> None:
    met: set[int] = set()
    level = set(manifest_ids)
    for _ in range(_DEEPEST):
        if not level:
            return
        above: set[int] = set()
        for some in batches(level):
            columns = (Tag.name, Tag.immutable, Tag.immutable_reason)
            heads = tx.rows(Tag.select(*columns).where(Tag.manifest.in_(some) & live(now_ms())))
            for name, immutable, why in heads:
                if pins.of(tx, _Named(repository_id, name, bool(immutable), why)) is not None:
                    raise TagImmutable(detail={"message": f"tag '{name}' is immutable"})
            query = ManifestChild.select(ManifestChild.parent).where(ManifestChild.child.in_(some))
            above.update(int(parent) for (parent,) in tx.rows(query))
        met |= level
        level = above - met
