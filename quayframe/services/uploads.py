"""Blob uploads: begun, continued by any process, finished once.

The row of an upload changes by compare-and-set on its version. Bytes of an append whose row was not
stored count as never written, so the loser of two appends is told the true offset and nothing is lost.
"""

from __future__ import annotations

import logging
import uuid as uuids

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Upload as Row
from quayframe.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    RangeInvalid,
    RegistryError,
    SizeInvalid,
)
from quayframe.oci import hashing
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ByteStream, ObjectNotFound, Upload, UploadLost

from .blobs import Blobs
from .clock import now_ms
from .gate import Allowed
from .hashed import HashedStream, hashing_threads
from .repositories import Repositories
from .storage import Storage
from .upload_rows import COLUMNS, State, dump, state_of

log = logging.getLogger("quayframe.uploads")
_SWEPT = 200
"""Rows that the sweep reads at once."""


class Uploads:
    """:param limit: MAXIMUM_LAYER_SIZE in bytes."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        blobs: Blobs,
        repositories: Repositories,
        *,
        limit: int,
    ) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._repositories = repositories
        self._limit = limit
        self._hashing = hashing_threads()

    def begin(self, allowed: Allowed, algorithm: str = "sha256") -> str:
        """Starts an upload and, where it is missing, makes the repository. Returns its id (uuid4)."""
        new_hash(algorithm)
        event = self._repositories.prepare(allowed)
        location, upload = self._storage.begin_somewhere()
        ident = str(uuids.uuid4())

        def work(tx: Tx) -> None:
            _, repository_id = self._repositories.ensure(tx, allowed, event)
            self._repositories.keep_still(tx, repository_id)
            now = now_ms()
            tx.insert(
                Row,
                uuid=ident,
                repository=repository_id,
                repository_path=allowed.name.full[:255],
                account=allowed.principal.account_id,
                location=location,
                state=dump(upload),
                size=upload.size,
                algorithm=algorithm,
                created_ms=now,
                touched_ms=now,
            )

        try:
            self._db.write(work)
        except BaseException:
            self._forget_bytes(location, upload)
            raise
        return ident

    def status(self, allowed: Allowed, ident: str) -> int:
        """How many bytes the upload has."""
        return self._get(allowed, ident).size

    def append(
        self, allowed: Allowed, ident: str, stream: ByteStream, start: int | None, length: int | None
    ) -> int:
        """Writes the next bytes; returns how many the upload has then.

        :param start: what Content-Range says they begin at; None = wherever the upload is.
        :param length: how many Content-Range says they are.
        Raises RangeInvalid with the true offset, SizeInvalid, LayerTooLarge.
        """
        state = self._get(allowed, ident)
        if state.committing is not None:
            raise _out_of_order(state)
        if start is not None and start != state.size:
            raise _out_of_order(state)
        return self._append(state, stream, length).size

    def _append(self, state: State, stream: ByteStream, length: int | None) -> State:
        hashed = self._resume(state)
        through = HashedStream(stream, hashed, self._limit - state.size, self._hashing)
        upload = self._write(state, through)
        if length is not None and through.count != length:
            self._forget_append(state, upload)
            raise SizeInvalid(f"Content-Range announced {length} bytes and {through.count} came")
        if through.count == 0:
            return state
        kept = hashed.state() if hashed is not None else None
        change = Row.update(
            state=dump(upload),
            size=upload.size,
            hash_state=kept,
            version=state.version + 1,
            touched_ms=now_ms(),
        ).where((Row.id == state.id) & (Row.version == state.version) & Row.committing.is_null())
        if not self._db.write(lambda tx: tx.run(change)):
            self._forget_append(state, upload)
            raise _out_of_order(self._again(state))
        return State(
            state.id, state.uuid, state.location, upload, upload.size, state.algorithm, kept,
            state.version + 1, None, None,
        )  # fmt: skip

    def _resume(self, state: State) -> hashing.ResumableHash | None:
        """The hash so far; None where its state cannot be kept: then the bytes are read once more."""
        if not hashing.available():
            return None
        if state.size == 0:
            return hashing.ResumableHash(state.algorithm)
        if state.hash_state is None:
            return None
        try:
            return hashing.ResumableHash.restore(state.algorithm, state.hash_state)
        except ValueError as error:
            log.warning("upload %s: %s; its bytes will be read once more", state.uuid, error)
            return None

    def _write(self, state: State, stream: HashedStream) -> Upload:
        try:
            upload = self._storage.append(state.location, state.upload, stream)
        except UploadLost as error:
            self._drop(state)
            raise BlobUploadUnknown("the registry has lost this upload; begin a new one") from error
        stream.wait()
        return upload

    # -- finishing ----------------------------------------------------------------------------

    def finish(
        self,
        allowed: Allowed,
        ident: str,
        digest: Digest,
        stream: ByteStream,
        start: int | None = None,
        length: int | None = None,
    ) -> None:
        """Takes the last bytes, holds the whole to its digest and makes the blob.

        May be repeated when the answer was lost in the middle. A wrong digest ends the upload."""
        state = self._get(allowed, ident)
        if state.committing is not None:
            if state.committing != digest or state.storage_key is None:
                raise BlobUploadInvalid("this upload is being finished under another digest")
            self._make(allowed, state, digest, state.storage_key)
            return
        if start is not None and start != state.size:
            raise _out_of_order(state)
        known: Digest | None
        if state.size == 0:
            state, known = self._whole(state, digest.algorithm, stream, length)
        else:
            state = self._append(state, stream, length)
            known = None
            hashed = self._resume(state)
            if hashed is not None and state.algorithm == digest.algorithm:
                known = hashed.digest()
        if known is not None and known != digest:
            self._drop(state)
            raise DigestInvalid(f"the content's digest is {known}, not {digest}")
        self._commit(allowed, state, digest, verified=known is not None)

    def _whole(
        self, state: State, algorithm: str, stream: ByteStream, length: int | None
    ) -> tuple[State, Digest]:
        """A blob whose every byte comes now: hashed by hashlib, no state to keep, no row to write."""
        hashed = new_hash(algorithm)
        through = HashedStream(stream, hashed, self._limit, self._hashing)
        upload = self._write(state, through)
        if length is not None and through.count != length:
            self._forget_append(state, upload)
            raise SizeInvalid(f"Content-Range announced {length} bytes and {through.count} came")
        whole = State(
            state.id, state.uuid, state.location, upload, upload.size, algorithm, None, state.version, None,
            None,
        )  # fmt: skip
        return whole, Digest(f"{algorithm}:{hashed.hexdigest()}")

    def _commit(self, allowed: Allowed, state: State, digest: Digest, *, verified: bool) -> None:
        key = self._storage.key(digest, state.uuid)
        change = Row.update(
            committing=digest,
            storage_key=key,
            state=dump(state.upload),
            size=state.size,
            version=state.version + 1,
            touched_ms=now_ms(),
        ).where((Row.id == state.id) & (Row.version == state.version) & Row.committing.is_null())
        if not self._db.write(lambda tx: tx.run(change)):
            raise _out_of_order(self._again(state))
        used = self._storage_commit(state, key)
        if not verified:
            # No state of the hash was kept, or PUT names another algorithm: read the object once more.
            found = self._reread(state.location, used, digest.algorithm)
            if found != digest:
                self._undo(state, used)
                raise DigestInvalid(f"the content's digest is {found}, not {digest}")
        self._record(allowed, state, digest, used)

    def _make(self, allowed: Allowed, state: State, digest: Digest, key: str) -> None:
        used = self._storage_commit(state, key)
        found = self._reread(state.location, used, digest.algorithm)
        if found != digest:
            self._undo(state, used)
            raise DigestInvalid(f"the content's digest is {found}, not {digest}")
        self._record(allowed, state, digest, used)

    def _storage_commit(self, state: State, key: str) -> str:
        try:
            return self._storage.commit(state.location, state.upload, key)
        except UploadLost as error:
            self._undo(state, key)
            raise BlobUploadUnknown("the registry has lost this upload; begin a new one") from error

    def _reread(self, location: str, key: str, algorithm: str) -> Digest:
        hashed = new_hash(algorithm)
        try:
            for piece in self._storage.read(location, key):
                hashed.update(piece)
        except ObjectNotFound as error:
            raise BlobUploadUnknown("the registry has lost this upload; begin a new one") from error
        return Digest(f"{algorithm}:{hashed.hexdigest()}")

    def _record(self, allowed: Allowed, state: State, digest: Digest, key: str) -> None:
        def work(tx: Tx) -> bool:
            mine = (Row.id == state.id) & (Row.committing == digest)
            if not tx.run(Row.delete().where(mine & (Row.repository == allowed.repository_id))):
                # The sweep undid it, a repetition of this request was faster, or the repository is gone.
                self._blobs.discard_unplaced(tx, state.location, key)
                return False
            assert allowed.namespace_id is not None
            assert allowed.repository_id is not None
            self._blobs.store(
                tx, digest, state.size, state.location, key, allowed.namespace_id, allowed.repository_id
            )
            return True

        if not self._db.write(work):
            raise BlobUploadUnknown()

    # -- ending -------------------------------------------------------------------------------

    def cancel(self, allowed: Allowed, ident: str) -> None:
        """Ends the upload; its bytes are gone."""
        state = self._get(allowed, ident)
        if state.committing is not None:
            raise BlobUploadInvalid("this upload is being finished")
        self._drop(state)

    def abandon(self, allowed: Allowed, ident: str) -> None:
        """Ends an upload that failed within the request that began it; never raises."""
        try:
            self._drop(self._get(allowed, ident))
        except RegistryError as error:
            log.info("upload %s stays for the sweep: %s", ident, error)

    def sweep(self, before_ms: int) -> int:
        """Ends uploads that nobody touched since `before_ms`; returns how many.

        One left in committing was never acknowledged: it is undone, and a late finisher finds no row. What
        cannot be undone now, as its storage is away, is left to the next sweep."""
        ended, last = 0, 0
        while True:
            query = Row.select(*COLUMNS).where((Row.touched_ms < before_ms) & (Row.id > last))
            rows = self._db.rows(query.order_by(Row.id).limit(_SWEPT))
            for state in map(state_of, rows):
                ended += self._abandon(state) if state.storage_key is None else self._undo_committing(state)
                last = state.id
            if len(rows) < _SWEPT:
                return ended

    def _abandon(self, state: State) -> bool:
        where = (Row.id == state.id) & (Row.version == state.version)
        if not self._db.write(lambda tx: tx.run(Row.delete().where(where))):
            return False
        self._forget_bytes(state.location, state.upload)
        return True

    def _undo_committing(self, state: State) -> bool:
        """Undoes an upload whose finisher was killed; False when that must wait. Only the back end knows
        under which key the object is, and tells it when the commit is repeated."""
        assert state.storage_key is not None
        try:
            key = self._storage.commit(state.location, state.upload, state.storage_key)
        except UploadLost:
            key = state.storage_key
        except RegistryError as error:
            log.warning("upload %s waits for the next sweep: %s", state.uuid, error)
            return False
        return self._undo(state, key)

    def _undo(self, state: State, key: str) -> bool:
        """Ends an upload in committing, whose object is under `key`."""

        def work(tx: Tx) -> bool:
            gone = tx.run(Row.delete().where(Row.id == state.id))
            if gone:
                self._blobs.discard(tx, state.location, key)
            return bool(gone)

        return self._db.write(work)

    def _drop(self, state: State) -> None:
        where = (Row.id == state.id) & Row.committing.is_null()
        if self._db.write(lambda tx: tx.run(Row.delete().where(where))):
            self._forget_bytes(state.location, state.upload)

    def _forget_append(self, state: State, upload: Upload) -> None:
        """The bytes of an append that was not stored; the sweep frees them where nothing else can."""
        log.info("upload %s: %d bytes of an append were not kept", state.uuid, upload.size - state.size)

    def _forget_bytes(self, location: str, upload: Upload) -> None:
        try:
            self._storage.abort(location, upload)
        except (RegistryError, UploadLost) as error:
            log.warning("an upload's bytes stay for the sweep: %s", error)

    # -- rows ---------------------------------------------------------------------------------

    def _get(self, allowed: Allowed, ident: str) -> State:
        where = (Row.uuid == ident[:255]) & (Row.repository == allowed.repository_id)
        row = self._db.one(Row.select(*COLUMNS).where(where)) if allowed.repository_id else None
        if row is None:
            raise BlobUploadUnknown()
        return state_of(row)

    def _again(self, state: State) -> State:
        size = self._db.value(Row.select(Row.size).where(Row.id == state.id))
        if size is None:
            raise BlobUploadUnknown()
        return State(**{**state.__dict__, "size": int(size)})


def _out_of_order(state: State) -> RangeInvalid:
    error = RangeInvalid("the bytes do not continue the upload where it is", detail={"offset": state.size})
    error.headers.update({"Range": range_header(state.size), "Docker-Upload-UUID": state.uuid})
    return error


def range_header(size: int) -> str:
    """The Range header of an upload with this many bytes: the last byte counts."""
    return f"0-{max(0, size - 1)}"
