"""How an upload becomes an object.

With one segment, which is the rule, its multipart upload is completed under the key that it has had since the
segment began: nothing is copied. With none, the bytes are few, and written under the key that was asked for.
With several, after appends that raced or were killed, they are completed one by one and put together by
copies within the service.
"""

from __future__ import annotations

from contextlib import suppress

from quayframe.plugin.storage import ObjectNotFound, StorageError, UploadLost

from .bucket import Bucket
from .configs import MIB, SHORTEST_PART
from .failures import WrongPart
from .reading import Pieces
from .uploads import Uploads
from .value import TAIL_NUMBER, Segment, State, sealed, segment_key

_TRIES = 3
_REWRITE = 16 * MIB


class Commits:
    """The commits of a bucket's uploads."""

    def __init__(self, bucket: Bucket, uploads: Uploads) -> None:
        self._bucket = bucket
        self._root = bucket.target.root
        self._uploads = uploads

    def commit(self, state: State, key: str) -> str:
        """The key really used, without the root. Raises UploadLost."""
        if not state.segments:
            used, make = key, self._short
        elif len(state.segments) == 1:
            used, make = segment_key(state.id, state.segments[0].attempt), self._one
        else:
            used, make = state.whole_key(), self._several
        try:
            make(state, self._root + used)
        except (UploadLost, ObjectNotFound) as error:
            # Another process may have committed it in the meantime, or this one when its answer was lost.
            if self._bucket.size(self._root + used) != state.size:
                raise UploadLost(f"upload {state.id}: {error}") from error
        # The object is there; what this leaves, the sweep removes.
        with suppress(StorageError):
            self._uploads.forget(state)
        return used

    def _short(self, state: State, target: str) -> None:
        self._uploads.look(state.id)
        self._bucket.put(target, self._uploads.tail(state))

    def _one(self, state: State, target: str) -> None:
        self._complete(state, state.segments[0], target, self._uploads.tail(state))

    def _complete(self, state: State, segment: Segment, target: str, tail: bytearray) -> None:
        """Completes a segment, with the tail as its last part."""
        for tries in range(1, _TRIES + 1):
            parts = self._parts(state, segment, target)
            if tail:
                etag = self._bucket.upload_part(target, segment.mpu, TAIL_NUMBER, tail)
                parts.append((TAIL_NUMBER, etag))
            try:
                self._bucket.complete(target, segment.mpu, parts)
                return
            except WrongPart as error:
                if tries == _TRIES:
                    raise UploadLost(f"upload {state.id}: {error}") from error

    def _parts(self, state: State, segment: Segment, target: str) -> list[tuple[int, str]]:
        """Numbers and ETags of the segment's parts, which must be those that its value was made of."""
        parts: list[tuple[int, str]] = []
        seal, size = "", 0
        for part in self._bucket.parts(target, segment.mpu):
            number, etag = int(part["PartNumber"]), str(part["ETag"])
            if number != len(parts) + 1 or number > segment.parts:
                break
            parts.append((number, etag))
            seal, size = sealed(seal, etag, int(part["Size"])), size + int(part["Size"])
        if (len(parts), size, seal) != (segment.parts, segment.size, segment.seal):
            raise UploadLost(f"upload {state.id}: its parts are not those that were written")
        return parts

    def _several(self, state: State, target: str) -> None:
        if self._bucket.size(target) == state.size:
            return
        self._uploads.look(state.id)
        tail = self._uploads.tail(state)
        for segment in state.segments:
            self._uploads.is_part(state, segment.attempt)
            source = self._source(state, segment)
            try:
                self._complete(state, segment, source, bytearray())
            except UploadLost:
                if self._bucket.size(source) != segment.size:
                    raise
        mpu = self._bucket.create(target)
        try:
            parts: list[tuple[int, str]] = []
            for segment in state.segments:
                self._copy(self._source(state, segment), segment.size, target, mpu, parts)
            if tail:
                number = len(parts) + 1
                parts.append((number, self._bucket.upload_part(target, mpu, number, tail)))
            self._bucket.complete(target, mpu, parts)
        except StorageError:
            with suppress(StorageError):
                self._bucket.abort(target, mpu)
            raise

    def _source(self, state: State, segment: Segment) -> str:
        return self._root + segment_key(state.id, segment.attempt)

    def _copy(self, source: str, size: int, target: str, mpu: str, parts: list[tuple[int, str]]) -> None:
        for start, stop in ranges(size, self._bucket.target.copy_part or _REWRITE):
            number = len(parts) + 1
            if self._bucket.target.copy_part:
                etag = self._bucket.copy_part(target, mpu, number, source, start, stop)
            else:
                body = b"".join(Pieces(self._bucket, source, start, stop))
                etag = self._bucket.upload_part(target, mpu, number, body)
            parts.append((number, etag))


def ranges(size: int, longest: int) -> list[tuple[int, int]]:
    """`size` bytes in pieces of about the same length: none above `longest`, unless they were too short to be
    parts otherwise."""
    count = max(1, min(-(-size // longest), size // SHORTEST_PART))
    return [(size * i // count, size * (i + 1) // count) for i in range(count)]
