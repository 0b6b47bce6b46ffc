"""Manifests: pushed and deleted, each in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
    ManifestUnknown,
    NameUnknown,
    TooManyTags,
)
from quayframe.oci import manifest as oci
from quayframe.oci import media
from quayframe.oci.digest import Digest
from quayframe.oci.manifest import Manifest
from quayframe.oci.names import RepositoryName

from . import artifact_types, blobs, expirations, listed, manifest_labels, pinned
from .activity import Activity
from .artifact_types import ArtifactTypes
from .clock import now_ms
from .collecting import mark
from .content import pending
from .gate import Allowed
from .holds import hold, keep_still
from .image_config import ImageConfigs
from .pins import Pins
from .pulls import Pulled
from .repositories import Check, Repositories
from .tags import ANY, Condition, Tags
from .tokens import BearerToken
from .visibility import visible

MOST_TAGS = 100
_REFERENCE = "vnd.docker.reference.type"


@dataclass(frozen=True)
class Pushed:
    digest: Digest
    tags: tuple[str, ...]
    subject: str | None


@dataclass(frozen=True)
class Rules:
    """What the operator set. `sparse`: FEATURE_SPARSE_INDEX; `hold_s`: PUSH_TEMP_TAG_EXPIRATION_SEC;
    `reset_children`: RESET_CHILD_MANIFEST_EXPIRATION."""

    types: ArtifactTypes = artifact_types.ANY
    sparse: bool = False
    hold_s: int = 3600
    reset_children: bool = False


class Manifests:
    """:param spread: is told, in a push's transaction, of the blobs that its manifest needs."""

    def __init__(
        self,
        db: Database,
        repositories: Repositories,
        tags: Tags,
        activity: Activity,
        check: Check,
        configs: ImageConfigs,
        pins: Pins,
        rules: Rules,
        spread: Callable[[Tx, Collection[int]], object],
    ) -> None:
        self._db = db
        self._repositories = repositories
        self._tags = tags
        self._activity = activity
        self._check = check
        self._configs = configs
        self._pins = pins
        self._rules = rules
        self._spread = spread

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
        self._rules.types.check(parsed, allowed.name.namespace)
        found = Digest.of(body, digest.algorithm if digest else "sha256")
        if digest is not None and digest != found:
            raise DigestInvalid(f"manifest digest mismatch: the body's digest is {found}, not {digest}")
        event = _event(allowed, found, parsed, len(body), tags)
        created = self._repositories.prepare(allowed)
        with pending(event, body):
            self._check(event)
        labels = manifest_labels.of_manifest(parsed, self._configs.of(allowed.repository_id, parsed.config))

        def work(tx: Tx) -> None:
            namespace_id, repository_id = self._repositories.ensure(tx, allowed, created)
            # In turn: of a referrer and its subject that come at once, the second must see the first.
            there = (Repository.id == repository_id) & Repository.deleted_ms.is_null()
            if not tx.in_turn(Repository.select(Repository.id).where(there)):
                raise NameUnknown()
            if not tags:
                condition.check(str(found), self._seen(tx, repository_id, found))
            manifest_id = self._store(tx, repository_id, found, parsed, body, labels)
            if tags:
                terms = expirations.terms_of(tx, manifest_id, now_ms(), self._pins)
                self._tags.put(tx, repository_id, manifest_id, tags, condition, terms)
            else:
                hold(tx, manifest_id, "push", now_ms() + self._rules.hold_s * 1000)
            self._activity.record(
                tx,
                event,
                namespace_id=namespace_id,
                repository_id=repository_id,
                performer_id=allowed.principal.account_id,
            )

        self._db.write(work)
        return Pushed(found, tags, event.subject)

    def refresh(self, token: BearerToken | None, name: RepositoryName, pulled: Pulled) -> None:
        """A HEAD by somebody who may push: the hold of a push by digest is held anew, so that a client that
        skips a push because HEAD said 200 is safe. Written only when less than half is left.

        Raises ManifestUnknown where the collector was faster."""
        grant = token.grants.get(name.full) if token is not None else None
        if grant is None or "push" not in grant.actions:
            return
        now, hold_ms = now_ms(), self._rules.hold_s * 1000
        mine = (ManifestHold.manifest == pulled.manifest_id) & (ManifestHold.reason == "push")
        mine &= ManifestHold.expires_ms > now
        until = self._db.value(ManifestHold.select(ManifestHold.expires_ms).where(mine))
        if until is None or until - now > hold_ms // 2:
            return

        def work(tx: Tx) -> None:
            keep_still(tx, pulled.manifest_id)
            soon = ManifestHold.expires_ms < now + hold_ms
            tx.run(ManifestHold.update(expires_ms=now + hold_ms).where(mine & soon))

        self._db.write(work)

    @staticmethod
    def _seen(tx: Tx, repository_id: int, digest: Digest) -> str | None:
        """The digest, where a manifest of it can be seen here."""
        where = (Row.repository == repository_id) & (Row.digest == digest) & Row.deleted_ms.is_null()
        row = tx.one(Row.select(Row.id).where(where))
        if row is None or not visible(tx.rows, repository_id, {row[0]}, now_ms()):
            return None
        return str(digest)

    def _store(
        self,
        tx: Tx,
        repository_id: int,
        digest: Digest,
        parsed: Manifest,
        body: bytes,
        labels: Mapping[str, str],
    ) -> int:
        wanted = {blob.digest: blob for blob in parsed.blobs}
        have = blobs.take_over(tx, repository_id, list(wanted))
        for digest_, blob in wanted.items():
            if digest_ not in have:
                text = f"Unknown blob `{digest_}`"
                raise ManifestBlobUnknown(text, detail={"digest": digest_, "message": text})
            if have[digest_][1] != blob.size:
                raise ManifestInvalid(f"blob {digest_} has {have[digest_][1]} bytes, not {blob.size}")
        children = self._children(tx, repository_id, parsed)
        manifest_id, is_new = self._row(tx, repository_id, digest, parsed, body)
        needs = sorted({have[d][0] for d in wanted})
        for blob_id in needs:
            tx.insert_absent(ManifestBlob, manifest=manifest_id, blob=blob_id)
        self._spread(tx, needs)
        for child_id in sorted(children.values()):
            tx.insert_absent(ManifestChild, parent=manifest_id, child=child_id)
        if self._rules.sparse:
            listed.claim(tx, repository_id, manifest_id, str(digest), len(body))
        if is_new:
            acting = _acting(tx, parsed, children) if parsed.is_index else {}
            manifest_labels.write(tx, repository_id, manifest_id, {**acting, **labels})
        if children and self._rules.reset_children:
            _end_holds(tx, children.values())
        # Referrers that came before this, their subject: from now on they live and die with it.
        waiting = (Row.repository == repository_id) & (Row.subject == digest) & (Row.subject_seen == 0)
        if tx.one(Row.select(Row.id).where(waiting).limit(1)):
            tx.run(Row.update(subject_seen=1).where(waiting))
        return manifest_id

    def _children(self, tx: Tx, repository_id: int, parsed: Manifest) -> dict[str, int]:
        """By digest, the ids of the manifests that an index lists."""
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
        found: dict[str, int] = {}
        for digest, child in wanted.items():
            row = rows.get(digest)
            if row is None or row[0] not in seen:
                if self._rules.sparse:
                    continue
                text = f"Could not find child manifest with digest `{digest}`"
                raise ManifestBlobUnknown(text, detail={"digest": digest, "message": text})
            if row[1] != child.size:
                raise ManifestInvalid(f"child {digest} has {row[1]} bytes, not {child.size}")
            found[digest] = row[0]
        if any(row[2] in media.INDEX_TYPES for row in rows.values()):
            listed.check_depth(tx, found.values())
        return found

    def _row(
        self, tx: Tx, repository_id: int, digest: Digest, parsed: Manifest, body: bytes
    ) -> tuple[int, bool]:
        """The manifest's id, its row locked, and whether it is new."""
        subject = parsed.subject.digest if parsed.subject else None
        where = (Row.repository == repository_id) & (Row.digest == digest)
        old = tx.lock(Row.select(Row.id, Row.deleted_ms).where(where))
        seen = subject is not None and tx.one(
            Row.select(Row.id).where((Row.repository == repository_id) & (Row.digest == subject))
        )
        if old:
            if old[0][1] is not None:
                tx.run(Row.update(deleted_ms=None, media_type=parsed.media_type).where(Row.id == old[0][0]))
            if subject is not None and not seen:
                # Pushed anew after its subject has gone: whether the collector has been here is no matter.
                tx.run(Row.update(subject_seen=0).where(Row.id == old[0][0]))
            return int(old[0][0]), False
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
        made = tx.insert_absent(Row, repository=repository_id, digest=digest, **values)
        return int(tx.lock(Row.select(Row.id).where(where))[0][0]), made

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, allowed: Allowed, digest: Digest) -> None:
        """Ends a manifest's visibility here, and its tags; a new push gives it back.

        Raises ManifestUnknown; TagImmutable where a pinned tag names it, or an index that lists it."""
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
            pinned.refuse_manifest(tx, self._pins, repository_id, row[0][0])
            tags = self._tags.end_all(tx, repository_id, row[0][0])
            tx.run(Row.update(deleted_ms=now_ms()).where(Row.id == row[0][0]))
            tx.run(ManifestHold.delete().where(ManifestHold.manifest == row[0][0]))
            mark(tx, [row[0][0]])
            here = {k: v for k, v in event.__dict__.items() if k != "tags"}
            self._activity.record(tx, events.DeleteManifest(**here, tags=tuple(tags)), **scope)
            self._activity.record_all(tx, [events.DeleteTag(**here, tag=tag) for tag in tags], **scope)

        self._db.write(work)


