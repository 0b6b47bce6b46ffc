"""How many long requests a process takes at a time.

A client that trickles an upload holds a thread for as long as it likes. Long requests may therefore take all
threads but a few; the few answer everything else, whatever the long ones do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from quayframe.errors import Unavailable

SHORT_BODY = 64 * 1024
"""Bytes; servers read ahead about as much, so that a body of this size does not hold a thread."""
RESERVED = 16
"""Threads that long requests never take."""
RETRY_AFTER = 5
"""Seconds after which a refused client may come back."""
_HELD = "quayframe.admitted"


def long_requests(threads: int) -> int:
    """The limit for a process with so many threads."""
    return max(1, threads - RESERVED)


class Admission:
    """Counts the long requests of this process.

        if not admission.enter(environ):
            ...  # answer admission.refusal() without reading the body
        try: ...
        finally: admission.leave(environ)

    :param limit: long requests at a time, of `long_requests(threads)`.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.active = 0
        self.refused = 0
        self._lock = threading.Lock()

    def enter(self, environ: dict[str, Any]) -> bool:
        """False: a long request that must be refused. Ordinary requests are not counted."""
        if "HTTP_TRANSFER_ENCODING" not in environ:
            length: str = environ.get("CONTENT_LENGTH") or "0"
            if length == "0" or (len(length) < 9 and length.isdigit() and int(length) <= SHORT_BODY):
                return True
        return self.enter_stream(environ)

    def enter_stream(self, environ: dict[str, Any]) -> bool:
        """The same for a request whose answer is a stream; one that is held already is not counted twice."""
        if _HELD in environ:
            return True
        with self._lock:
            if self.active >= self.limit:
                self.refused += 1
                return False
            self.active += 1
        environ[_HELD] = True
        return True

    def leave(self, environ: dict[str, Any]) -> None:
        """The request is over. May be called for any request, and again."""
        if environ.pop(_HELD, False):
            with self._lock:
                self.active -= 1

    def until_closed(self, chunks: Iterable[bytes], environ: dict[str, Any]) -> Held:
        """A response's iterable that leaves when the server closes it, also where the client left."""
        return Held(self, chunks, environ)

    def refusal(self) -> Unavailable:
        """503 with Retry-After."""
        return Unavailable("too many uploads are under way; try again", retry_after=RETRY_AFTER)


class Held:
    """A response that holds its place among the long requests until it is closed."""

    def __init__(self, admission: Admission, chunks: Iterable[bytes], environ: dict[str, Any]) -> None:
        self._admission = admission
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._environ = environ

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._iterator)

    def close(self) -> None:
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._admission.leave(self._environ)
