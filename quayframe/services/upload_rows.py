"""Rows of uploads: what one says, and how a back end's value is kept in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from quayframe.data.tables import Upload as Row
from quayframe.plugin.storage import Upload

COLUMNS = (
    Row.id, Row.uuid, Row.location, Row.state, Row.size, Row.algorithm, Row.hash_state, Row.version,
    Row.committing, Row.storage_key,
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """An upload as its row has it. `committing`: the digest that a commit under way makes, and
    `storage_key` what it was asked to be called; None = open."""

    id: int
    uuid: str
    location: str
    upload: Upload
    size: int
    algorithm: str
    hash_state: bytes | None
    version: int
    committing: str | None
    storage_key: str | None


def state_of(row: tuple[Any, ...]) -> State:
    """:param row: the values of COLUMNS."""
    ident, uuid, location, state, size, algorithm, hash_state, version, committing, key = row
    kept = bytes(hash_state) if hash_state is not None else None
    return State(ident, uuid, location, load(state), size, algorithm, kept, version, committing, key)


def dump(upload: Upload) -> str:
    return json.dumps([upload.size, upload.data], separators=(",", ":"))


def load(text: str) -> Upload:
    size, data = json.loads(text)
    return Upload(size, data)
