"""What indexes list: how deep, and what comes after the index that lists it (FEATURE_SPARSE_INDEX)."""

from __future__ import annotations

from collections.abc import Collection

from quayframe.data.db import Tx
from quayframe.data.fields import POSTGRESQL
from quayframe.data.tables import ManifestChild
from quayframe.errors import ManifestInvalid
from quayframe.oci import manifest as oci
from quayframe.oci import media

from .keeping import batches

MOST_LEVELS = 16
"""Indexes upon indexes: what is deeper could not be found from above in a bounded time."""
_BODY = {POSTGRESQL: "POSITION(CONVERT_TO(CAST(? AS text), 'UTF8') IN m.body) > 0"}
# The digest stands in the body, and no row says so yet.
_WAITING = (
    "SELECT m.id, m.media_type, m.body FROM manifest m WHERE m.repository_id = ? AND m.media_type IN ({0})"
    " AND {1} AND NOT EXISTS"
    " (SELECT 1 FROM manifest_child c WHERE c.parent_id = m.id AND c.child_id = ?) ORDER BY m.id"
)


def check_depth(tx: Tx, children: Collection[int]) -> None:
    """Raises ManifestInvalid for an index of these manifests that would be nested too deeply."""
    level = set(children)
    for _ in range(MOST_LEVELS):
        found: set[int] = set()
        for some in batches(level):
            query = ManifestChild.select(ManifestChild.child).where(ManifestChild.parent.in_(some))
            found.update(int(child) for (child,) in tx.rows(query.distinct()))
        if not found:
            return
        level = found
    raise ManifestInvalid(f"manifests: indexes are nested deeper than {MOST_LEVELS} levels")


def claim(tx: Tx, repository_id: int, manifest_id: int, digest: str, size: int) -> None:
    """Indexes that were pushed before a manifest that they list hold it from now on. The caller has taken
    its turn at the repository."""
    types = sorted(media.INDEX_TYPES)
    contains = _BODY.get(tx.db.dialect, "INSTR(m.body, ?) > 0")
    sql = _WAITING.format(", ".join("?" * len(types)), contains)
    for ident, media_type, body in tx.db.sql_rows(sql, (repository_id, *types, digest, manifest_id)):
        listed = oci.parse(bytes(body), media_type).children
        if any(child.digest == digest and child.size == size for child in listed):
            tx.insert_absent(ManifestChild, parent=ident, child=manifest_id)
