"""All blobs of one location to another one, while the registry runs; and what each location has."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, BlobPlacement
from quayframe.data.tables import Upload as Row
from quayframe.errors import Refused, RegistryError, Unavailable

from .blobs import Blobs
from .gc_holds import hold
from .keeping import batches
from .placing import Outcome, Placing
from .storage import Storage

log = logging.getLogger("quayframe.storage")

Tell = Callable[[str, int, int], None]
_PAGE = 500
_ATTEMPTS = 5
"""Of one blob, further and further apart, before the whole gives up; it is run again then."""


@dataclass
class Done:
    """What a copy did. `lost`: digests of blobs whose bytes are not at the source, or are wrong there, and
    nowhere else either. `moved`: copies that the source has given up."""

    copied: int = 0
    size: int = 0
    moved: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Held:
    """What a location has. `alone`: blobs that no other location has."""

    blobs: int
    size: int
    alone: int


class StorageCopy:
    def __init__(self, db: Database, storage: Storage, blobs: Blobs, placing: Placing) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._placing = placing

    def held(self) -> dict[str, Held]:
        """By location, of those configured and those that rows name."""
        fn = peewee.fn
        placed = (
            BlobPlacement.select(BlobPlacement.location, fn.COUNT(BlobPlacement.id), fn.SUM(Blob.size))
            .join(Blob, on=(Blob.id == BlobPlacement.blob))
            .group_by(BlobPlacement.location)
        )
        found = {location: (int(count), int(size or 0)) for location, count, size in self._db.rows(placed)}
        single = BlobPlacement.select(BlobPlacement.blob).group_by(BlobPlacement.blob)
        single = single.having(fn.COUNT(BlobPlacement.id) == 1)
        alone = BlobPlacement.select(BlobPlacement.location, fn.COUNT(BlobPlacement.id)).where(
            BlobPlacement.blob.in_(single)
        )
        lonely = Counter({name: int(n) for name, n in self._db.rows(alone.group_by(BlobPlacement.location))})
        names = dict.fromkeys([*self._storage.locations, *sorted(found)])
        return {name: Held(*found.get(name, (0, 0)), lonely[name]) for name in names}

    def under_way(self, location: str) -> int:
        """Uploads that have begun at a location and end there; what they push is not copied yet."""
        return int(self._db.value(Row.select(peewee.fn.COUNT(Row.id)).where(Row.location == location)))

    def run(self, source: str, target: str, tell: Tell, *, threads: int = 4, move: bool = False) -> Done:
        """Copies what `target` lacks of `source`, until a whole pass finds nothing more to copy. Run again it
        goes on where it was ended.

        :param move: what both have then, `source` gives up.
        Raises Refused; Unavailable where a storage stays away."""
        for name in (source, target):
            if name not in self._storage.locations:
                known = ", ".join(self._storage.locations)
                raise Refused(f"there is no location {name}; DISTRIBUTED_STORAGE_CONFIG has {known}")
        if source == target:
            raise Refused("the two locations are one")
        done = Done()
        tried: set[int] = set()
        with hold(self._db, "storage copy") as check, ThreadPoolExecutor(threads) as pool:
            while True:
                missing = self._count_missing(source, target)
                before = len(tried)
                total = before + missing - len(done.lost)
                for rows in self._missing(source, target, tried):
                    for outcome, digest, size in pool.map(lambda row: self._one(row, target), rows):
                        self._note(done, outcome, digest, size)
                        so_far = done.copied + len(done.lost)
                        tell("blobs", so_far, max(total, so_far))
                    check()
                if len(tried) == before:
                    break
        if move:
            done.moved = self._give_up(source, target, tell)
        return done

    @staticmethod
    def _note(done: Done, outcome: Outcome, digest: str, size: int) -> None:
        if outcome is Outcome.PLACED:
            done.copied += 1
            done.size += size
        elif outcome is Outcome.LOST:
            done.lost.append(digest)

    def _one(self, row: tuple[int, str, int], target: str) -> tuple[Outcome, str, int]:
        blob_id, digest, size = row
        try:
            for attempt in range(_ATTEMPTS):
                try:
                    return self._placing.copy(blob_id, target), digest, size
                except RegistryError as error:
                    if attempt == _ATTEMPTS - 1:
                        raise Unavailable(f"{digest} cannot be copied: {error}; run this again") from error
                    log.warning("%s is not copied yet: %s", digest, error)
                    time.sleep(2**attempt)
            raise AssertionError("unreachable")
        finally:
            self._db.close()

    def _missing(self, source: str, target: str, tried: set[int]) -> Iterator[list[tuple[int, str, int]]]:
        last = 0
        while True:
            query = BlobPlacement.select(BlobPlacement.id, Blob.id, Blob.digest, Blob.size)
            query = query.join(Blob, on=(Blob.id == BlobPlacement.blob))
            lacking = _lacking(source, target) & (BlobPlacement.id > last)
            rows = self._db.rows(query.where(lacking).order_by(BlobPlacement.id).limit(_PAGE))
            if not rows:
                return
            last = rows[-1][0]
            some = [(ident, digest, size) for _, ident, digest, size in rows if ident not in tried]
            tried.update(row[0] for row in some)
            yield some

    def _count_missing(self, source: str, target: str) -> int:
        query = BlobPlacement.select(peewee.fn.COUNT(BlobPlacement.id))
        return int(self._db.value(query.where(_lacking(source, target))))

    def _give_up(self, source: str, target: str, tell: Tell) -> int:
        """Forgets the copies at `source` of what `target` has; their objects go when no URL can be in use."""
        moved, last = 0, 0
        there = BlobPlacement.alias("there")
        both = there.select(there.blob).where(there.location == target)
        while True:
            here = (BlobPlacement.location == source) & (BlobPlacement.blob > last)
            query = BlobPlacement.select(BlobPlacement.blob).where(here & BlobPlacement.blob.in_(both))
            ids = [row[0] for row in self._db.rows(query.order_by(BlobPlacement.blob).limit(_PAGE))]
            if not ids:
                return moved
            last = ids[-1]
            for some in batches(ids):
                moved += self._db.write(lambda tx, some=some: self._drop(tx, some, source, target))  # type: ignore[misc]
                tell("given up", moved, moved)

    def _drop(self, tx: Tx, ids: list[int], source: str, target: str) -> int:
        tx.lock(Blob.select(Blob.id).where(Blob.id.in_(ids)).order_by(Blob.digest))
        placed = BlobPlacement.blob.in_(ids)
        columns = (BlobPlacement.blob, BlobPlacement.location, BlobPlacement.id, BlobPlacement.storage_key)
        rows = tx.rows(BlobPlacement.select(*columns).where(placed))
        safe = {blob for blob, location, _, _ in rows if location == target}
        gone = [(ident, key) for blob, location, ident, key in rows if location == source and blob in safe]
        tx.run(BlobPlacement.delete().where(BlobPlacement.id.in_([ident for ident, _ in gone])))
        for _, key in gone:
            self._blobs.discard(tx, source, key)
        return len(gone)


def _lacking(source: str, target: str) -> Any:
    there = BlobPlacement.alias("there")
    placed = there.select(there.id).where((there.blob == BlobPlacement.blob) & (there.location == target))
    return (BlobPlacement.location == source) & ~peewee.fn.EXISTS(placed)
