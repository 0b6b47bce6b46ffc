"""Blobs: who may see which, where their bytes are, and the links that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import (
    Account,
    Blob,
    BlobPlacement,
    Manifest,
    ManifestBlob,
    Repository,
    RepositoryBlob,
    SizeDelta,
    Trash,
)
from quayframe.errors import BlobUnknown
from quayframe.oci.digest import Digest
from quayframe.oci.names import RepositoryName
from quayframe.plugin.storage import UrlRequest

from . import pinned
from .access import Access
from .activity import Activity
from .clock import now_ms
from .gate import WIDTH, Allowed, Gate, Question
from .pins import Pins
from .principal import Principal
from .reading import Reading, Suspect, nobody
from .repositories import Check, Repositories
from .storage import Storage
from .tokens import BearerToken

TRASH_DELAY_MS = 15 * 60 * 1000
"""After the longest read or signed URL has ended."""

_FIND = Question(
    ", b.id, b.size, p.location, p.storage_key, l.expires_ms, l.deleted_ms, l.id",
    " LEFT JOIN stored_blob b ON b.digest = ?"
    " LEFT JOIN repository_blob l ON l.repository_id = r.id AND l.blob_id = b.id"
    " LEFT JOIN blob_placement p ON p.blob_id = b.id",
)


@dataclass(frozen=True)
class Found:
    """A blob that may be read. `placements` is {location: key}; empty = its bytes are nowhere."""

    allowed: Allowed
    blob_id: int
    digest: str
    size: int
    placements: dict[str, str]
    expires_ms: int | None


class Blobs:
    """:param hold_s: PUSH_TEMP_TAG_EXPIRATION_SEC: how long a link without a manifest holds.
    :param suspect: is told of copies that cannot be right.
    :param trash_delay_ms: how long bytes that nothing refers to stay (tests set 0)."""

    def __init__(
        self,
        db: Database,
        gate: Gate,
        storage: Storage,
        access: Access,
        activity: Activity,
        repositories: Repositories,
        check: Check,
        pins: Pins,
        *,
        hold_s: int,
        trash_delay_ms: int = TRASH_DELAY_MS,
        suspect: Suspect = nobody,
    ) -> None:
        self._db = db
        self._gate = gate
        self._access = access
        self._activity = activity
        self._repositories = repositories
        self._check = check
        self._pins = pins
        self._hold_ms = hold_s * 1000
        self._trash_delay_ms = trash_delay_ms
        self._reading = Reading(storage, suspect)

    # -- reading ------------------------------------------------------------------------------

    def find(self, token: BearerToken | None, name: RepositoryName, digest: Digest) -> Found:
        """The blob, if this token may pull from the repository and it is visible there."""
        sql, params = self._gate.ask(_FIND, token, name)
        rows = self._db.sql_rows(sql, (*params, digest))
        allowed = self._gate.decide(rows[0], token, name, "pull")
        blob_id, size, _, _, expires, deleted, link_id = rows[0][WIDTH:]
        expired = expires is not None and expires <= now_ms()
        if link_id is None or deleted is not None or expired:
            raise BlobUnknown()
        if rows[0][WIDTH + 2] is None:
            # Linked, and nowhere: whoever has the bytes is to upload them.
            raise BlobUnknown()
        placements = {row[WIDTH + 2]: row[WIDTH + 3] for row in rows if row[WIDTH + 2]}
        return Found(allowed, blob_id, digest, size, placements, expires)

    def url(self, found: Found, ip: str | None) -> str | None:
        """A direct URL of the blob's bytes, where its location gives one."""
        request = UrlRequest(
            client_address=ip,
            content_type="application/octet-stream",
            namespace=found.allowed.name.namespace,
            repository=found.allowed.name.name,
            user=found.allowed.principal.performer,
        )
        return self._reading.url(found.placements, request)

    def read(self, found: Found, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The blob's bytes from a location that has them. Raises BlobUnknown, Unavailable."""
        return self._reading.read(found.blob_id, found.digest, found.size, found.placements, start, stop)

    def refresh(self, token: BearerToken | None, found: Found) -> None:
        """A HEAD by somebody who may push: the link is held anew, so that a client that skips an
        upload because HEAD said 200 is safe. Written only when less than half is left.

        Raises BlobUnknown when the link has gone in the meantime."""
        now = now_ms()
        if found.expires_ms is None or found.expires_ms - now > self._hold_ms // 2 or token is None:
            return
        grant = token.grants.get(found.allowed.name.full)
        if grant is None or "push" not in grant.actions:
            return
        until = now + self._hold_ms
        mine = (RepositoryBlob.repository == found.allowed.repository_id) & (
            RepositoryBlob.blob == found.blob_id
        )
        mine &= RepositoryBlob.deleted_ms.is_null()

        def work(tx: Tx) -> bool:
            alive = RepositoryBlob.expires_ms.is_null(False) & (RepositoryBlob.expires_ms < until)
            if tx.run(RepositoryBlob.update(expires_ms=until).where(mine & alive)):
                return True
            # Held for longer already, or the collector was faster.
            return tx.one(RepositoryBlob.select(RepositoryBlob.id).where(mine)) is not None

        if not self._db.write(work):
            raise BlobUnknown()

    # -- linking ------------------------------------------------------------------------------

    def store(
        self,
        tx: Tx,
        digest: Digest,
        size: int,
        location: str,
        key: str,
        namespace_id: int,
        repository_id: int,
    ) -> None:
        """Bytes have arrived at `location` under `key`: the blob is there, placed and linked.

        Of two copies at one location the new one is kept, as its bytes have just been verified, and the
        old one goes to the trash: so an upload mends a blob whose object was lost."""
        blob_id = _locked(tx, digest, size)
        if not tx.insert_absent(BlobPlacement, blob=blob_id, location=location, storage_key=key):
            placed = (BlobPlacement.blob == blob_id) & (BlobPlacement.location == location)
            there = tx.value(BlobPlacement.select(BlobPlacement.storage_key).where(placed))
            if there != key:
                tx.run(BlobPlacement.update(storage_key=key).where(placed))
                self.discard(tx, location, there)
        self.link(tx, blob_id, size, namespace_id, repository_id)

    def discard(self, tx: Tx, location: str, key: str) -> None:
        """Puts an object that nothing refers to in the trash."""
        tx.insert(Trash, location=location, storage_key=key, due_ms=now_ms() + self._trash_delay_ms)

    def discard_unplaced(self, tx: Tx, location: str, key: str) -> None:
        """The same for one that a blob may have been placed at in the meantime."""
        placed = (BlobPlacement.location == location) & (BlobPlacement.storage_key == key)
        if tx.one(BlobPlacement.select(BlobPlacement.id).where(placed)) is None:
            self.discard(tx, location, key)

    def link(self, tx: Tx, blob_id: int, size: int, namespace_id: int, repository_id: int) -> None:
        until = now_ms() + self._hold_ms
        mine = (RepositoryBlob.repository == repository_id) & (RepositoryBlob.blob == blob_id)
        old = tx.lock(RepositoryBlob.select(RepositoryBlob.expires_ms, RepositoryBlob.deleted_ms).where(mine))
        if old:
            expires, deleted = old[0]
            if deleted is not None or expires is not None:
                # What a manifest here needs is linked for good, also after it was deleted and came back.
                keep = None if _needed(tx, repository_id, blob_id) else max(until, expires or 0)
                tx.run(RepositoryBlob.update(expires_ms=keep, deleted_ms=None).where(mine))
            return
        in_namespace = (RepositoryBlob.namespace == namespace_id) & (RepositoryBlob.blob == blob_id)
        first = tx.one(RepositoryBlob.select(RepositoryBlob.id).where(in_namespace).limit(1)) is None
        tx.insert_absent(
            RepositoryBlob, repository=repository_id, namespace=namespace_id, blob=blob_id, expires_ms=until
        )
        if first:
            tx.insert(SizeDelta, namespace=namespace_id, repository=repository_id, delta=size, at_ms=now_ms())

    # -- mounting -----------------------------------------------------------------------------

    def mount(
        self, token: BearerToken, allowed: Allowed, digest: Digest, source: RepositoryName | None
    ) -> bool:
        """Links a blob of another repository here, without its bytes; False = upload it instead.

        With `source` the token must grant pull there, or it is public; without, the token's subject
        must be grantable pull, by the token service's own rules, on some repository that has it."""
        if source is not None:
            try:
                origin = self.find(token, source, digest)
            except Exception:
                return False
            blob_id, size = origin.blob_id, origin.size
        else:
            found = self._anywhere(allowed.principal, digest)
            if found is None:
                return False
            blob_id, size = found
        event = self._repositories.prepare(allowed)

        def work(tx: Tx) -> bool:
            # The repository before its blobs, as pushes of manifests do: nobody waits in a circle.
            namespace_id, repository_id = self._repositories.ensure(tx, allowed, event)
            self._repositories.keep_still(tx, repository_id)
            # The collector locks this row before it takes the blob away: it lives, or it is gone; then the
            # upload that begins instead goes into the same repository.
            if not tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id)):
                return False
            self.link(tx, blob_id, size, namespace_id, repository_id)
            return True

        return self._db.write(work)

    def _anywhere(self, principal: Principal, digest: Digest) -> tuple[int, int] | None:
        now = now_ms()
        rows = self._db.rows(
            Blob.select(Blob.id, Blob.size, Account.name, Repository.name)
            .join(BlobPlacement, on=(BlobPlacement.blob == Blob.id))
            .join(RepositoryBlob, on=(RepositoryBlob.blob == Blob.id))
            .join(Repository, on=(Repository.id == RepositoryBlob.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where((Blob.digest == digest) & RepositoryBlob.deleted_ms.is_null())
            .where(RepositoryBlob.expires_ms.is_null() | (RepositoryBlob.expires_ms > now))
            .where(Repository.deleted_ms.is_null() & (Account.enabled == 1))
            .limit(50)
        )
        for blob_id, size, namespace, name in rows:
            row = self._access.repository(namespace, name)
            if row is not None and self._access.may_pull(principal, row):
                return int(blob_id), int(size)
        return None

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, allowed: Allowed, digest: Digest) -> None:
        """Ends a blob's visibility in this repository at once; the collector does the rest.

        Raises BlobUnknown; TagImmutable where a tag that is pinned needs it."""
        event = events.DeleteBlob(
            **allowed.principal.at(allowed.name),
            digest=digest,
        )
        self._check(event)

        def work(tx: Tx) -> None:
            now = now_ms()
            blob_id = tx.value(Blob.select(Blob.id).where(Blob.digest == digest))
            live = RepositoryBlob.deleted_ms.is_null() & (
                RepositoryBlob.expires_ms.is_null() | (RepositoryBlob.expires_ms > now)
            )
            mine = (RepositoryBlob.repository == allowed.repository_id) & (RepositoryBlob.blob == blob_id)
            if blob_id is None or not tx.lock(RepositoryBlob.select(RepositoryBlob.id).where(mine & live)):
                raise BlobUnknown()
            assert allowed.repository_id is not None
            pinned.refuse_blob(tx, self._pins, allowed.repository_id, blob_id)
            values = {"deleted_ms": now}
            if not _needed(tx, allowed.repository_id, blob_id):
                # No manifest's going will give it an end: the collector may have it at once.
                values["expires_ms"] = now
            tx.run(RepositoryBlob.update(**values).where(mine))
            self._activity.record(
                tx,
                event,
                namespace_id=allowed.namespace_id,
                repository_id=allowed.repository_id,
                performer_id=allowed.principal.account_id,
            )

        self._db.write(work)


def _locked(tx: Tx, digest: Digest, size: int) -> int:
    """The id of the blob, which is made where it is missing; its row locked."""
    while True:
        tx.insert_absent(Blob, digest=digest, size=size, created_ms=now_ms())
        rows = tx.lock(Blob.select(Blob.id).where(Blob.digest == digest))
        if rows:
            return int(rows[0][0])
        # It was there, and the collector took it away before it was locked: this one makes it anew.


def take_over(tx: Tx, repository_id: int, digests: list[str]) -> dict[str, tuple[int, int]]:
    """In a manifest's transaction: {digest: (blob id, size)} of those visible here, their rows locked
    in digest order and their links made permanent. Digests that are missing are not in the answer."""
    now = now_ms()
    found: dict[str, tuple[int, int]] = {}
    for at in range(0, len(digests), 500):
        some = sorted(digests)[at : at + 500]
        # The rows themselves are locked (not the join), in one order everywhere.
        blobs = tx.share(
            Blob.select(Blob.id, Blob.digest, Blob.size).where(Blob.digest.in_(some)).order_by(Blob.digest)
        )
        placed = BlobPlacement.blob.in_([row[0] for row in blobs])
        # Without a placement it is to be uploaded again, whoever links it.
        ids = [blob for (blob,) in tx.rows(BlobPlacement.select(BlobPlacement.blob).where(placed))]
        live = RepositoryBlob.deleted_ms.is_null() & (
            RepositoryBlob.expires_ms.is_null() | (RepositoryBlob.expires_ms > now)
        )
        here = (RepositoryBlob.repository == repository_id) & RepositoryBlob.blob.in_(ids) & live
        linked = {row[0] for row in tx.lock(RepositoryBlob.select(RepositoryBlob.blob).where(here))}
        tx.run(RepositoryBlob.update(expires_ms=None).where(here & RepositoryBlob.expires_ms.is_null(False)))
        found.update({digest: (i, size) for i, digest, size in blobs if i in linked})
    return found


def _needed(tx: Tx, repository_id: int | None, blob_id: int) -> bool:
    """Whether a manifest of the repository names the blob."""
    query = (
        ManifestBlob.select(ManifestBlob.id)
        .join(Manifest, on=(Manifest.id == ManifestBlob.manifest))
        .where((ManifestBlob.blob == blob_id) & (Manifest.repository == repository_id))
    )
    return tx.one(query.limit(1)) is not None
