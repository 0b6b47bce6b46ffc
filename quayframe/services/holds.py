"""Temporary holds: they keep a manifest, all that it lists and its blobs visible and held for a while."""

from __future__ import annotations

from quayframe.data.db import Tx
from quayframe.data.tables import Manifest, ManifestHold
from quayframe.errors import ManifestUnknown


def hold(tx: Tx, manifest_id: int, reason: str, until: int) -> None:
    """Keeps a manifest until `until` (ms); never shortens a hold. `reason`: push, as-of.

    Raises ManifestUnknown when the collector was faster."""
    keep_still(tx, manifest_id)
    mine = (ManifestHold.manifest == manifest_id) & (ManifestHold.reason == reason)
    if not tx.insert_absent(ManifestHold, manifest=manifest_id, reason=reason, expires_ms=until):
        tx.run(ManifestHold.update(expires_ms=until).where(mine & (ManifestHold.expires_ms < until)))


def keep_still(tx: Tx, manifest_id: int) -> None:
    """Whoever gives a manifest a reason to stay shares its row first; the collector locks the row, looks
    for reasons and finds it, or was faster: then ManifestUnknown."""
    if not tx.share(Manifest.select(Manifest.id).where(Manifest.id == manifest_id)):
        raise ManifestUnknown()
