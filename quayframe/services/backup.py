"""A backup that is consistent while clients push, and the proof that it holds every tag.

First a hold on the removal of bytes, then one snapshot of the database, then every object that the
snapshot names: what is named was in storage when the snapshot was taken, and stays there under the hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice

import peewee

from quayframe.data import copying
from quayframe.data.db import Database
from quayframe.data.tables import Account, Blob, BlobPlacement, Manifest, ManifestChild, Repository, Tag
from quayframe.errors import BlobUnknown, Refused, RegistryError
from quayframe.oci import manifest as manifests
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ObjectNotFound

from . import gc_holds
from .backup_folder import Folder, Page
from .crypto import SecretBox
from .db_copy import DatabaseCopy, Progress, Summing
from .storage import Storage

_AT_ONCE = 4
_BATCH = 200


def _nothing() -> None:
    """What a hold that nobody needs says."""


def key_check(box: SecretBox) -> str:
    """Tells one DATABASE_SECRET_KEY from another, and not what it is."""
    return box.lookup("backup")[:40]


@dataclass(frozen=True)
class Stored:
    """A blob with its places: (location, key) each."""

    digest: str
    size: int
    places: tuple[tuple[str, str], ...]


def stored(db: Database) -> Iterator[Stored]:
    """The blobs that have a placement, in the order of their ids."""
    last = 0
    while True:
        query = Blob.select(Blob.id, Blob.digest, Blob.size).where(Blob.id > last).order_by(Blob.id)
        rows = db.rows(query.limit(_BATCH))
        if not rows:
            return
        last = rows[-1][0]
        places: dict[int, list[tuple[str, str]]] = {}
        columns = (BlobPlacement.blob, BlobPlacement.location, BlobPlacement.storage_key)
        mine = BlobPlacement.blob.in_([row[0] for row in rows])
        for blob, location, key in db.rows(BlobPlacement.select(*columns).where(mine)):
            places.setdefault(blob, []).append((location, key))
        for ident, digest, size in rows:
            if ident in places:
                yield Stored(digest, size, tuple(places[ident]))


class Backup:
    """:param readonly: this registry is in REGISTRY_STATE readonly, and collects nothing."""

    def __init__(self, db: Database, storage: Storage, box: SecretBox, *, readonly: bool) -> None:
        self._db = db
        self._storage = storage
        self._box = box
        self._readonly = readonly

    def make(self, folder: Folder, tell: Progress = lambda what, done, of: None) -> Page:
        """Backs up into a folder; one that holds an older backup is brought up to date, and is that older
        one until all is there. Objects that could not be read right are named in `lost`.

        Raises Refused for a folder with something else, Unavailable when the database is away or the
        hold was lost."""
        folder.make()
        hold = nullcontext(_nothing) if self._readonly else gc_holds.hold(self._db, "backup")
        with hold as held:
            name = self._draft(folder)
            copied = DatabaseCopy(self._db, self._box, readonly=self._readonly).run(folder.uri(name), tell)
            with closing(Database(folder.uri(name))) as snapshot:
                found, lost = self._objects(folder, snapshot, tell)
                whole(snapshot)
            held()
        tables = {table: (one.rows, one.digest) for table, one in copied.tables.items()}
        size = sum(found.values())
        page = Page(copied.at_ms, name, key_check(self._box), tables, len(found), size, tuple(lost))
        folder.write_page(page)
        folder.prune(name, found)
        return page

    def _draft(self, folder: Folder) -> str:
        """The name of a database file that is not there yet; what an unfinished backup has left goes."""
        try:
            current = folder.page().database
        except RegistryError:
            current = None
        for file in folder.path.glob("registry-*"):
            if current is None or not file.name.startswith(current):
                file.unlink()
        return "registry-b.db" if current == "registry-a.db" else "registry-a.db"

    def _objects(
        self, folder: Folder, snapshot: Database, tell: Progress
    ) -> tuple[dict[str, int], list[str]]:
        """(Size by digest of what the folder has now, digests of what it could not get.)"""
        found: dict[str, int] = {}
        lost: list[str] = []
        total = snapshot.value(Blob.select(peewee.fn.COUNT(Blob.id)))
        blobs = stored(snapshot)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while some := list(islice(blobs, _BATCH)):
                for blob, there in zip(
                    some, pool.map(lambda one: self._fetch(folder, one), some), strict=True
                ):
                    if there:
                        found[blob.digest] = blob.size
                    else:
                        lost.append(blob.digest)
                tell("objects", len(found) + len(lost), total)
        return found, lost

    def _fetch(self, folder: Folder, blob: Stored) -> bool:
        if folder.right(blob.digest):
            return True
        keys = dict(blob.places)
        for location in self._storage.order(keys):
            try:
                self._copy(folder, blob.digest, location, keys[location])
            except (RegistryError, ObjectNotFound):
                continue
            return True
        return False

    def _copy(self, folder: Folder, digest: str, location: str, key: str) -> None:
        """Raises BlobUnknown for bytes that are not those of the digest."""
        wanted = Digest.parse(digest)
        content = new_hash(wanted.algorithm)
        with folder.writing(digest) as file:
            for piece in self._storage.read(location, key):
                content.update(piece)
                file.write(piece)
            if content.hexdigest() != wanted.hex:
                raise BlobUnknown()


def whole(db: Database) -> None:
    """Brings all of an SQLite database into its one file."""
    with copying.opened(db) as side:
        side.do("PRAGMA wal_checkpoint(TRUNCATE)")
        side.sql("PRAGMA journal_mode = DELETE")


# -- the proof ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """What a backup holds, and what is wrong with it, one line each."""

    tags: int
    manifests: int
    objects: int
    size: int
    faults: tuple[str, ...]


@dataclass
class _Known:
    digest: str
    fault: str | None
    children: list[int]


def verify(folder: Folder, tell: Progress = lambda what, done, of: None) -> Proof:
    """Reads all of a backup: the database is the one that was written, and every live tag leads to a
    manifest, its children and their blobs, whose bytes are those of their digests.

    Raises Refused where there is no whole backup, or its database cannot be read."""
    page = folder.page()
    try:
        with closing(Database(folder.uri(page.database))) as db:
            faults = list(_tables(db, page))
            right = _right(folder, db, tell)
            known = _manifests(db, right)
            tags, broken = _tags(db, known, page.at_ms)
    except peewee.PeeweeException as error:
        raise Refused(f"{page.database} of the backup cannot be read: {error}") from error
    return Proof(tags, len(known), len(right), sum(right.values()), (*faults, *broken))


def _tables(db: Database, page: Page) -> Iterator[str]:
    with copying.opened(db) as side:
        for form in copying.forms():
            summing = Summing()
            for rows in side.pages(form):
                summing.add(rows)
            found = summing.sum()
            if (found.rows, found.digest) != page.tables.get(form.name):
                yield f"table {form.name}: not as it was written"


def _right(folder: Folder, db: Database, tell: Progress) -> dict[str, int]:
    """Sizes by digest of the objects whose bytes are right."""
    right: dict[str, int] = {}
    total, done = db.value(Blob.select(peewee.fn.COUNT(Blob.id))), 0
    blobs = stored(db)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(blobs, _BATCH)):
            for blob, good in zip(some, pool.map(lambda one: folder.right(one.digest), some), strict=True):
                if good:
                    right[blob.digest] = blob.size
            done += len(some)
            tell("objects", done, total)
    return right


def _manifests(db: Database, right: dict[str, int]) -> dict[int, _Known]:
    known: dict[int, _Known] = {}
    last = 0
    while True:
        columns = (Manifest.id, Manifest.digest, Manifest.media_type, Manifest.body)
        rows = db.rows(Manifest.select(*columns).where(Manifest.id > last).order_by(Manifest.id).limit(50))
        if not rows:
            break
        last = rows[-1][0]
        for ident, digest, media_type, body in rows:
            known[ident] = _Known(digest, _fault(digest, media_type, body, right), [])
    last = 0
    while rows := db.rows(
        ManifestChild.select(ManifestChild.id, ManifestChild.parent, ManifestChild.child)
        .where(ManifestChild.id > last)
        .order_by(ManifestChild.id)
        .limit(1000)
    ):
        last = rows[-1][0]
        for _, parent, child in rows:
            known[parent].children.append(child)
    return known


def _fault(digest: str, media_type: str, body: bytes, right: dict[str, int]) -> str | None:
    if Digest.of(body, Digest.parse(digest).algorithm) != digest:
        return f"the bytes of manifest {digest} are wrong"
    for blob in manifests.parse(body, media_type).blobs:
        if right.get(str(blob.digest)) != blob.size:
            return f"blob {blob.digest} of manifest {digest} is missing or wrong"
    return None


def _tags(db: Database, known: dict[int, _Known], at_ms: int) -> tuple[int, list[str]]:
    """How many tags were live, and what is wrong with which."""
    count, last = 0, 0
    faults: list[str] = []
    live = Repository.deleted_ms.is_null() & (Tag.end_ms.is_null() | (Tag.end_ms > at_ms))
    query = (
        Tag.select(Tag.id, Tag.name, Tag.manifest, Account.name, Repository.name)
        .join(Repository, on=(Repository.id == Tag.repository))
        .join(Account, on=(Account.id == Repository.namespace))
        .where(live)
    )
    while rows := db.rows(query.where(Tag.id > last).order_by(Tag.id).limit(1000)):
        last = rows[-1][0]
        count += len(rows)
        for _, tag, manifest, namespace, repository in rows:
            faults += [f"{namespace}/{repository}:{tag}: {why}" for why in _reached(known, manifest)]
    return count, faults


def _reached(known: dict[int, _Known], manifest: int) -> list[str]:
    """What is wrong with a manifest and all below it."""
    seen, todo, faults = {manifest}, [manifest], []
    while todo:
        one = known[todo.pop()]
        if one.fault is not None:
            faults.append(one.fault)
        todo += [child for child in one.children if child not in seen]
        seen.update(one.children)
    return faults
