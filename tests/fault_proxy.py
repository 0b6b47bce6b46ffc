"""An HTTP server between a client and a real server, which answers wrongly when it is told to."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PIECE = 64 * 1024
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"}


@dataclass
class Fault:
    """What happens to the next `times` requests that match; the first that fits is taken. `content_range`
    is looked for in the header Content-Range.

    `status`: this answer, and nothing reaches the server. `delay_s`: silence before all else.
    `cut_request`: the connection is cut when so many bytes of the body have come. `cut_answer`: it is cut
    when so many bytes of the body have gone out. `lost`: the server does it, and the answer gets lost.
    """

    method: str = ".*"
    target: str = ""
    content_range: str = ""
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0
    cut_request: int | None = None
    cut_answer: int | None = None
    lost: bool = False

    def fits(self, method: str, target: str, content_range: str) -> bool:
        if self.times <= 0 or not re.fullmatch(self.method, method):
            return False
        return bool(re.search(self.target, target) and re.search(self.content_range, content_range))


class FaultProxy:
    """A context manager. `asked` has (method, target) of every request, those that failed too."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]
        self.own_authority = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """With the path of the server's own."""
        return f"http://{self.own_authority}{self._upstream.path}"

    @property
    def authority(self) -> str:
        """The real server's host and port."""
        return self._upstream.netloc

    def fail(self, *faults: Fault) -> None:
        """These faults instead of those before."""
        with self._lock:
            self._faults = list(faults)
            self.asked.clear()

    def count(self, method: str, target: str = "") -> int:
        """How many requests of this kind came since `fail`."""
        return sum(1 for m, t in self.asked if re.fullmatch(method, m) and re.search(target, t))

    def take(self, method: str, target: str, content_range: str) -> Fault | None:
        with self._lock:
            self.asked.append((method, target))
            for fault in self._faults:
                if fault.fits(method, target, content_range):
                    fault.times -= 1
                    return fault
        return None


class _CutError(Exception):
    """The connection is to end here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        proxy: FaultProxy = self.server.proxy  # type: ignore[attr-defined]
        content_range = self.headers.get("Content-Range", "")
        fault = proxy.take(self.command, self.path, content_range) or Fault()
        try:
            time.sleep(fault.delay_s)
            body = b"".join(self._body(fault))
            if fault.status is not None:
                self._answer(fault.status, fault.headers, len(fault.body), iter([fault.body]))
                return
            self._forward(proxy, body, fault)
        except (_CutError, OSError):
            self._cut()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _any

    def _body(self, fault: Fault) -> Iterator[bytes]:
        left, taken = int(self.headers.get("Content-Length") or 0), 0
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        while left:
            if fault.cut_request is not None and taken >= fault.cut_request:
                raise _CutError
            piece = self.rfile.read(min(PIECE, left))
            if not piece:
                raise _CutError
            left, taken = left - len(piece), taken + len(piece)
            yield piece
        if fault.cut_request is not None:
            raise _CutError

    def _forward(self, proxy: FaultProxy, body: bytes, fault: Fault) -> None:
        conn = http.client.HTTPConnection(proxy.authority, timeout=60)
        try:
            conn.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    conn.putheader(name, value)
            if body or self.command in {"PUT", "POST", "PATCH"}:
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders(body or None)
            answer = conn.getresponse()
            if fault.lost:
                raise _CutError
            length = answer.getheader("Content-Length")
            headers = {n: v for n, v in answer.getheaders() if n.lower() not in _HOP}
            if "Location" in headers:
                # What the server sends on is to come through here too.
                headers["Location"] = headers["Location"].replace(proxy.authority, proxy.own_authority)
            pieces: Iterator[bytes] = iter(lambda: answer.read(PIECE), b"")
            if length is None:
                whole = b"".join(pieces)
                length, pieces = str(len(whole)), iter([whole])
            self._answer(answer.status, headers, int(length), pieces, fault.cut_answer)
        finally:
            conn.close()

    def _answer(
        self,
        status: int,
        headers: dict[str, str],
        length: int,
        pieces: Iterator[bytes],
        cut: int | None = None,
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = 0
        for piece in pieces:
            if cut is not None and sent + len(piece) > cut:
                self.wfile.write(piece[: cut - sent])
                self.wfile.flush()
                # What was sent is to arrive: an end in the middle, not a reset that discards it.
                self.connection.shutdown(socket.SHUT_WR)
                raise _CutError
            self.wfile.write(piece)
            sent += len(piece)

    def _cut(self) -> None:
        self.close_connection = True
        if self.connection.fileno() >= 0:
            # Closed with a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: Any) -> None:
        """The tests say themselves what went wrong."""
