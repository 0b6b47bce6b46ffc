"""Uploads under way: begun, appended to, aborted, swept. `value` says what they consist of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from quayframe.plugin.storage import ByteStream, ObjectNotFound, StorageError, Upload, UploadLost

from .appending import PartsAppend
from .bucket import Bucket
from .parts import READ, Writers
from .value import (
    REST_LIMIT,
    UPLOADS,
    State,
    Stored,
    folder,
    kept,
    new_name,
    segment_key,
    segment_of,
    segments_prefix,
)

_RESOLUTION_MS = 1000
"""S3 tells times in whole seconds."""


class Uploads:
    """The uploads of a bucket."""

    def __init__(self, bucket: Bucket, writers: Writers) -> None:
        self._bucket = bucket
        self._root = bucket.target.root
        self._minimum = bucket.target.minimum_part
        self._writers = writers

    def begin(self) -> Upload:
        state = State.new()
        self._touch(state.id)
        return state.upload()

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        state = State.of(upload)
        coming = bytearray()
        missing = self._minimum - state.tail_size
        while len(coming) < missing and (piece := stream.read(min(READ, missing - len(coming)))):
            coming += piece
        if not coming:
            return upload
        if len(coming) < missing:
            return self._append_tail(state, bytes(coming)).upload()
        parts = PartsAppend(self._bucket, self._writers, state)
        if not parts.extend():
            # Beginning a segment does not tell whether the upload is still there; going on in one does.
            self.look(state.id)
        begun = self.tail(state) + coming if state.tail_size else coming
        return parts.run(begun, stream).upload()

    def look(self, upload_id: str) -> None:
        """Raises UploadLost where the upload was aborted, committed or swept."""
        try:
            self._bucket.head(self._begun(upload_id))
        except ObjectNotFound as error:
            raise UploadLost(f"upload {upload_id} is not there") from error

    def tail(self, state: State) -> bytearray:
        """The bytes that are in no part yet. Raises UploadLost."""
        whole = bytearray()
        for stored in state.tail:
            try:
                body = self._bucket.content(self._root + folder(state.id) + stored.name)
            except ObjectNotFound as error:
                raise UploadLost(f"upload {state.id}: {error}") from error
            if len(body) != stored.size:
                raise StorageError(
                    f"upload {state.id}: {stored.name} has {len(body)} bytes, not {stored.size}"
                )
            whole += body
        whole += state.rest
        return whole

    def _append_tail(self, state: State, coming: bytes) -> State:
        self.look(state.id)
        rest = state.rest + coming
        if len(rest) <= REST_LIMIT:
            self._touch(state.id)
            return replace(state, rest=rest)
        keep = kept(state.tail, len(rest))
        body = self.tail(replace(state, tail=state.tail[keep:], rest=rest))
        stored = Stored(f"t-{new_name()}", len(body))
        self._bucket.put(self._root + folder(state.id) + stored.name, body)
        return replace(state, tail=(*state.tail[:keep], stored), rest=b"", more=True)

    def _begun(self, upload_id: str) -> str:
        return f"{self._root}{folder(upload_id)}begun"

    def _touch(self, upload_id: str) -> None:
        """Says, from now on, that the upload is there and alive."""
        self._bucket.put(self._begun(upload_id), b"")

    # -- ending -------------------------------------------------------------------------------

    def forget(self, state: State) -> None:
        """Removes what a committed upload leaves beside its object."""
        self._bucket.delete(self._begun(state.id))
        if state.more or len(state.segments) > 1:
            self._clear(state.id, self._names(state.id))

    def abort(self, upload_id: str) -> None:
        # At once for all others; what follows takes time.
        self._bucket.delete(self._begun(upload_id))
        prefix = self._root + segments_prefix(upload_id)
        for mpu in list(self._bucket.uploads(prefix)):
            self._bucket.abort(str(mpu["Key"]), str(mpu["UploadId"]))
        self._clear(upload_id, self._names(upload_id))

    def is_part(self, state: State, attempt: str) -> None:
        """Notes that the object of this segment is no whole, before it comes to be."""
        self._bucket.put(f"{self._root}{folder(state.id)}p-{attempt}", b"")

    def _names(self, upload_id: str) -> list[str]:
        prefix = self._root + folder(upload_id)
        return [str(entry["Key"]).removeprefix(prefix) for entry in self._bucket.listing(prefix)]

    def _clear(self, upload_id: str, names: list[str]) -> None:
        """Removes these objects of the upload; what `is_part` noted is forgotten after its segment."""
        for name in names:
            if name.startswith("p-"):
                self._bucket.delete(self._root + segment_key(upload_id, name.removeprefix("p-")))
        for name in names:
            self._bucket.delete(self._root + folder(upload_id) + name)

    # -- the sweep ----------------------------------------------------------------------------

    def sweep(self, before: int) -> int:
        """Ends uploads not touched since `before` (ms); how many."""
        count = 0
        for upload_id, found in self._found().items():
            if found.touched_ms >= before or self._touched_parts(found.mpus, before):
                continue
            count += "begun" in found.names
            if "begun" in found.names:
                self._bucket.delete(self._begun(upload_id))
            for key, mpu in found.mpus:
                self._bucket.abort(key, mpu)
            self._clear(upload_id, found.names)
        return count

    def _found(self) -> dict[str, _Found]:
        """All that uploads have now, by their ids; a `put` under way is under its key."""
        found: dict[str, _Found] = {}
        for mpu in self._bucket.uploads(self._root):
            key = str(mpu["Key"])
            path = key.removeprefix(self._root)
            one = found.setdefault(segment_of(path) or path, _Found())
            one.mpus.append((key, str(mpu["UploadId"])))
            one.touch(mpu["Initiated"])
        prefix = f"{self._root}{UPLOADS}/"
        for entry in self._bucket.listing(prefix):
            upload_id, _, name = str(entry["Key"]).removeprefix(prefix).partition("/")
            if name:
                one = found.setdefault(upload_id, _Found())
                one.names.append(name)
                one.touch(entry["LastModified"])
        return found

    def _touched_parts(self, mpus: list[tuple[str, str]], before: int) -> bool:
        return any(_ms(part["LastModified"]) >= before for part in self._all_parts(mpus))

    def _all_parts(self, mpus: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        for key, mpu in mpus:
            try:
                yield from self._bucket.parts(key, mpu)
            except UploadLost:
                continue


@dataclass
class _Found:
    """What a sweep sees of one upload."""

    names: list[str] = field(default_factory=list)
    mpus: list[tuple[str, str]] = field(default_factory=list)
    touched_ms: int = 0

    def touch(self, when: datetime) -> None:
        self.touched_ms = max(self.touched_ms, _ms(when))


def _ms(when: datetime) -> int:
    """The latest moment that this time may stand for, in milliseconds."""
    return int(when.timestamp() * 1000) + _RESOLUTION_MS - 1
