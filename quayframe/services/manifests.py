"""Manifests: pulled by one query, pushed in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Manifest as Row
from quayframe.data.tables import ManifestBlob, ManifestChild, ManifestHold, Repository
from quayframe.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTypeUnsupported,
    ManifestUnknown,
    TagExpired,
    TooManyTags,
)
from quayframe.oci import manifest as oci
from quayframe.oci import media
from quayframe.oci.digest import Digest
from quayframe.oci.manifest import Manifest
from quayframe.oci.names import RepositoryName

from . import blobs
from .activity import Activity
from .clock import now_ms
from .content import pending
from .gate import WIDTH, Allowed, Gate, Question
from .repositories import Check, Repositories
from .tags import ANY, Condition, Tags
from .tokens import BearerToken
from .visibility import visible

MOST_TAGS = 100

_BY_TAG = Question(
    ", m.digest, m.media_type, m.body, m.deleted_ms, t.end_ms, m.id",
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
    """A manifest's bytes exactly as they were pushed."""

    digest: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class Pushed:
    digest: Digest
    tags: tuple[str, ...]
    subject: str | None


@dataclass(frozen=True)
class Rules:
    """What the operator set: FEATURE_GENERAL_OCI_SUPPORT, ALLOWED_OCI_ARTIFACT_TYPES,
    FEATURE_SPARSE_INDEX, PUSH_TEMP_TAG_EXPIRATION_SEC, DISABLED_FOR_PULL_LOGS is for the caller."""

    oci: bool = True
    allowed_types: Mapping[str, Sequence[str]] | None = None
    sparse: bool = False
    hold_s: int = 3600


