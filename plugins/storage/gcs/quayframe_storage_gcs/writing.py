"""One object of all that a stream gives, in memory of one chunk."""

from __future__ import annotations

import io
from collections.abc import Callable

from quayframe.plugin.storage import ByteStream, StorageUnavailable

from .calls import Calls, Refused
from .wire import Wire

_PIECE = 256 * 1024
_MOST_SENDS = 10


class Chunk:
    """Bytes of one request. It knows whether more follow: the last request has to say so."""

    def __init__(self, stream: ByteStream, size: int, begun: bytes = b"") -> None:
        self._stream = stream
        self._size = size
        self._ahead = begun
        self.data = b""
        self.last = False

    def fill(self) -> None:
        """Takes the next chunk from the stream."""
        self.data = b""
        buffer = io.BytesIO()
        piece, length = self._ahead or self._stream.read(_PIECE), 0
        while piece and length + len(piece) <= self._size:
            length += buffer.write(piece)
            piece = self._stream.read(_PIECE)
            if piece and length <= _PIECE:
                # Room for the whole at once: growing step by step would hold it twice.
                buffer.truncate(length)
                buffer.seek(self._size - 1)
                buffer.write(b"\0")
                buffer.seek(length)
        cut = self._size - length if piece else 0
        length += buffer.write(piece[:cut])
        buffer.truncate(length)
        # The rest of the piece goes first next time; a chunk is full to the byte, as the service wants.
        self._ahead = piece[cut:] or (self._stream.read(_PIECE) if piece else b"")
        self.last = not self._ahead
        self.data = buffer.getvalue()


class Sender:
    """Sends one object by a resumable upload.

    :param chunk: bytes of a request; a multiple of 256 KiB.
    """

    def __init__(self, wire: Wire, call: Calls) -> None:
        self._wire = wire
        self._call = call

    def send(self, name: str, chunk: Chunk) -> int:
        """Sends `chunk` and all that follow it; returns how many bytes."""
        session = self._call("append", lambda: self._wire.session(name))
        done = 0
        while True:
            total = str(done + len(chunk.data)) if chunk.last else "*"
            self._one(session, chunk.data, done, total)
            done += len(chunk.data)
            if chunk.last:
                return done
            chunk.fill()

    def _one(self, session: str, data: bytes, start: int, total: str) -> None:
        """Sends one chunk until the service has all of it."""
        have, end = start, start + len(data)
        for _ in range(_MOST_SENDS):
            rest = data if have == start else data[have - start :]
            found = self._again(
                session, self._sending(session, rest, f"bytes {have}-{end - 1}/{total}"), total
            )
            if found is None and total == "*":
                raise StorageUnavailable("append: the service ended the upload before its end")
            if found is None or (total == "*" and found == end):
                return
            # Somebody who lost what he had said he has: begin again where we still can.
            have = found if start <= found < end else start
        raise StorageUnavailable(f"append: the service takes no more than {have} bytes")

    def _again(self, session: str, sending: Callable[[], int | None], total: str) -> int | None:
        """After a failure the service is asked what it has, since a part may have arrived."""
        failed = False

        def request() -> int | None:
            nonlocal failed
            if failed:
                found = self._wire.send(session, b"", f"bytes */{total}")
                failed = False
                return found
            try:
                return sending()
            except Refused as error:
                failed = error.passing
                raise

        return self._call("append", request)

    def _sending(self, session: str, data: bytes, content_range: str) -> Callable[[], int | None]:
        return lambda: self._wire.send(session, data, content_range)
