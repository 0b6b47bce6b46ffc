"""An image's config blob, read for what the registry itself wants of it: labels and history."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quayframe.data.db import Database
from quayframe.errors import RegistryError
from quayframe.oci import media, strictjson
from quayframe.oci.descriptor import Descriptor
from quayframe.plugin.storage import ObjectNotFound

from .clock import now_ms
from .storage import Storage

MOST_BYTES = 4 * 1024 * 1024
"""What is longer is not read."""
# In SQL: each push of an image asks it.
_PLACED = (
    "SELECT p.location, p.storage_key FROM stored_blob b"
    " JOIN repository_blob l ON l.blob_id = b.id JOIN blob_placement p ON p.blob_id = b.id"
    " WHERE b.digest = ? AND l.repository_id = ? AND l.deleted_ms IS NULL"
    " AND (l.expires_ms IS NULL OR l.expires_ms > ?)"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
log = logging.getLogger("quayframe.manifests")


@dataclass(frozen=True)
class Step:
    """One entry of the history that made a layer. `created_ms` since the epoch; None = it does not say."""

    created_by: str | None = None
    comment: str | None = None
    author: str | None = None
    created_ms: int | None = None


@dataclass(frozen=True)
class ImageConfig:
    """`steps` are those of the layers, base first; entries without a layer are left out."""

    labels: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


NOTHING = ImageConfig()


class ImageConfigs:
    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    def of(self, repository_id: int | None, config: Descriptor | None) -> ImageConfig:
        """What an image's config says; NOTHING for artifacts, and where it is lost or cannot be understood.

        Reads storage: not for use in a transaction. Raises as `read`."""
        if config is None or config.media_type not in media.IMAGE_CONFIG_TYPES:
            return NOTHING
        body = self.read(repository_id, config, MOST_BYTES)
        return NOTHING if body is None else parse(body)

    def read(self, repository_id: int | None, blob: Descriptor, limit: int) -> bytes | None:
        """The bytes of a small blob of the repository; None when it has none, or more than `limit`.

        Raises Unavailable where storage is away: what a config says of a tag's life is not to be missed."""
        if repository_id is None or blob.size > limit:
            return None
        rows = self._db.sql_rows(_PLACED, (blob.digest, repository_id, now_ms()))
        placements = {str(location): str(key) for location, key in rows}
        away: RegistryError | None = None
        for location in self._storage.order(placements):
            try:
                return self._collect(location, placements[location], limit)
            except ObjectNotFound as error:
                log.error("%s has no bytes at %s: %s", blob.digest, location, error)
            except RegistryError as error:
                away = error
        if away is not None:
            raise away
        return None

    def _collect(self, location: str, key: str, limit: int) -> bytes | None:
        found = b"".join(self._storage.read(location, key, 0, limit + 1))
        return found if len(found) <= limit else None


def parse(body: bytes) -> ImageConfig:
    """What the bytes say; NOTHING where they are no config, and nothing of what is of the wrong type."""
    try:
        document = strictjson.read_object(body)
    except ValueError:
        return NOTHING
    run = document.get("config")
    labels = run.get("Labels") if isinstance(run, dict) else None
    history = document.get("history")
    return ImageConfig(
        {key: text for key, text in labels.items() if isinstance(text, str)}
        if isinstance(labels, dict)
        else {},
        tuple(
            _step(entry)
            for entry in (history if isinstance(history, list) else ())
            if isinstance(entry, dict) and entry.get("empty_layer") is not True
        ),
    )


def _step(entry: dict[str, Any]) -> Step:
    def text(name: str) -> str | None:
        value = entry.get(name)
        return value if isinstance(value, str) and value else None

    return Step(text("created_by"), text("comment"), text("author"), _moment(entry.get("created")))


def _moment(text: object) -> int | None:
    """Milliseconds since the epoch of an RFC 3339 time; None for Go's zero time, which says nothing."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if found.year <= 1:
        return None
    return int((found - _EPOCH).total_seconds() * 1000)
