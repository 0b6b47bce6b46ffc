"""Moves blobs as fast as the kernel lets it, in a process of its own: reads a job as JSON on standard input
and prints the seconds that all its transfers took together.

Alone of the benchmarks' files it is run as a script and imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from typing import Any

TIMEOUT_S = 120
_CHUNK = 1 << 20
_CHUNKED = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n"
_PIECE = 32 << 10
"""What docker sends as one chunk."""


class Connection:
    """One HTTP connection to 127.0.0.1."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._common = f"Host: 127.0.0.1:{port}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        self._buffer = bytearray(_CHUNK)

    def send(self, method: str, path: str, length: int) -> None:
        """A request's head."""
        head = f"{method} {path} HTTP/1.1\r\n{self._common}Content-Length: {length}\r\n\r\n"
        self._socket.sendall(head.encode())

    def ask(self, method: str, path: str, expected: int, body: bytes = b"", kind: str = "") -> dict[str, str]:
        """A request with a small body of the media type `kind`; gives the answer's headers. Raises as
        `answer` does."""
        head = f"{method} {path} HTTP/1.1\r\n{self._common}Content-Length: {len(body)}\r\n"
        head += f"Content-Type: {kind}\r\n" if kind else ""
        self._socket.sendall(f"{head}\r\n".encode() + body)
        return self.answer(expected)[0]

    def close(self) -> None:
        self._socket.close()

    def send_blob(self, file: int, length: int, suffix: bytes) -> None:
        """`length` bytes: the file, again and again where it is shorter, then `suffix`."""
        size = os.fstat(file).st_size
        left = length - len(suffix)
        offset = 0
        # os.sendfile wants a socket that blocks.
        self._socket.settimeout(None)
        while left:
            sent = os.sendfile(self._socket.fileno(), file, offset, min(left, size - offset))
            left -= sent
            offset = (offset + sent) % size
        self._socket.settimeout(TIMEOUT_S)
        self._socket.sendall(suffix)

    def send_pieces(self, path: str, file: int, length: int, suffix: bytes) -> None:
        """A PATCH of the same bytes, whose length is not said before."""
        self._socket.sendall(f"PATCH {path} HTTP/1.1\r\n{self._common}{_CHUNKED}\r\n".encode())
        size = os.fstat(file).st_size
        left = length - len(suffix)
        offset = 0
        self._socket.settimeout(None)
        while left:
            count = min(_PIECE, left, size - offset)
            self._socket.sendall(b"%x\r\n" % count, socket.MSG_MORE)
            end = offset + count
            while offset < end:
                offset += os.sendfile(self._socket.fileno(), file, offset, end - offset)
            self._socket.sendall(b"\r\n", socket.MSG_MORE)
            offset %= size
            left -= count
        self._socket.settimeout(TIMEOUT_S)
        self._socket.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(suffix), suffix))

    def answer(self, expected: int) -> tuple[dict[str, str], int]:
        """(headers, bytes of the body, which are thrown away). Raises RuntimeError for another status."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError("the connection was closed")
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if int(first.split()[1]) != expected:
            raise RuntimeError(f"{first}: {rest[:500]!r}")
        length = int(headers.get("content-length", "0"))
        got = len(rest)
        while got < length:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise RuntimeError(f"the body ended after {got} of {length} bytes")
            got += count
        return headers, got


def get(job: dict[str, Any], transfer: dict[str, Any]) -> None:
    connection = Connection(job["port"], job["headers"])
    for _ in range(job["times"]):
        connection.send("GET", transfer["path"], 0)
        _, got = connection.answer(200)
        if got != transfer["size"]:
            raise RuntimeError(f"{got} bytes instead of {transfer['size']}")


def put(job: dict[str, Any], transfer: dict[str, Any]) -> None:
    connection = Connection(job["port"], job["headers"])
    where = _begin(connection, transfer)
    with open(job["file"], "rb") as file:
        connection.send("PUT", _finishing(where, transfer), transfer["size"])
        connection.send_blob(file.fileno(), transfer["size"], bytes.fromhex(transfer["suffix"]))
    connection.answer(201)


def patch(job: dict[str, Any], transfer: dict[str, Any]) -> None:
    """As docker does it: all bytes in one PATCH, then an empty PUT."""
    connection = Connection(job["port"], job["headers"])
    where = _begin(connection, transfer)
    with open(job["file"], "rb") as file:
        connection.send_pieces(where, file.fileno(), transfer["size"], bytes.fromhex(transfer["suffix"]))
    where = _path(connection.answer(202)[0])
    connection.ask("PUT", _finishing(where, transfer), 201)


def _begin(connection: Connection, transfer: dict[str, Any]) -> str:
    connection.send("POST", transfer["path"], 0)
    return _path(connection.answer(202)[0])


def _path(headers: dict[str, str]) -> str:
    where = headers["location"]
    return "/" + where.split("/", 3)[3] if where.startswith("http://") else where


def _finishing(where: str, transfer: dict[str, Any]) -> str:
    return f"{where}{'&' if '?' in where else '?'}digest={transfer['digest']}"


def main() -> int:
    job = json.load(sys.stdin)
    work = {"get": get, "put": put, "patch": patch}[job["kind"]]
    failures: list[str] = []
    barrier = threading.Barrier(len(job["transfers"]) + 1)

    def transfer(one: dict[str, Any]) -> None:
        barrier.wait()
        try:
            work(job, one)
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=transfer, args=(one,)) for one in job["transfers"]]
    for thread in threads:
        thread.start()
    barrier.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    print(json.dumps({"seconds": time.perf_counter() - begun, "failures": failures}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
