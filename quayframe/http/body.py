"""The one way in which the application reads an upload's body.

Facts about the servers that shape this module (granian 2.8, gunicorn 26, by experiment):

- `wsgi.input.read(n)` blocks on both until n bytes are there or the body ends, with and without
  Content-Length; nothing can be asked for "what is there".
- A body cut short just ends, without an error, on Granian; on gunicorn too where it had a Content-Length.
- `readline()` and iteration drop line ends and stop at an empty line on Granian: never use them.
- A read that waits ends only with the connection: on both a client that sends nothing and stays holds its
  thread for ever.

So a slow body is cut from outside, by one watching thread per process, which is started by need. The size of
each read follows the body's pace, because a read of n bytes can be judged only after n / rate seconds.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Protocol

from quayframe.errors import LayerTooLarge, RegistryError, RequestTimeout, SizeInvalid

MINIMUM_RATE = 1024
"""Bytes per second; what is slower over a window is cut."""
WINDOW = 30.0
"""Seconds over which the rate is judged."""
FIRST_READ = 16 * 1024
LARGEST_READ = 256 * 1024
"""Of one read, as a longer one could only be judged later."""
LARGEST_PIECE = 1024 * 1024
"""Of several reads, given out as one: hashing and writing then hand the interpreter's lock around less."""
FAST = 0.05
"""Seconds; a read that takes longer is not followed by another one before its bytes are given out."""
ABORT = "quayframe.abort"
"""environ key: a callable (status, headers, body) that answers from any thread and ends a waiting read."""
REQUEST_ID = "quayframe.request_id"
"""environ key: the request's id (str), named in the answer to a body that was cut."""

_BODY = "quayframe.body"
"""environ key: the request's RequestBody, where there is one."""
_REST = 64 * 1024
"""Bytes of a body that nobody wanted which are still read, so that the connection lives on."""

Abort = Callable[[int, list[tuple[str, str]], bytes], None]


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RequestBody:
    """A request's body, counted, limited and watched. For one thread; close it when the request is over.

    :param limit: the most bytes that are accepted; None = no limit.
    :param too_large: what is raised beyond the limit: here where Content-Length tells, else while reading.
    :param window: seconds over which a body must bring MINIMUM_RATE bytes per second.
    :raises SizeInvalid: Content-Length is no number.
    """

    def __init__(
        self,
        environ: MutableMapping[str, Any],
        *,
        limit: int | None = None,
        too_large: type[RegistryError] = LayerTooLarge,
        window: float = WINDOW,
    ) -> None:
        self.length = content_length(environ)
        self.received = 0
        self._limit = limit
        self._too_large = too_large
        if limit is not None and self.length is not None and self.length > limit:
            raise too_large()
        self._window = window
        self._receive = _reader(environ).read
        self._environ = environ
        environ[_BODY] = self
        # no larger than what can be judged after one window
        self._first = max(1, min(FIRST_READ, int(window * MINIMUM_RATE)))
        self._step = self._first
        self._waited = 0.0
        self._waited_bytes = 0
        self._ended = self.length == 0
        self._fast = False
        self._failure: RegistryError | None = None
        self._watched = False
        # guards the three below, which the watching thread reads and sets
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._cut = False
        self._closed = False

    def read(self, size: int) -> bytes:
        """From 1 to `size` bytes; b"" at the end.

        Bytes that came before a body was cut are handed out before the error is raised, so that they are
        stored and the upload resumes behind them.

        :raises SizeInvalid: the body ended before Content-Length.
        :raises RequestTimeout: slower than MINIMUM_RATE.
        """
        if self._failure is not None:
            raise self._failure
        piece = self._read_once(size)
        if len(piece) < LARGEST_READ:
            return piece
        pieces = [piece]
        wanted = min(size, LARGEST_PIECE) - len(piece)
        while wanted > 0 and self._fast:
            try:
                piece = self._read_once(wanted)
            except RegistryError as error:
                self._failure = error
                break
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _read_once(self, size: int) -> bytes:
        if self._ended or size <= 0:
            return b""
        if self._cut:
            raise RequestTimeout()
        wanted = self._next_size(size)
        start = self._start(wanted)
        try:
            data = self._receive(wanted)
        except (OSError, EOFError):
            # gunicorn raises at a torn chunked body or connection, where Granian merely ends it
            data = b""
            if self.length is None:
                self._stop()
                raise (RequestTimeout() if self._cut else SizeInvalid()) from None
        self._stop()
        self._judge(wanted, len(data), time.monotonic() - start)
        self.received += len(data)
        if self._limit is not None and self.received > self._limit:
            raise self._too_large()
        if not data:
            return self._end()
        if self.received == self.length:
            self._ended = True
            self.close()
        return data

    def close(self) -> None:
        """Stop watching; may be repeated. What was not read stays unread."""
        with self._lock:
            self._closed = True
        if self._watched:
            self._watched = False
            _watchdog.forget(self)

    def drained(self) -> bool:
        """Whether the body is at its end, where need be by reading and forgetting a short rest of it."""
        if self._ended:
            return True
        if self.length is None or self.length - self.received > _REST or self._cut:
            return False
        try:
            while self.read(_REST):
                pass
        except RegistryError:
            return False
        finally:
            self.close()
        return True

    def overdue(self, now: float) -> Abort | None:
        """For the watching thread: how to cut this body, where its read waits beyond the deadline."""
        with self._lock:
            if self._cut or self._closed or self._deadline is None or now < self._deadline:
                return None
            self._cut = True
        return _abort(self._environ)

    def refusal(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """The answer to a body that was cut, as (status, headers, body)."""
        error = RequestTimeout()
        request_id = self._environ.get(REQUEST_ID)
        headers = [("Content-Type", "application/json"), ("Connection", "close")]
        detail = dict(error.detail)
        if request_id:
            headers.append(("X-Request-Id", str(request_id)))
            detail["request_id"] = str(request_id)
        told = {"errors": [{"code": error.code, "message": error.text, "detail": detail}]}
        return error.status, headers, json.dumps(told).encode()

    def _next_size(self, size: int) -> int:
        wanted = min(size, self._step)
        if self.length is not None:
            wanted = min(wanted, self.length - self.received)
        elif self._limit is not None:
            # one byte beyond the limit tells that it is passed
            wanted = min(wanted, self._limit - self.received + 1)
        return wanted

    def _start(self, wanted: int) -> float:
        if not self._watched:
            self._watched = True
            _watchdog.watch(self)
        now = time.monotonic()
        with self._lock:
            # Not back after this long means fewer than `wanted` bytes in `wanted` / rate seconds or more:
            # nobody at the minimum rate is ever cut.
            self._deadline = now + max(self._window, wanted / MINIMUM_RATE)
        return now

    def _stop(self) -> None:
        with self._lock:
            self._deadline = None

    def _judge(self, wanted: int, got: int, took: float) -> None:
        """Choose the next size, and sum up short waits, each of which is within its deadline."""
        self._fast = took < FAST
        if self._fast:
            if got == wanted and self._step < LARGEST_READ:
                self._step = min(self._step * 4, LARGEST_READ)
            if not self._waited:
                return
        elif took > 1:
            self._step = self._first
        self._waited += took
        self._waited_bytes += got
        if self._waited >= self._window:
            if self._waited_bytes < self._waited * MINIMUM_RATE and not self._at_end(got):
                self._cut = True
            self._waited, self._waited_bytes = 0.0, 0

    def _at_end(self, got: int) -> bool:
        return self.length is not None and self.received + got >= self.length

    def _end(self) -> bytes:
        self._ended = True
        self.close()
        if self._cut:
            raise RequestTimeout()
        if self.length is not None and self.received < self.length:
            raise SizeInvalid(
                f"the body ended after {self.received} of {self.length} bytes",
                detail={"received": self.received, "announced": self.length},
            )
        return b""


def drained(environ: MutableMapping[str, Any]) -> bool:
    """Whether the connection can take a next request after this one's answer.

    A server closes a connection on which part of a body was left unread; a client that is not told so sends
    its next request into a closed one.
    """
    body: RequestBody | None = environ.get(_BODY)
    if body is None:
        if not environ.get("HTTP_TRANSFER_ENCODING") and environ.get("CONTENT_LENGTH") in (None, "", "0"):
            return True
        if environ.get("HTTP_EXPECT"):
            # to read would be to ask for it
            return False
        try:
            body = RequestBody(environ)
        except SizeInvalid:
            return False
    return body.drained()


def content_length(environ: Mapping[str, Any]) -> int | None:
    """The announced length in bytes; 0 = no body; None = chunked, so that only its end tells.

    :raises SizeInvalid: it is no number.
    """
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit()):
        raise SizeInvalid("Content-Length is not a number")
    return int(text)