def _event(
    allowed: Allowed, digest: Digest, parsed: Manifest, size: int, tags: tuple[str, ...]
) -> events.PushRepo:
    return events.PushRepo(
        **allowed.principal.at(allowed.name),
        digest=digest,
        media_type=parsed.media_type,
        size=size,
        tags=tags,
        subject=parsed.subject.digest if parsed.subject else None,
        artifact_type=parsed.referrer_type,
    )


def _acting(tx: Tx, parsed: Manifest, children: Mapping[str, int]) -> dict[str, str]:
    """The labels that act and that all images of an index share. What attests to one of them (BuildKit puts
    it beside the images) is none, and has no labels."""
    images = {child.digest for child in parsed.children if _REFERENCE not in child.annotations}
    images = images or {child.digest for child in parsed.children}
    if not images or not images <= children.keys():
        return {}
    return manifest_labels.shared(tx, [children[digest] for digest in images])


def _end_holds(tx: Tx, manifest_ids: Iterable[int]) -> None:
    """The index holds them from now on, not the push that brought them."""
    now = now_ms()
    ids = sorted(manifest_ids)
    for at in range(0, len(ids), 500):
        held = ManifestHold.manifest.in_(ids[at : at + 500]) & (ManifestHold.reason == "push")
        tx.run(ManifestHold.update(expires_ms=now).where(held & (ManifestHold.expires_ms > now)))