class Manifests:
    def __init__(
        self,
        db: Database,
        gate: Gate,
        repositories: Repositories,
        tags: Tags,
        activity: Activity,
        check: Check,
        rules: Rules,
    ) -> None:
        self._db = db
        self._gate = gate
        self._repositories = repositories
        self._tags = tags
        self._activity = activity
        self._check = check
        self._rules = rules

    # -- pulling ------------------------------------------------------------------------------

    def pull_tag(
        self, token: BearerToken | None, name: RepositoryName, tag: str, accept: str | None
    ) -> Pulled:
        """What a tag names now, by one query. For a client that accepts no index, the image for
        linux/amd64 in it. Raises Unauthorized, NameUnknown, TagExpired, ManifestUnknown."""
        sql, params = self._gate.ask(_BY_TAG, token, name)
        row = self._db.sql_one(sql, (*params, tag))
        assert row is not None
        allowed = self._gate.decide(row, token, name, "pull")
        digest, media_type, body, deleted, end, _ = row[WIDTH:]
        if digest is None:
            raise ManifestUnknown()
        if end is not None and end <= now_ms():
            raise TagExpired(f"Tag {tag} was deleted or has expired. To pull, revive via time machine")
        if deleted is not None:
            raise ManifestUnknown()
        if media_type in media.INDEX_TYPES and accept and not media.accepts(accept, media_type):
            child = self._amd64(allowed, bytes(body), media_type, accept)
            if child is not None:
                return child
        return Pulled(digest, media_type, bytes(body))

    def _amd64(self, allowed: Allowed, body: bytes, media_type: str, accept: str) -> Pulled | None:
        child = oci.linux_amd64_child(oci.parse(body, media_type))
        if child is None or not media.accepts(accept, child.media_type):
            return None
        row = self._db.one(
            Row.select(Row.digest, Row.media_type, Row.body).where(
                (Row.repository == allowed.repository_id)
                & (Row.digest == child.digest)
                & Row.deleted_ms.is_null()
            )
        )
        return Pulled(row[0], row[1], bytes(row[2])) if row else None

    def pull_digest(self, token: BearerToken | None, name: RepositoryName, digest: Digest) -> Pulled:
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
        return Pulled(found, media_type, bytes(body))

    # -- pushing ------------------------------------------------------------------------------

    def push(
        self,
        allowed: Allowed,
        body: bytes,
        content_type: str | None,
        *,
        digest: Digest | None = None,
        tags: Sequence[str] = (),
        condition: Condition = ANY,
    ) -> Pushed:
        """Stores a manifest under its digest and gives it these tags: all of them, or nothing happens.

        :param digest: of the URL, when the push names one.
        Raises ManifestInvalid, ManifestBlobUnknown, DigestInvalid, PreconditionFailed, Denied...
        """
        tags = tuple(dict.fromkeys(tags))
        if len(tags) > MOST_TAGS:
            raise TooManyTags(f"at most {MOST_TAGS} tags in one request")
        parsed = oci.parse(body, content_type)
        self._check_types(parsed)
        found = Digest.of(body, digest.algorithm if digest else "sha256")
        if digest is not None and digest != found:
            raise DigestInvalid(f"manifest digest mismatch: the body's digest is {found}, not {digest}")
        event = events.PushRepo(
            **allowed.principal.at(allowed.name),
            digest=found,
            media_type=parsed.media_type,
            size=len(body),
            tags=tags,
            subject=parsed.subject.digest if parsed.subject else None,
            artifact_type=parsed.referrer_type,
        )
        created = self._repositories.prepare(allowed)
        with pending(event, body):
            self._check(event)

        def work(tx: Tx) -> None:
            namespace_id, repository_id = self._repositories.ensure(tx, allowed, created)
            # In turn: of a referrer and its subject that come at once, the second must see the first.
            tx.in_turn(Repository.select(Repository.id).where(Repository.id == repository_id))
            if not tags:
                condition.check(str(found), self._seen(tx, repository_id, found))
            manifest_id = self._store(tx, repository_id, found, parsed, body)
            if tags:
                self._tags.put(tx, repository_id, manifest_id, tags, condition)
            else:
                _hold(tx, manifest_id, "push", now_ms() + self._rules.hold_s * 1000)
            self._activity.record(
                tx,
                event,
                namespace_id=namespace_id,
                repository_id=repository_id,
                performer_id=allowed.principal.account_id,
            )

        self._db.write(work)
        return Pushed(found, tags, event.subject)

    @staticmethod
    def _seen(tx: Tx, repository_id: int, digest: Digest) -> str | None:
        """The digest, where a manifest of it can be seen here."""
        where = (Row.repository == repository_id) & (Row.digest == digest) & Row.deleted_ms.is_null()
        row = tx.one(Row.select(Row.id).where(where))
        if row is None or not visible(tx.rows, repository_id, {row[0]}, now_ms()):
            return None
        return str(digest)

    def _check_types(self, parsed: Manifest) -> None:
        if not self._rules.oci and parsed.media_type.startswith("application/vnd.oci."):
            raise ManifestTypeUnsupported(
                "OCI manifests are switched off here (FEATURE_GENERAL_OCI_SUPPORT);"
                " push a Docker schema 2 image"
            )
        allowed = self._rules.allowed_types
        if (
            allowed is None
            or parsed.config is None
            or not parsed.media_type.startswith("application/vnd.oci.")
        ):
            return
        config = parsed.config.media_type
        layers = set(media.LAYER_TYPES).union(*allowed.values())
        bad = config if config not in allowed and config != media.OCI_CONFIG else None
        bad = bad or next(
            (layer.media_type for layer in parsed.layers if layer.media_type not in layers), None
        )
        if bad is not None:
            raise ManifestTypeUnsupported(
                f"media type {bad} is not among ALLOWED_OCI_ARTIFACT_TYPES of this registry"
            )

    def _store(self, tx: Tx, repository_id: int, digest: Digest, parsed: Manifest, body: bytes) -> int:
        wanted = {blob.digest: blob for blob in parsed.blobs}
        have = blobs.take_over(tx, repository_id, list(wanted))
        for digest_, blob in wanted.items():
            if digest_ not in have:
                text = f"Unknown blob `{digest_}`"
                raise ManifestBlobUnknown(text, detail={"digest": digest_, "message": text})
            if have[digest_][1] != blob.size:
                raise ManifestInvalid(f"blob {digest_} has {have[digest_][1]} bytes, not {blob.size}")
        children = self._children(tx, repository_id, parsed)
        manifest_id = self._row(tx, repository_id, digest, parsed, body)
        for blob_id in sorted({have[d][0] for d in wanted}):
            tx.insert_absent(ManifestBlob, manifest=manifest_id, blob=blob_id)
        for child_id in sorted(children):
            tx.insert_absent(ManifestChild, parent=manifest_id, child=child_id)
        # Referrers that came before this, their subject: from now on they live and die with it.
        waiting = (Row.repository == repository_id) & (Row.subject == digest) & (Row.subject_seen == 0)
        if tx.one(Row.select(Row.id).where(waiting).limit(1)):
            tx.run(Row.update(subject_seen=1).where(waiting))
        return manifest_id

    def _children(self, tx: Tx, repository_id: int, parsed: Manifest) -> set[int]:
        wanted = {child.digest: child for child in parsed.children}
        rows: dict[str, tuple[int, int, str]] = {}
        digests = sorted(wanted)
        for at in range(0, len(digests), 500):
            where = (Row.repository == repository_id) & Row.digest.in_(digests[at : at + 500])
            query = Row.select(Row.digest, Row.id, Row.size, Row.media_type).where(
                where & Row.deleted_ms.is_null()
            )
            rows.update({d: (i, size, kind) for d, i, size, kind in tx.rows(query)})
        seen = visible(tx.rows, repository_id, {row[0] for row in rows.values()}, now_ms())
        found: set[int] = set()
        for digest, child in wanted.items():
            row = rows.get(digest)
            if row is None or row[0] not in seen:
                if self._rules.sparse:
                    continue
                text = f"Could not find child manifest with digest `{digest}`"
                raise ManifestBlobUnknown(text, detail={"digest": digest, "message": text})
            if row[1] != child.size:
                raise ManifestInvalid(f"child {digest} has {row[1]} bytes, not {child.size}")
            found.add(row[0])
        return found

    def _row(self, tx: Tx, repository_id: int, digest: Digest, parsed: Manifest, body: bytes) -> int:
        subject = parsed.subject.digest if parsed.subject else None
        where = (Row.repository == repository_id) & (Row.digest == digest)
        old = tx.lock(Row.select(Row.id, Row.deleted_ms).where(where))
        if old:
            if old[0][1] is not None:
                tx.run(Row.update(deleted_ms=None, media_type=parsed.media_type).where(Row.id == old[0][0]))
            return int(old[0][0])
        seen = subject is not None and tx.one(
            Row.select(Row.id).where((Row.repository == repository_id) & (Row.digest == subject))
        )
        values: dict[str, Any] = {
            "media_type": parsed.media_type,
            "body": body,
            "size": len(body),
            "config_media_type": parsed.config.media_type[:255] if parsed.config else None,
            "artifact_type": parsed.referrer_type[:255] if parsed.referrer_type else None,
            "annotations": json.dumps(dict(parsed.annotations)) if parsed.annotations else None,
            "subject": subject,
            "subject_seen": int(bool(seen)),
            "layers_size": min(sum(layer.size for layer in parsed.layers), 2**63 - 1),
            "created_ms": now_ms(),
        }
        tx.insert_absent(Row, repository=repository_id, digest=digest, **values)
        return int(tx.lock(Row.select(Row.id).where(where))[0][0])

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, allowed: Allowed, digest: Digest) -> None:
        """Ends a manifest's visibility here, and its tags; a new push gives it back."""
        event = events.DeleteManifest(
            **allowed.principal.at(allowed.name),
            digest=digest,
        )
        self._check(event)
        repository_id = allowed.repository_id
        assert repository_id is not None
        scope = {
            "namespace_id": allowed.namespace_id,
            "repository_id": repository_id,
            "performer_id": allowed.principal.account_id,
        }

        def work(tx: Tx) -> None:
            where = (Row.repository == repository_id) & (Row.digest == digest) & Row.deleted_ms.is_null()
            row = tx.lock(Row.select(Row.id).where(where))
            if not row or not visible(tx.rows, repository_id, {row[0][0]}, now_ms()):
                raise ManifestUnknown()
            tags = self._tags.end_all(tx, repository_id, row[0][0])
            tx.run(Row.update(deleted_ms=now_ms()).where(Row.id == row[0][0]))
            tx.run(ManifestHold.delete().where(ManifestHold.manifest == row[0][0]))
            here = {k: v for k, v in event.__dict__.items() if k != "tags"}
            self._activity.record(tx, events.DeleteManifest(**here, tags=tuple(tags)), **scope)
            for tag in tags:
                self._activity.record(tx, events.DeleteTag(**here, tag=tag), **scope)

        self._db.write(work)


def _hold(tx: Tx, manifest_id: int, reason: str, until: int) -> None:
    """Keeps a manifest visible and held until `until`; never shortens a hold."""
    mine = (ManifestHold.manifest == manifest_id) & (ManifestHold.reason == reason)
    if not tx.insert_absent(ManifestHold, manifest=manifest_id, reason=reason, expires_ms=until):
        tx.run(ManifestHold.update(expires_ms=until).where(mine & (ManifestHold.expires_ms < until)))
