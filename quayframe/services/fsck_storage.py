"""Storage against rows, both ways."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, BlobPlacement, RepositoryBlob, Trash, Upload
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ObjectNotFound

from .blobs import Blobs
from .findings import Finding
from .storage import Storage

# With the id of an upload behind it. A plain key is what an original registry left, whose rows may be yet
# to come.
_is_ours = re.compile(r"sha(?:256|512)/[0-9a-f]{2}/[0-9a-f]+\.[^/]+").fullmatch
BATCH = 500
PATIENCE_S = 60.0
STUBBORN = 5
"""Attempts after which an object that cannot be deleted is told of."""
_AT_ONCE = 8
_KEEP = 100_000
"""Objects that may be orphans and are looked at once more at the end; more of them wait for the next run."""

Progress = Callable[[str, int], None]
Heal = Callable[[Tx, int, str], object]


class StorageCheck:
    """:param heal: is told, in a repair's transaction, of a copy (blob id, location) that was forgotten.
    :param tell: is told (what is being checked, how many are done)."""

    def __init__(self, db: Database, storage: Storage, blobs: Blobs, heal: Heal, tell: Progress) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._heal = heal
        self._tell = tell

    def placements(self, repository_id: int | None, *, digests: bool) -> Iterator[Finding]:
        """Each placement's object: there, as long as the blob, and with `digests` of its bytes."""
        last, done = 0, 0
        columns = (
            BlobPlacement.id, BlobPlacement.location, BlobPlacement.storage_key, Blob.id, Blob.digest,
            Blob.size,
        )  # fmt: skip
        query = BlobPlacement.select(*columns).join(Blob, on=(Blob.id == BlobPlacement.blob))
        if repository_id is not None:
            mine = RepositoryBlob.select(RepositoryBlob.blob).where(
                RepositoryBlob.repository == repository_id
            )
            query = query.where(BlobPlacement.blob.in_(mine))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while True:
                rows = self._db.rows(
                    query.where(BlobPlacement.id > last).order_by(BlobPlacement.id).limit(BATCH)
                )
                if not rows:
                    return
                last = rows[-1][0]
                kinds = list(pool.map(lambda row: self._fault(row, digests), rows))
                away = _away(rows, kinds)
                for row, kind in zip(rows, kinds, strict=True):
                    # Once more: it may have been replaced or collected while it was looked at.
                    if kind is not None and self._stands(row) and self._fault(row, digests) == kind:
                        repair = None if row[1] in away else self._forget(row, kind)
                        yield Finding(kind, f"{row[4]} ({row[2]})", row[1], repair)
                done += len(rows)
                self._tell("objects of blobs", done)

    def _fault(self, row: tuple[Any, ...], digests: bool) -> str | None:
        _, location, key, _, digest, size = row
        try:
            if self._storage.size(location, key) != size:
                return "wrong-size"
            if digests and self._digest(location, key, digest) != digest:
                return "wrong-bytes"
        except ObjectNotFound:
            return "missing-object"
        return None

    def _digest(self, location: str, key: str, digest: str) -> str:
        algorithm = Digest.parse(digest).algorithm
        content = new_hash(algorithm)
        for piece in self._storage.read(location, key):
            content.update(piece)
        return f"{algorithm}:{content.hexdigest()}"

    def _stands(self, row: tuple[Any, ...]) -> bool:
        same = (BlobPlacement.id == row[0]) & (BlobPlacement.storage_key == row[2])
        return self._db.one(BlobPlacement.select(BlobPlacement.id).where(same)) is not None

    def _forget(self, row: tuple[Any, ...], kind: str) -> Callable[[Tx], bool]:
        """The placement goes, its object with it: another location's copy, or an upload of the same bytes,
        makes a new one. An object
        that was not there may turn up again, and is not deleted then."""
        ident, location, key, blob_id = row[:4]

        def repair(tx: Tx) -> bool:
            tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id))
            same = (BlobPlacement.id == ident) & (BlobPlacement.storage_key == key)
            if not tx.run(BlobPlacement.delete().where(same)):
                return False
            if kind != "missing-object":
                self._blobs.discard(tx, location, key)
            self._heal(tx, blob_id, location)
            return True

        return repair

    # -- from storage to rows -----------------------------------------------------------------

    def objects(self) -> Iterator[Finding]:
        """Objects that no row names. One may be on its way: between its commit and the row that names it
        there is a moment, so each is looked at again when the uploads of that moment have ended."""
        for location in self._storage.locations:
            strange: list[str] = []
            done = 0
            for some in pieces(self._storage.keys(location), BATCH):
                strange += self._unnamed(location, some)
                done += len(some)
                self._tell(f"objects at {location}", done)
                if len(strange) >= _KEEP:
                    break
            if not strange:
                continue
            settled = self._settle(location)
            for few in pieces(strange, BATCH):
                for key in self._unnamed(location, few):
                    if self._is_there(location, key):
                        certain = settled and _is_ours(key)
                        repair = self._discard(location, key) if certain else None
                        yield Finding("orphan-object", key, location, repair)

    def _unnamed(self, location: str, keys: Collection[str]) -> list[str]:
        left = set(keys)
        for table in (BlobPlacement, Trash, Upload):
            if left:
                named: Any = (table.location == location) & table.storage_key.in_(list(left))
                left -= {str(key) for (key,) in self._db.rows(table.select(table.storage_key).where(named))}
        return sorted(left)

    def _settle(self, location: str) -> bool:
        """Waits for the uploads that are being committed now; False where some do not end."""
        committing = (Upload.location == location) & Upload.committing.is_null(False)
        waiting = {ident for (ident,) in self._db.rows(Upload.select(Upload.id).where(committing))}
        until = time.monotonic() + PATIENCE_S
        while waiting:
            still = committing & Upload.id.in_(list(waiting))
            waiting = {ident for (ident,) in self._db.rows(Upload.select(Upload.id).where(still))}
            if waiting and time.monotonic() > until:
                return False
            if waiting:
                time.sleep(0.2)
        return True

    def _is_there(self, location: str, key: str) -> bool:
        try:
            self._storage.size(location, key)
        except ObjectNotFound:
            return False
        return True

    def _discard(self, location: str, key: str) -> Callable[[Tx], bool]:
        def repair(tx: Tx) -> bool:
            for table in (BlobPlacement, Trash, Upload):
                named: Any = (table.location == location) & (table.storage_key == key)
                if tx.one(table.select(table.id).where(named)) is not None:
                    return False
            self._blobs.discard(tx, location, key)
            return True

        return repair

    def trash(self) -> Iterator[Finding]:
        """What could not be deleted for long."""
        rows = self._db.rows(
            Trash.select(Trash.location, Trash.storage_key, Trash.error)
            .where(Trash.attempts >= STUBBORN)
            .order_by(Trash.id)
        )
        for location, key, error in rows:
            yield Finding("undeletable", f"{key}: {error}", location)


def _away(rows: list[tuple[Any, ...]], kinds: list[str | None]) -> set[str]:
    """Locations where most objects of these placements are missing: it is the storage that is not there (an
    empty mount, another bucket), and what is forgotten now would be lost."""
    looked = Counter(row[1] for row in rows)
    missing = Counter(row[1] for row, kind in zip(rows, kinds, strict=True) if kind == "missing-object")
    return {location for location, count in missing.items() if 2 * count > looked[location]}


def pieces(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
