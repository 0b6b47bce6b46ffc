"""Labels that a manifest brings with it: from its image's config and from its annotations."""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Collection, Mapping

import peewee

from quayframe.data.content import Label
from quayframe.data.db import Tx
from quayframe.oci.manifest import Manifest

from .clock import now_ms
from .expirations import ACTING
from .image_config import ImageConfig

MOST = 500
"""Labels that are kept of one manifest; those that act come first."""
MOST_CHARACTERS = 1024 * 1024
"""Of all their values together."""
LONGEST_KEY = 255
SOURCE = "manifest"
TEXT, JSON = "text/plain", "application/json"
_BATCH = 100
# In SQL, as it is a part of each push: peewee takes longer to say it than the database to do it.
_INSERT = (
    "INSERT INTO label (uuid, repository_id, manifest_id, label_key, value, media_type, source, created_ms)"
    " VALUES "
)
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"


def of_manifest(parsed: Manifest, config: ImageConfig) -> dict[str, str]:
    """Those of an image or artifact, and what an index says of itself alone; annotations outweigh labels.

    How long an index is to live, and whether its tags may change, is for its children to say."""
    said = {**config.labels, **parsed.annotations}
    if parsed.is_index:
        said = {key: value for key, value in said.items() if key not in ACTING}
    acting = {key: said[key] for key in ACTING if key in said}
    return acting | said


def shared(tx: Tx, children: Collection[int]) -> dict[str, str]:
    """The labels that act and that all of these manifests have with the same value."""
    ids = sorted(set(children))
    found: dict[str, dict[int, str]] = {}
    for at in range(0, len(ids), 500):
        where = Label.manifest.in_(ids[at : at + 500]) & Label.label_key.in_(ACTING)
        query = Label.select(Label.label_key, Label.manifest, Label.value)
        for key, manifest_id, value in tx.rows(query.where(where & (Label.source == SOURCE))):
            found.setdefault(key, {})[manifest_id] = value
    return {
        key: next(iter(values.values()))
        for key, values in found.items()
        if len(values) == len(ids) and len(set(values.values())) == 1
    }


def write(tx: Tx, repository_id: int, manifest_id: int, labels: Mapping[str, str]) -> None:
    """Makes the rows of a new manifest; what no row can hold, and what is too much, is left out."""
    now = now_ms()
    rows = []
    room = MOST_CHARACTERS
    for key, value in labels.items():
        if not key or len(key) > LONGEST_KEY or "\0" in key or "\0" in value or len(value) > room:
            continue
        room -= len(value)
        kind = media_type_of(value)
        rows.append((str(uuids.uuid4()), repository_id, manifest_id, key, value, kind, SOURCE, now))
        if len(rows) == MOST:
            break
    for at in range(0, len(rows), _BATCH):
        some = rows[at : at + _BATCH]
        sql = tx.db.translate(_INSERT + ", ".join([_ROW] * len(some)))
        tx.run(peewee.SQL(sql, [value for row in some for value in row]))


def media_type_of(value: str) -> str:
    """application/json for what reads as a JSON object or array, else text/plain."""
    if value.strip()[:1] not in ("{", "["):
        return TEXT
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return TEXT
    return JSON
