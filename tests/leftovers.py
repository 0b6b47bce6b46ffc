"""What a registry has that nothing names: rows against storage."""

from __future__ import annotations

from pathlib import Path

from quayframe.data import tables
from quayframe.data.db import Database


def leftovers(db: Database, storage: Path) -> list[str]:
    """What is left behind in the embedded form, one line each; empty = nothing.

    Uploads under way, objects that neither a placement nor the trash names, placements without their
    object, folders of uploads without a row, and files below them.
    """
    found = [f"upload {uuid}" for (uuid,) in db.rows(tables.Upload.select(tables.Upload.uuid))]
    placed = {key for (key,) in db.rows(tables.BlobPlacement.select(tables.BlobPlacement.storage_key))}
    trash = {key for (key,) in db.rows(tables.Trash.select(tables.Trash.storage_key))}
    stored = {
        str(file.relative_to(storage))
        for file in storage.rglob("*")
        if file.is_file() and file.relative_to(storage).parts[0] != "uploads"
    }
    found += [f"object {key}" for key in sorted(stored - placed - trash)]
    found += [f"trash {key}" for key in sorted(trash)]
    found += [f"missing {key}" for key in sorted(placed - stored)]
    uploads = storage / "uploads"
    if uploads.is_dir():
        found += [f"folder {path.relative_to(storage)}" for path in uploads.rglob("*")]
    return found
