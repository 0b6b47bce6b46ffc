"""Blobs at every location that they are to be at (FEATURE_STORAGE_REPLICATION), and copies that went bad.

What is missing is a job, written in the transaction of the manifest that needs the blob, so that a target
that is away, or a worker that dies, delays a copy and loses none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, BlobPlacement, Job
from quayframe.errors import Unavailable
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ObjectNotFound

from .blobs import Blobs
from .jobs import Jobs
from .keeping import batches
from .placing import Outcome, Placing, Stopped
from .storage import Storage
from .suspects import PATIENCE

log = logging.getLogger("quayframe.replication")

REPLICATE = "replicate"
_WAITING = 1000
"""Jobs that the walk over older blobs lets wait at once."""
_PAGE = 500


class Replication:
    """:param targets: DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS; empty = nothing is replicated."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        blobs: Blobs,
        placing: Placing,
        jobs: Jobs,
        *,
        targets: Sequence[str],
    ) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._placing = placing
        self._jobs = jobs
        self.targets = tuple(targets)

    # -- asking for copies --------------------------------------------------------------------

    def spread(self, tx: Tx, blob_ids: Collection[int]) -> int:
        """In a transaction: a job for each location that one of these blobs is still to come to. Returns
        how many are new."""
        made = 0
        for some in batches(blob_ids) if self.targets else ():
            placed = BlobPlacement.blob.in_(some) & BlobPlacement.location.in_(self.targets)
            there = set(
                tx.rows(BlobPlacement.select(BlobPlacement.blob, BlobPlacement.location).where(placed))
            )
            missing = [(blob, to) for blob in some for to in self.targets if (blob, to) not in there]
            lanes = {_lane(blob, to): (blob, to) for blob, to in missing}
            waiting = Job.lane.in_(list(lanes)) & (Job.dead == 0)
            for (lane,) in tx.rows(Job.select(Job.lane).where(waiting)) if lanes else ():
                lanes.pop(lane, None)
            for lane, (blob, to) in lanes.items():
                self._ask(tx, blob, to, lane)
            made += len(lanes)
        return made

    def _ask(self, tx: Tx, blob_id: int, to: str, lane: str) -> None:
        self._jobs.add(tx, REPLICATE, {"blob": blob_id, "to": to}, lane=lane, max_attempts=PATIENCE)

    def heal(self, tx: Tx, blob_id: int, location: str) -> bool:
        """In a transaction that has forgotten a copy: it is to be made anew, where another one is left."""
        if tx.one(BlobPlacement.select(BlobPlacement.id).where(BlobPlacement.blob == blob_id)) is None:
            return False
        self._ask(tx, blob_id, location, _lane(blob_id, location))
        return True

    def walk(self, after: int, go_on: Callable[[], bool]) -> int | None:
        """Asks for what blobs of before still lack, from behind the id `after` on. Returns where to go on;
        None at the end. It stops early where enough is waiting."""
        while go_on():
            ids = [
                row[0]
                for row in self._db.rows(
                    Blob.select(Blob.id).where(Blob.id > after).order_by(Blob.id).limit(_PAGE)
                )
            ]
            if not ids:
                return None
            if self.waiting() >= _WAITING:
                return after
            if self._lacking(ids):
                self._db.write(lambda tx, ids=ids: self.spread(tx, ids))  # type: ignore[misc]
            after = ids[-1]
        return after

    def _lacking(self, ids: list[int]) -> bool:
        placed = BlobPlacement.blob.in_(ids) & BlobPlacement.location.in_(self.targets)
        rows = self._db.rows(BlobPlacement.select(BlobPlacement.id).where(placed))
        return len(rows) < len(ids) * len(self.targets)

    def waiting(self) -> int:
        """Copies that are still to be made, _WAITING at most."""
        query = Job.select(Job.id).where((Job.kind == REPLICATE) & (Job.dead == 0)).limit(_WAITING)
        return len(self._db.rows(query))

    # -- making them --------------------------------------------------------------------------

    def replicate(self, payload: dict[str, Any], keep: Callable[[], bool]) -> None:
        """The job. Raises what is to be tried again."""
        blob_id, to = int(payload["blob"]), str(payload["to"])
        if to not in self._storage.locations:
            log.warning("blob %d is not copied to %s: that location is no longer configured", blob_id, to)
            return
        try:
            outcome = self._placing.copy(blob_id, to, go_on=keep)
        except Stopped as stopped:
            raise Unavailable(str(stopped)) from stopped
        if outcome is Outcome.LOST:
            log.error("blob %d cannot be copied to %s: no location has its bytes", blob_id, to)

    def recheck(self, payload: dict[str, Any], keep: Callable[[], bool]) -> None:
        """The job: a copy that is wrong is forgotten and made anew from another location. The last copy of
        a blob is left: an upload or `fsck --repair` is to decide about it."""
        blob_id, at, key = int(payload["blob"]), str(payload["at"]), str(payload["key"])
        columns = (Blob.digest, BlobPlacement.location, BlobPlacement.storage_key)
        query = BlobPlacement.select(*columns).join(Blob, on=(Blob.id == BlobPlacement.blob))
        rows = self._db.rows(query.where(BlobPlacement.blob == blob_id))
        if (at, key) not in {(location, found) for _, location, found in rows} or len(rows) < 2:
            return
        fault = self._fault(rows[0][0], at, key, keep)
        if fault is None:
            return

        def work(tx: Tx) -> bool:
            tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id))
            others = (BlobPlacement.blob == blob_id) & (BlobPlacement.location != at)
            if tx.one(BlobPlacement.select(BlobPlacement.id).where(others)) is None:
                return False
            same = (BlobPlacement.blob == blob_id) & (BlobPlacement.location == at)
            if not tx.run(BlobPlacement.delete().where(same & (BlobPlacement.storage_key == key))):
                return False
            if fault != "missing":
                self._blobs.discard(tx, at, key)
            return self.heal(tx, blob_id, at)

        if self._db.write(work):
            log.error("the copy of %s at %s was %s: it is made anew", rows[0][0], at, fault)

    def _fault(self, digest: str, at: str, key: str, keep: Callable[[], bool]) -> str | None:
        hashed = new_hash(Digest.parse(digest).algorithm)
        try:
            pieces = self._storage.read(at, key)
            for number, piece in enumerate(pieces):
                hashed.update(piece)
                if number % 64 == 0 and not keep():
                    return None
        except ObjectNotFound:
            return "missing"
        return None if digest.endswith(f":{hashed.hexdigest()}") else "wrong"


def _lane(blob_id: int, to: str) -> str:
    return f"{REPLICATE}:{to}:{blob_id}"[:255]
