"""Downloads: an iterator that goes on where a connection was cut."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from quayframe.plugin.storage import ObjectNotFound, StorageError, StorageUnavailable

from .bucket import Bucket, is_cut
from .failures import Changed, OutOfRange, wait_s

log = logging.getLogger("quayframe.storage.s3")

PIECE = 256 * 1024
_PROGRESS = 8 * 1024 * 1024


class Pieces(Iterator[bytes]):
    """The bytes `start` to `stop` (None = the end) of an object, in pieces of at most 256 KiB.

    A connection that breaks is made again for the rest, as often as the target's attempts say without 8 MiB
    in between; the rest is taken only of the same object, by its ETag. Raises ObjectNotFound when made.
    """

    def __init__(self, bucket: Bucket, key: str, start: int, stop: int | None) -> None:
        self._bucket = bucket
        self._key = key
        self._position = start
        self._cuts = 0
        self._good_from = start
        self._body: Any = None
        with bucket.stream_slot() as free:
            self._free = free
            try:
                answer = bucket.get(key, start, stop)
            except OutOfRange:
                self._end = start
                self.close()
                return
            self._body = answer["Body"]
            self._etag = str(answer["ETag"])
            self._end = start + int(answer["ContentLength"])

    def __next__(self) -> bytes:
        while self._position < self._end:
            try:
                if self._body is None:
                    self._reopen()
                piece: bytes = self._body.read(min(PIECE, self._end - self._position))
            except StorageError:
                self.close()
                raise
            except Exception as error:
                if not is_cut(error):
                    self.close()
                    raise
                self._cut(error)
                continue
            if piece:
                self._position += len(piece)
                return piece
            self._cut(ConnectionError("the answer ended early"))
        self.close()
        raise StopIteration

    def _reopen(self) -> None:
        try:
            answer = self._bucket.get(self._key, self._position, self._end, self._etag)
        except (ObjectNotFound, Changed, OutOfRange) as error:
            raise StorageError(
                f"read of {self._key}: the object went away at byte {self._position}"
            ) from error
        self._body = answer["Body"]

    def _cut(self, error: Exception) -> None:
        self._drop()
        if self._position - self._good_from >= _PROGRESS:
            self._cuts = 0
        self._good_from = self._position
        self._cuts += 1
        text = f"read of {self._key}: cut at byte {self._position} of {self._end}: {error}"
        if self._cuts >= self._bucket.target.attempts:
            self.close()
            raise StorageUnavailable(text) from error
        log.info("%s; it goes on from there", text)
        time.sleep(wait_s(self._cuts))

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def close(self) -> None:
        """Ends the download; may be called again."""
        self._drop()
        self._free()
        self._position = self._end

    def __del__(self) -> None:
        if hasattr(self, "_end"):
            self.close()
