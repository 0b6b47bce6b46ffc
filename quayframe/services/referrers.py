"""Referrers: the manifests that name another one as their subject."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Manifest
from quayframe.oci.digest import Digest

from .clock import now_ms
from .visibility import visible

PAGE_BYTES = 4 * 1024 * 1024
"""About as much as one answer holds; at least one descriptor is in it."""


@dataclass(frozen=True)
class Page:
    """Descriptors of referrers; `last` is the digest to continue after, None at the end."""

    descriptors: list[dict[str, Any]]
    last: str | None


class Referrers:
    def __init__(self, db: Database) -> None:
        self._db = db

    def page(
        self,
        repository_id: int,
        subject: Digest,
        *,
        artifact_type: str | None,
        last: str | None,
        limit: int,
    ) -> Page:
        """Those of `subject` that can be seen, by digest, always current; an unknown subject has none."""
        where = (Manifest.repository == repository_id) & (Manifest.subject == subject)
        where &= Manifest.deleted_ms.is_null()
        if artifact_type is not None:
            where &= Manifest.artifact_type == artifact_type
        query = Manifest.select(
            Manifest.id, Manifest.media_type, Manifest.digest, Manifest.size, Manifest.artifact_type,
            Manifest.annotations,
        ).order_by(Manifest.digest)  # fmt: skip
        found: list[dict[str, Any]] = []
        while True:
            here = where & (Manifest.digest > last) if last else where
            limit = min(limit, self._fitting(here, limit))
            rows = self._db.rows(query.where(here).limit(limit + 1))
            seen = visible(self._db.rows, repository_id, {row[0] for row in rows[:limit]}, now_ms())
            for row in rows[:limit]:
                last = str(row[2])
                if row[0] in seen:
                    found.append(_descriptor(row))
            more = len(rows) > limit
            if found or not more:
                return Page(found, last if more else None)

    def _fitting(self, where: Any, limit: int) -> int:
        """How many descriptors, from the first on, stay within PAGE_BYTES: annotations go to megabytes."""
        length = peewee.fn.LENGTH(Manifest.annotations)
        sizes = self._db.rows(Manifest.select(length).where(where).order_by(Manifest.digest).limit(limit))
        total = 0
        for count, (size,) in enumerate(sizes):
            total += int(size or 0)
            if total > PAGE_BYTES:
                return max(1, count)
        return limit


def _descriptor(row: tuple[Any, ...]) -> dict[str, Any]:
    _, media_type, digest, size, artifact_type, annotations = row
    found: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": size}
    if artifact_type:
        found["artifactType"] = artifact_type
    if annotations:
        found["annotations"] = json.loads(annotations)
    return found
