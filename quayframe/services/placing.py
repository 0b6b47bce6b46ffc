"""Copies of blobs at further locations: read from whoever has the bytes, verified, and known in one step.

A copy under way is a row like an upload's, so that one whose process was killed is ended by the same sweep,
and leaves nothing in any storage."""

from __future__ import annotations

import logging
import time
import uuid as uuids
from collections.abc import Callable, Iterator
from enum import Enum

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, BlobPlacement
from quayframe.data.tables import Upload as Row
from quayframe.errors import LayerTooLarge, RegistryError, Unavailable
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ObjectNotFound, Upload, UploadLost

from .blobs import Blobs
from .clock import now_ms
from .hashed import HashedStream, hashing_threads
from .storage import Storage
from .upload_rows import dump

log = logging.getLogger("quayframe.placing")
_ASK_S = 5.0
"""How often a copy under way asks whether to go on."""


class Outcome(Enum):
    PLACED = "placed"
    THERE = "there"
    """The location had it already."""
    GONE = "gone"
    """The blob was collected."""
    LOST = "lost"
    """No location has its bytes, or has them right."""


class Stopped(Exception):
    """The copy was told not to go on; nothing of it is left."""


class WrongBytes(Exception):
    """An object is not what its placement says."""


class Placing:
    def __init__(self, db: Database, storage: Storage, blobs: Blobs) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._hashing = hashing_threads()

    def copy(
        self, blob_id: int, target: str, *, source: str | None = None, go_on: Callable[[], bool] | None = None
    ) -> Outcome:
        """Places a blob at `target` too. Where a location has it wrong the next one is read.

        :param source: the one location to read; None = any, by preference.
        :param go_on: asked every few seconds; False ends the copy. Its leases are renewed in there.
        Raises Stopped; Unavailable when a storage is away, or another RegistryError of one that fails:
        then nothing is decided, and it is to be tried again."""
        found = self._db.one(Blob.select(Blob.digest, Blob.size).where(Blob.id == blob_id))
        if found is None:
            return Outcome.GONE
        digest, size = Digest.parse(found[0]), int(found[1])
        columns = (BlobPlacement.location, BlobPlacement.storage_key)
        placements: dict[str, str] = dict(
            self._db.rows(BlobPlacement.select(*columns).where(BlobPlacement.blob == blob_id))
        )
        if target in placements:
            return Outcome.THERE
        away: RegistryError | None = None
        for location in [source] if source is not None else self._storage.order(placements):
            if location not in placements:
                continue
            try:
                pieces = self._storage.read(location, placements[location])
            except ObjectNotFound as error:
                log.error("blob %s is missing at %s: %s", digest, location, error)
                continue
            except RegistryError as error:
                away = error
                continue
            stream = _Pieces(pieces, go_on or (lambda: True))
            try:
                return self._copy(blob_id, digest, size, stream, target)
            except WrongBytes as error:
                log.error("blob %s at %s: %s", digest, location, error)
            except RegistryError as error:
                if stream.stopped:
                    raise Stopped(f"the copy of {digest} to {target} was told to stop") from error
                if stream.failed is None:
                    # It is the target that fails: another source is no help.
                    raise
                away = error
            finally:
                stream.close()
        if away is not None:
            raise away
        return Outcome.LOST

    def _copy(
        self,
        blob_id: int,
        digest: Digest,
        size: int,
        stream: _Pieces,
        target: str,
    ) -> Outcome:
        ident = str(uuids.uuid4())
        upload = self._storage.begin(target)
        row_id = self._row(ident, target, upload, digest)
        try:
            upload = self._write(target, upload, stream, digest, size)
        except BaseException:
            self._forget(row_id, target, upload)
            raise
        key = self._storage.key(digest, ident)
        change = Row.update(committing=digest, storage_key=key, state=dump(upload), size=size)
        if not self._db.write(lambda tx: tx.run(change.where(Row.id == row_id))):
            # It took longer than an upload may be idle.
            raise Stopped(f"the copy of {digest} to {target} was swept")
        used = self._storage.commit(target, upload, key)
        return self._db.write(lambda tx: self._record(tx, row_id, blob_id, target, used))

    def _write(self, target: str, upload: Upload, stream: _Pieces, digest: Digest, size: int) -> Upload:
        hashed = new_hash(digest.algorithm)
        through = HashedStream(stream, hashed, size, self._hashing)
        try:
            upload = self._storage.append(target, upload, through)
        except LayerTooLarge as error:
            raise WrongBytes(f"more than {size} bytes") from error
        through.wait()
        if through.count != size:
            raise WrongBytes(f"{through.count} bytes instead of {size}")
        if f"{digest.algorithm}:{hashed.hexdigest()}" != digest:
            raise WrongBytes("its bytes have another digest")
        return upload

    def _row(self, ident: str, target: str, upload: Upload, digest: Digest) -> int:
        now = now_ms()

        def work(tx: Tx) -> int:
            return tx.insert(
                Row,
                uuid=ident,
                repository=None,
                repository_path="",
                account=None,
                location=target,
                state=dump(upload),
                size=0,
                algorithm=digest.algorithm,
                created_ms=now,
                touched_ms=now,
            )

        try:
            return self._db.write(work)
        except BaseException:
            self._abort(target, upload)
            raise

    def _record(self, tx: Tx, row_id: int, blob_id: int, target: str, key: str) -> Outcome:
        """The collector, and whoever uploads the same, locks the blob's row as well."""
        there = tx.lock(Blob.select(Blob.id).where(Blob.id == blob_id))
        if not tx.run(Row.delete().where(Row.id == row_id)):
            # The sweep has undone it, with its object.
            raise Stopped("the copy was swept")
        if not there:
            self._blobs.discard(tx, target, key)
            return Outcome.GONE
        if tx.insert_absent(BlobPlacement, blob=blob_id, location=target, storage_key=key):
            return Outcome.PLACED
        self._blobs.discard_unplaced(tx, target, key)
        return Outcome.THERE

    def _forget(self, row_id: int, target: str, upload: Upload) -> None:
        try:
            if self._db.write(lambda tx: tx.run(Row.delete().where(Row.id == row_id))):
                self._abort(target, upload)
        except RegistryError as error:
            log.warning("a copy to %s stays for the sweep: %s", target, error)

    def _abort(self, target: str, upload: Upload) -> None:
        try:
            self._storage.abort(target, upload)
        except (RegistryError, UploadLost) as error:
            log.warning("a copy's bytes at %s stay for the sweep: %s", target, error)


class _Pieces:
    """A stream of what a location's iterator gives. `failed`: why that ended too early."""

    def __init__(self, pieces: Iterator[bytes], go_on: Callable[[], bool]) -> None:
        self._pieces = pieces
        self._go_on = go_on
        self._asked = time.monotonic()
        self._left = b""
        self.stopped = False
        self.failed: Exception | None = None

    def read(self, size: int, /) -> bytes:
        if time.monotonic() - self._asked > _ASK_S:
            self._asked = time.monotonic()
            if not self._go_on():
                self.stopped = True
                raise Unavailable("the copy was told to stop")
        data = self._left or self._next()
        self._left = data[size:]
        return data[:size]

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except Exception as error:
            self.failed = error
            raise Unavailable(f"a copy cannot be read to its end: {error}") from error

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
