"""Bytes that are long enough to be parts: of an upload's next segment, of its last one, or of an object."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from quayframe.plugin.storage import ByteStream, StorageError

from .bucket import Bucket
from .claims import claim
from .parts import Pipeline, Writers, cut
from .value import MOST_PARTS, Segment, State, new_name, segment_key


class PartsAppend:
    """One append to an upload. Made for one `run`."""

    def __init__(self, bucket: Bucket, writers: Writers, state: State) -> None:
        self._bucket = bucket
        self._state = state
        self._segments = list(state.segments)
        self._begun: list[Segment] = []
        self._extends = False
        self._number = 0
        self._pipeline = Pipeline(writers, self._written)

    def extend(self) -> bool:
        """Whether the bytes go on in the upload's last segment; if not, they begin one of their own."""
        if self._segments and self._segments[-1].parts < MOST_PARTS:
            last = self._segments[-1]
            self._extends = claim(self._bucket, self._state.id, last)
            self._number = last.parts + 1
            self._state = replace(self._state, more=True)
        return self._extends

    def run(self, begun: bytearray, stream: ByteStream) -> State:
        """Writes the tail's bytes with those that are read already, `begun`, and all of `stream`."""
        minimum = self._bucket.target.minimum_part
        try:
            if not self._extends:
                self._new_segment()
            for body in cut(begun, stream, self._number, minimum):
                self._write(body)
            self._pipeline.finish()
        except BaseException:
            self._undo()
            raise
        return replace(self._state, segments=tuple(self._segments), tail=(), rest=b"")

    def _new_segment(self) -> None:
        attempt = new_name()
        mpu = self._bucket.create(self._key(attempt))
        segment = Segment(attempt, mpu, 0, 0, "")
        self._segments.append(segment)
        self._begun.append(segment)
        self._number = 1

    def _write(self, body: bytearray) -> None:
        if self._number > MOST_PARTS:
            self._new_segment()
        index = len(self._segments) - 1
        segment = self._segments[index]
        write = partial(self._bucket.upload_part, self._key(segment.attempt), segment.mpu, self._number, body)
        self._pipeline.add(index, len(body), write)
        self._number += 1

    def _written(self, index: int, size: int, etag: str) -> None:
        self._segments[index] = self._segments[index].with_part(etag, size)

    def _undo(self) -> None:
        self._pipeline.stop()
        for segment in self._begun:
            with suppress(StorageError):
                self._bucket.abort(self._key(segment.attempt), segment.mpu)

    def _key(self, attempt: str) -> str:
        return self._bucket.target.root + segment_key(self._state.id, attempt)


def put(bucket: Bucket, writers: Writers, key: str, stream: ByteStream) -> None:
    """A whole object under `key`: in one request where it is no longer than a part or two."""
    parts = cut(bytearray(), stream, 1, bucket.target.minimum_part)
    first = next(parts, bytearray())
    second = next(parts, None)
    if second is None:
        bucket.put(key, first)
        return
    mpu = bucket.create(key)
    done: list[tuple[int, str]] = []
    pipeline = Pipeline(writers, lambda number, size, etag: done.append((number, etag)))

    def write(number: int, body: bytearray) -> None:
        pipeline.add(number, len(body), partial(bucket.upload_part, key, mpu, number, body))

    try:
        write(1, first)
        write(2, second)
        for number, body in enumerate(parts, start=3):
            if number > MOST_PARTS:
                raise StorageError(f"write of {key}: longer than {MOST_PARTS} parts")
            write(number, body)
        pipeline.finish()
        bucket.complete(key, mpu, done)
    except BaseException:
        pipeline.stop()
        with suppress(StorageError):
            bucket.abort(key, mpu)
        raise
