"""Rows against rows: what manifests, links, tags and sums say of one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import (
    Account,
    Blob,
    BlobPlacement,
    Manifest,
    ManifestBlob,
    ManifestChild,
    ManifestHold,
    Repository,
    RepositoryBlob,
    SizeDelta,
    Tag,
    TagInterval,
)
from quayframe.errors import RegistryError
from quayframe.oci import manifest as oci
from quayframe.oci.digest import Digest

from . import fsck_repairs, keeping
from .blobs import Blobs
from .clock import now_ms
from .collecting import window_ms
from .findings import Finding
from .fsck_storage import Progress
from .purging import PURGING
from .unlinking import discard_unlinked

_MANIFESTS = 100
_ROWS = 500


class RowCheck:
    """:param sparse: FEATURE_SPARSE_INDEX: an index may list what is not here.
    :param window_s: DEFAULT_TAG_EXPIRATION. :param hold_s: PUSH_TEMP_TAG_EXPIRATION_SEC."""

    def __init__(
        self, db: Database, blobs: Blobs, tell: Progress, *, sparse: bool, window_s: int, hold_s: int
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._tell = tell
        self._sparse = sparse
        self._window_s = window_s
        self._hold_ms = hold_s * 1000

    # -- manifests ----------------------------------------------------------------------------

    def manifests(self, repository_id: int | None) -> Iterator[Finding]:
        """What each manifest's bytes say against the rows; and whether the collector knows of it."""
        last, done = 0, 0
        while True:
            ids = self._page(Manifest, repository_id, last, _MANIFESTS)
            if not ids:
                return
            last = ids[-1]
            yield from self._twice(partial(self._manifests, ids))
            done += len(ids)
            self._tell("manifests", done)

    def _manifests(self, ids: list[int]) -> Iterator[Finding]:
        query = (
            Manifest.select(
                Manifest.id, Manifest.repository, Manifest.digest, Manifest.media_type, Manifest.body,
                Account.name, Repository.name, Repository.deleted_name, Repository.namespace,
                window_ms(self._window_s),
            )
            .join(Repository, on=(Repository.id == Manifest.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(Manifest.id.in_(ids) & _not_going())
        )  # fmt: skip
        for row in self._db.rows(query):
            ident, repository_id, digest, media_type, body, namespace, name, deleted, namespace_id, window = (
                row
            )
            where = f"{namespace}/{deleted or name}"
            if Digest.of(bytes(body), Digest.parse(digest).algorithm) != digest:
                yield Finding("wrong-manifest", digest, where)
                continue
            yield from self._content(
                ident, repository_id, namespace_id, bytes(body), media_type, digest, where
            )
            reasons = keeping.of_manifests(self._db.rows, repository_id, [ident], now_ms(), int(window))
            known = ManifestHold.manifest == ident
            if (
                not reasons[ident]
                and self._db.one(ManifestHold.select(ManifestHold.id).where(known)) is None
                and not keeping.named(self._db.rows, [ident])
            ):
                yield Finding("forgotten-manifest", digest, where, fsck_repairs.marking(ident))

    def _content(
        self,
        ident: int,
        repository_id: int,
        namespace_id: int,
        body: bytes,
        media_type: str,
        digest: str,
        where: str,
    ) -> Iterator[Finding]:
        try:
            parsed = oci.parse(body, media_type)
        except RegistryError:
            yield Finding("wrong-manifest", digest, where)
            return
        link = partial(self._link, repository_id=repository_id, namespace_id=namespace_id)
        wanted = {str(blob.digest) for blob in parsed.blobs}
        joined = (
            Blob.select(Blob.digest, RepositoryBlob.id)
            .join(ManifestBlob, on=(ManifestBlob.blob == Blob.id))
            .join(
                RepositoryBlob,
                peewee.JOIN.LEFT_OUTER,
                on=((RepositoryBlob.blob == Blob.id) & (RepositoryBlob.repository == repository_id)),
            )
            .where(ManifestBlob.manifest == ident)
        )
        have: dict[str, int | None] = dict(self._db.rows(joined))
        for blob in sorted(wanted - set(have)):
            yield Finding(
                "missing-blob", f"{blob} of {digest}", where, partial(link, digest=blob, manifest_id=ident)
            )
        for blob in sorted(found for found, ident_ in have.items() if ident_ is None):
            yield Finding("missing-link", f"{blob} of {digest}", where, partial(link, digest=blob))
        if self._sparse or not parsed.children:
            return
        children = (
            Manifest.select(Manifest.digest)
            .join(ManifestChild, on=(ManifestChild.child == Manifest.id))
            .where(ManifestChild.parent == ident)
        )
        listed = {str(child.digest) for child in parsed.children}
        for child in sorted(listed - {row[0] for row in self._db.rows(children)}):
            yield Finding("missing-child", f"{child} of {digest}", where)

    def _link(
        self,
        tx: Tx,
        *,
        repository_id: int,
        namespace_id: int,
        digest: str,
        manifest_id: int | None = None,
    ) -> bool:
        """Links a blob that is still there; with `manifest_id` its manifest names it again."""
        rows = tx.lock(Blob.select(Blob.id, Blob.size).where(Blob.digest == digest))
        if not rows:
            return False
        blob_id, size = rows[0]
        if manifest_id is not None:
            tx.insert_absent(ManifestBlob, manifest=manifest_id, blob=blob_id)
        self._blobs.link(tx, blob_id, size, namespace_id, repository_id)
        mine = (RepositoryBlob.repository == repository_id) & (RepositoryBlob.blob == blob_id)
        tx.run(RepositoryBlob.update(expires_ms=None).where(mine))
        return True

    # -- links and blobs ----------------------------------------------------------------------

    def links(self, repository_id: int | None) -> Iterator[Finding]:
        last, done = 0, 0
        while True:
            ids = self._page(RepositoryBlob, repository_id, last, _ROWS)
            if not ids:
                return
            last = ids[-1]
            yield from self._twice(partial(self._links, ids))
            done += len(ids)
            self._tell("links", done)

    def _links(self, ids: list[int]) -> Iterator[Finding]:
        query = (
            RepositoryBlob.select(
                RepositoryBlob.id, RepositoryBlob.repository, RepositoryBlob.blob, RepositoryBlob.expires_ms,
                RepositoryBlob.deleted_ms, Blob.digest, Account.name, Repository.name,
                Repository.deleted_name,
            )
            .join(Blob, on=(Blob.id == RepositoryBlob.blob))
            .join(Repository, on=(Repository.id == RepositoryBlob.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(RepositoryBlob.id.in_(ids) & _not_going())
        )  # fmt: skip
        rows = self._db.rows(query)
        used = keeping.needed(self._db.rows, {row[2] for row in rows}, {row[1] for row in rows})
        for ident, repository, blob, expires, deleted, digest, namespace, name, old in rows:
            where = f"{namespace}/{old or name}"
            needs = (repository, blob) in used
            if needs and expires is not None:
                yield Finding(
                    "fleeting-link", digest, where, partial(fsck_repairs.lasting, link_id=ident, blob_id=blob)
                )
            elif not needs and expires is None:
                until = now_ms() + (0 if deleted is not None else self._hold_ms)
                repair = partial(fsck_repairs.ending, link_id=ident, blob_id=blob, until=until)
                yield Finding("idle-link", digest, where, repair)

    def blobs(self, repository_id: int | None) -> Iterator[Finding]:
        """Blobs that nobody links, and those that are nowhere."""
        last, done = 0, 0
        while True:
            query = Blob.select(Blob.id).where(Blob.id > last).order_by(Blob.id).limit(_ROWS)
            if repository_id is not None:
                linked = RepositoryBlob.repository == repository_id
                query = query.where(Blob.id.in_(RepositoryBlob.select(RepositoryBlob.blob).where(linked)))
            ids = [row[0] for row in self._db.rows(query)]
            if not ids:
                return
            last = ids[-1]
            yield from self._twice(partial(self._blob_rows, ids))
            done += len(ids)
            self._tell("blobs", done)

    def _blob_rows(self, ids: list[int]) -> Iterator[Finding]:
        link, placed = RepositoryBlob.blob == Blob.id, BlobPlacement.blob == Blob.id
        query = Blob.select(
            Blob.id,
            Blob.digest,
            peewee.fn.EXISTS(RepositoryBlob.select(RepositoryBlob.id).where(link)),
            peewee.fn.EXISTS(BlobPlacement.select(BlobPlacement.id).where(placed)),
        ).where(Blob.id.in_(ids))
        for ident, digest, linked, there in self._db.rows(query):
            if not linked:
                yield Finding("unlinked-blob", digest, "", partial(self._unlink, blob_id=ident))
            elif not there:
                yield Finding("lost-blob", digest, "")

    def _unlink(self, tx: Tx, *, blob_id: int) -> bool:
        return discard_unlinked(tx, self._blobs, blob_id)

    # -- tags ---------------------------------------------------------------------------------

    def tags(self, repository_id: int | None) -> Iterator[Finding]:
        """Heads against the history."""
        last, done = 0, 0
        while True:
            ids = self._page(Tag, repository_id, last, _ROWS)
            if not ids:
                return
            last = ids[-1]
            yield from self._twice(partial(self._heads, ids))
            yield from self._twice(partial(self._periods, ids))
            done += len(ids)
            self._tell("tags", done)

    def _heads(self, ids: list[int]) -> Iterator[Finding]:
        current = (TagInterval.tag == Tag.id) & (TagInterval.start_ms == Tag.start_ms)
        current &= TagInterval.manifest == Tag.manifest
        query = (
            Tag.select(Tag.id, Tag.name, Account.name, Repository.name, Repository.deleted_name)
            .join(Repository, on=(Repository.id == Tag.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(Tag.id.in_(ids) & _not_going())
            .where(~peewee.fn.EXISTS(TagInterval.select(TagInterval.id).where(current)))
        )
        for ident, tag, namespace, name, old in self._db.rows(query):
            where = f"{namespace}/{old or name}"
            yield Finding("missing-period", tag, where, partial(fsck_repairs.write_period, tag_id=ident))

    def _periods(self, ids: list[int]) -> Iterator[Finding]:
        over = TagInterval.end_ms.is_null() & (TagInterval.start_ms != Tag.start_ms)
        nameless = TagInterval.name.is_null()
        query = (
            TagInterval.select(
                TagInterval.id, TagInterval.name, TagInterval.end_ms, TagInterval.start_ms, Tag.start_ms,
                Tag.name, Account.name, Repository.name, Repository.deleted_name,
            )
            .join(Tag, on=(Tag.id == TagInterval.tag))
            .join(Repository, on=(Repository.id == Tag.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(TagInterval.tag.in_(ids) & (over | nameless) & _not_going())
            .order_by(TagInterval.id)
        )  # fmt: skip
        for ident, said, end, start, head, tag, namespace, name, old in self._db.rows(query):
            where = f"{namespace}/{old or name}"
            if said is None:
                yield Finding(
                    "nameless-period", f"{tag}@{start}", where, partial(fsck_repairs.name_period, ident=ident)
                )
            if end is None and start != head:
                yield Finding(
                    "endless-period", f"{tag}@{start}", where, partial(fsck_repairs.end_period, ident=ident)
                )

    # -- sums ---------------------------------------------------------------------------------

    def sums(self) -> Iterator[Finding]:
        """The deltas of each namespace against the blobs that it links, each pair in one statement."""
        for ident, name in self._db.rows(Account.select(Account.id, Account.name).order_by(Account.id)):
            if not self._off(self._db, ident) or not self._off(self._db, ident):
                continue
            yield Finding("wrong-sum", name, "", partial(self._correct, namespace_id=ident))

    @staticmethod
    def _off(db: Database | Tx, namespace_id: int) -> int:
        """By how much a namespace's deltas are too few bytes."""
        linked = RepositoryBlob.select(RepositoryBlob.blob).where(RepositoryBlob.namespace == namespace_id)
        real = Blob.select(peewee.fn.COALESCE(peewee.fn.SUM(Blob.size), 0)).where(Blob.id.in_(linked))
        said = SizeDelta.select(peewee.fn.COALESCE(peewee.fn.SUM(SizeDelta.delta), 0)).where(
            SizeDelta.namespace == namespace_id
        )
        row = db.one(Account.select(real, said).where(Account.id == namespace_id))
        return 0 if row is None else int(row[0]) - int(row[1])

    def _correct(self, tx: Tx, *, namespace_id: int) -> bool:
        # Nobody begins to link while the namespace's row is held; who has begun is seen by the next run.
        tx.lock(Account.select(Account.id).where(Account.id == namespace_id))
        off = self._off(tx, namespace_id)
        repository = tx.value(
            RepositoryBlob.select(RepositoryBlob.repository)
            .where(RepositoryBlob.namespace == namespace_id)
            .limit(1)
        )
        if off:
            tx.insert(
                SizeDelta, namespace=namespace_id, repository=repository or 0, delta=off, at_ms=now_ms()
            )
        return bool(off)

    # -- parts --------------------------------------------------------------------------------

    def _page(self, table: Any, repository_id: int | None, last: int, size: int) -> list[int]:
        where = table.id > last
        if repository_id is not None:
            where &= table.repository == repository_id
        return [
            row[0]
            for row in self._db.rows(table.select(table.id).where(where).order_by(table.id).limit(size))
        ]

    @staticmethod
    def _twice(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
        """What is found at a second look as well: the registry serves on while it is checked."""
        first = list(look())
        if not first:
            return []
        again = set(look())
        return [finding for finding in first if finding in again]


def _not_going() -> Any:
    """Of what is being purged, half is missing."""
    here = Repository.deleted_ms.is_null() | (Repository.deleted_ms != PURGING)
    return here & (Account.deleted_ms.is_null() | (Account.deleted_ms != PURGING))