def _reader(environ: Mapping[str, Any]) -> _Reader:
    stream = environ["wsgi.input"]
    if "gunicorn.socket" in environ and hasattr(stream, "reader"):
        # gunicorn's outer reader asks the inner one for 1 KiB at a time: a quarter of its speed
        inner: _Reader = stream.reader
        return inner
    outer: _Reader = stream
    return outer


def _abort(environ: Mapping[str, Any]) -> Abort | None:
    known: Abort | None = environ.get(ABORT)
    if known is not None:
        return known
    connection = environ.get("gunicorn.socket")
    return None if connection is None else _shut(connection)


def _shut(connection: socket.socket) -> Abort:
    def shut(_status: int, _headers: list[tuple[str, str]], _body: bytes) -> None:
        # A copy of the descriptor, because a TLS socket's own shutdown() takes its state away from the
        # thread that reads. Writing stays open: the application's own answer reaches the client.
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RD)

    return shut


class _Watchdog:
    """Cuts the bodies whose read is overdue. Its thread lives while there are bodies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: weakref.WeakSet[RequestBody] = weakref.WeakSet()
        self._running = False

    def watch(self, body: RequestBody) -> None:
        with self._lock:
            self._bodies.add(body)
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="slow-bodies", daemon=True).start()

    def forget(self, body: RequestBody) -> None:
        with self._lock:
            self._bodies.discard(body)

    def _run(self) -> None:
        while True:
            time.sleep(0.5)
            with self._lock:
                bodies = list(self._bodies)
                if not bodies:
                    self._running = False
                    return
            now = time.monotonic()
            for body in bodies:
                abort = body.overdue(now)
                if abort is not None:
                    _cut(abort, body)
            del bodies[:]


def _cut(abort: Abort, body: RequestBody) -> None:
    try:
        abort(*body.refusal())
    except OSError:
        # the client has left in this moment, which ends the read as well
        return


_watchdog = _Watchdog()
