"""A backup becomes a registry again: its rows into an empty database, its bytes into the storage."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import peewee

from quayframe.data import copying
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, BlobPlacement, Lease
from quayframe.errors import Refused
from quayframe.oci.digest import Digest, new_hash

from . import gc_holds
from .backup import key_check
from .backup_folder import Folder
from .crypto import SecretBox
from .db_copy import DatabaseCopy, Progress
from .storage import Storage

_AT_ONCE = 4
_WITHOUT = ("blob_placement", "trash", "upload")
"""What these say is of the storage that the backup came from."""


@dataclass(frozen=True)
class Restored:
    """:param absent: digests of blobs without bytes; a push of the same bytes heals them."""

    rows: int
    objects: int
    absent: tuple[str, ...]


class Restore:
    """:param uri: DB_URI of the database to fill. What is restored is written to the storage's home."""

    def __init__(self, uri: str, storage: Storage, box: SecretBox) -> None:
        self._uri = uri
        self._storage = storage
        self._box = box

    def run(self, folder: Folder, tell: Progress = lambda what, done, of: None) -> Restored:
        """Restores everything. Killed, it is simply run again; no registry starts on the database before
        it is done.

        Raises Refused for a database or a DATABASE_SECRET_KEY that does not fit, or a folder without a
        whole backup; Unavailable, StorageFull."""
        page = folder.page()
        if page.key != key_check(self._box):
            raise Refused("the backup's secrets are encrypted with another DATABASE_SECRET_KEY: set that one")
        with closing(Database(folder.uri(page.database))) as source:
            copier = DatabaseCopy(source, self._box, readonly=True)
            rows = copier.run(self._uri, tell, more=True, without=_WITHOUT).rows
        with closing(Database(self._uri)) as db:
            objects, absent = self._objects(folder, db, tell)
            db.write(lambda tx: tx.run(Lease.delete().where(Lease.name.startswith(gc_holds.PREFIX))))
            with copying.opened(db) as side:
                side.end_mark()
        return Restored(rows, objects, tuple(absent))

    def _objects(self, folder: Folder, db: Database, tell: Progress) -> tuple[int, list[str]]:
        done, absent = 0, []
        total = db.value(Blob.select(peewee.fn.COUNT(Blob.id)))
        blobs = _unplaced(db)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while some := list(islice(blobs, _AT_ONCE * 4)):
                keys = list(pool.map(lambda one: self._store(folder, one[1]), some))
                home = self._storage.home
                placed = [(blob[0], key) for blob, key in zip(some, keys, strict=True) if key is not None]

                def work(tx: Tx, placed: list[tuple[int, str]] = placed, home: str = home) -> None:
                    for blob, key in placed:
                        tx.insert(BlobPlacement, blob=blob, location=home, storage_key=key)

                db.write(work)
                absent += [blob[1] for blob, key in zip(some, keys, strict=True) if key is None]
                done += len(placed)
                tell("objects", done, total)
        return done, absent

    def _store(self, folder: Folder, digest: str) -> str | None:
        """The key of a blob's bytes in the storage; None where the backup has none, or wrong ones."""
        wanted = Digest.parse(digest)
        path = folder.object(digest)
        if not path.is_file():
            return None
        home = self._storage.home
        upload = self._storage.begin(home)
        with path.open("rb") as file:
            stream = _Hashing(file, wanted.algorithm)
            upload = self._storage.append(home, upload, stream)
        if stream.hexdigest() != wanted.hex:
            self._storage.abort(home, upload)
            return None
        return self._storage.commit(home, upload, self._storage.key(wanted, str(uuid.uuid4())))


class _Hashing:
    def __init__(self, file: Any, algorithm: str) -> None:
        self._file = file
        self._hash = new_hash(algorithm)

    def read(self, size: int, /) -> bytes:
        data: bytes = self._file.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _unplaced(db: Database) -> Iterator[tuple[int, str]]:
    """Blobs (id, digest) that are nowhere yet."""
    last = 0
    placed = BlobPlacement.select(BlobPlacement.blob)
    while rows := db.rows(
        Blob.select(Blob.id, Blob.digest)
        .where((Blob.id > last) & Blob.id.not_in(placed))
        .order_by(Blob.id)
        .limit(500)
    ):
        last = rows[-1][0]
        yield from rows
