"""Pulling manifests: each by one query."""

from __future__ import annotations

from dataclasses import dataclass

from quayframe.data.db import Database
from quayframe.data.tables import Manifest as Row
from quayframe.errors import ManifestUnknown, TagExpired
from quayframe.oci import manifest as oci
from quayframe.oci import media
from quayframe.oci.digest import Digest
from quayframe.oci.names import RepositoryName

from .clock import now_ms
from .gate import WIDTH, Gate, Question
from .tokens import BearerToken
from .visibility import visible

_BY_TAG = Question(
    ", m.digest, m.media_type, m.body, m.deleted_ms, t.end_ms, m.id, t.id",
    " LEFT JOIN tag t ON t.repository_id = r.id AND t.name = ? LEFT JOIN manifest m ON m.id = t.manifest_id",
)
# `alive` is settled in the same query for what most pulls ask for: a tagged manifest, a child of a
# tagged index, one under a temporary hold. What it does not settle is walked.
_BY_DIGEST = Question(
    ", m.digest, m.media_type, m.body, m.deleted_ms, m.id, CASE WHEN"
    " EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id AND (t.end_ms IS NULL OR t.end_ms > ?))"
    " OR EXISTS (SELECT 1 FROM manifest_child c JOIN manifest i ON i.id = c.parent_id"
    " JOIN tag t ON t.manifest_id = i.id WHERE c.child_id = m.id AND i.deleted_ms IS NULL"
    " AND (t.end_ms IS NULL OR t.end_ms > ?))"
    " OR EXISTS (SELECT 1 FROM manifest_hold h WHERE h.manifest_id = m.id AND h.expires_ms > ?)"
    " THEN 1 ELSE 0 END",
    " LEFT JOIN manifest m ON m.repository_id = r.id AND m.digest = ?",
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A manifest's bytes exactly as they were pushed. `tag_id`: the tag that named it in the request."""

    digest: str
    media_type: str
    body: bytes
    manifest_id: int
    tag_id: int | None = None


class Pulls:
    def __init__(self, db: Database, gate: Gate) -> None:
        self._db = db
        self._gate = gate

    def by_tag(self, token: BearerToken | None, name: RepositoryName, tag: str, accept: str | None) -> Pulled:
        """What a tag names now, by one query. For a client that accepts no index, the image for
        linux/amd64 in it. Raises Unauthorized, NameUnknown, TagExpired, ManifestUnknown."""
        sql, params = self._gate.ask(_BY_TAG, token, name)
        row = self._db.sql_one(sql, (*params, tag))
        assert row is not None
        allowed = self._gate.decide(row, token, name, "pull")
        digest, media_type, body, deleted, end, manifest_id, tag_id = row[WIDTH:]
        if digest is None:
            raise ManifestUnknown()
        if end is not None and end <= now_ms():
            raise TagExpired(f"Tag {tag} was deleted or has expired. To pull, revive via time machine")
        if deleted is not None:
            raise ManifestUnknown()
        pulled = Pulled(digest, media_type, bytes(body), manifest_id, tag_id)
        if media_type in media.INDEX_TYPES:
            return self.fitting(allowed.repository_id, pulled, accept)
        return pulled

    def fitting(self, repository_id: int | None, found: Pulled, accept: str | None) -> Pulled:
        """`found` itself; of an index, for a client that accepts none, the image for linux/amd64 in it."""
        if found.media_type not in media.INDEX_TYPES or not accept or media.accepts(accept, found.media_type):
            return found
        child = oci.linux_amd64_child(oci.parse(found.body, found.media_type))
        if child is None or not media.accepts(accept, child.media_type):
            return found
        row = self._db.one(
            Row.select(Row.digest, Row.media_type, Row.body, Row.id).where(
                (Row.repository == repository_id) & (Row.digest == child.digest) & Row.deleted_ms.is_null()
            )
        )
        return Pulled(row[0], row[1], bytes(row[2]), row[3], found.tag_id) if row else found

    def by_digest(self, token: BearerToken | None, name: RepositoryName, digest: Digest) -> Pulled:
        """A manifest by its digest, while it can be seen (visibility.py)."""
        now = now_ms()
        sql, params = self._gate.ask(_BY_DIGEST, token, name)
        row = self._db.sql_one(sql, (now, now, now, *params, digest))
        assert row is not None
        allowed = self._gate.decide(row, token, name, "pull")
        found, media_type, body, deleted, manifest_id, alive = row[WIDTH:]
        if found is None or deleted is not None:
            raise ManifestUnknown()
        if not alive:
            assert allowed.repository_id is not None
            if not visible(self._db.rows, allowed.repository_id, {manifest_id}, now):
                raise ManifestUnknown()
        return Pulled(found, media_type, bytes(body), manifest_id)
