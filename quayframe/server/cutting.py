"""Cut a request whose body does not come, on a server that does not say which connection it is on.

A read that waits for a body on Granian ends only with the connection, and a client that sends nothing may
keep that open for ever; the request's environ has no port and no socket. But an answer may be sent from any
thread. So the answer goes out in pieces of random lengths, and the one connection of that client's address
whose written bytes grow by just these lengths, one after the other, is the one; it is shut down.

Linux alone tells how much was written (TCP_INFO, kernel 4.19); elsewhere the client is answered and no more.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

_ROUNDS = 6
_NEEDED = 3
_SHORTEST = 200
_SPREAD = 1000
_OVERHEAD = 64
"""Bytes that TLS adds to a piece, at most."""
_STEP = 0.02
_PATIENCE = 0.3
"""Seconds that a piece may take to be written."""
_INFO_BYTES = 216


def cut(proto: Any, peer: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Answer the request, find its connection, shut it down. Takes about 0.1 s, at most 2.5.

    :param proto: Granian's handle of the request; where it was answered already, nothing happens.
    :param peer: the client's address as the server sees it.
    """
    lengths = [_SHORTEST + secrets.randbelow(_SPREAD) for _ in range(_ROUNDS)]
    said = [*headers, ("Content-Length", str(len(body) + sum(lengths)))]
    with contextlib.ExitStack() as stack:
        connections: dict[object, socket.socket] = {}
        for address, connection in _connections(peer):
            stack.enter_context(connection)
            # one connection may have several descriptors
            connections[address] = connection
        # Granian iterates it within this call
        proto.response_iter(status, said, _Pieces(body, lengths, list(connections.values())))


class _Pieces:
    """The answer's body; between two pieces it looks who has written the last one."""

    def __init__(self, body: bytes, lengths: list[int], connections: list[socket.socket]) -> None:
        self._connections = connections
        self._pieces = self._make(body, lengths)

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._pieces.close()

    def _make(self, body: bytes, lengths: list[int]) -> Generator[bytes, None, None]:
        start = self._sample()
        yield body
        self._until(lambda: self._sample() != start)
        hits = [0] * len(self._connections)
        for length in lengths:
            found = max(hits, default=0) >= _NEEDED
            before = self._sample()
            # white space may follow a JSON text
            yield b" " * length
            if not found:
                # A piece that is merged with what came before it is a miss: hence more rounds than needed.
                self._until(partial(self._any_grown, before, length))
                hits = [sum(pair) for pair in zip(hits, self._grown(before, length), strict=True)]
        time.sleep(_STEP)
        suspects = [each for each, hit in zip(self._connections, hits, strict=True) if hit >= _NEEDED]
        if len(suspects) == 1:
            with contextlib.suppress(OSError):
                suspects[0].shutdown(socket.SHUT_RDWR)

    def _sample(self) -> list[int | None]:
        return [_written(each) for each in self._connections]

    def _grown(self, before: list[int | None], length: int) -> list[bool]:
        return [_fits(was, now, length) for was, now in zip(before, self._sample(), strict=True)]

    def _any_grown(self, before: list[int | None], length: int) -> bool:
        return any(self._grown(before, length))

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            time.sleep(_STEP)
            if condition():
                return


def _fits(was: int | None, now: int | None, length: int) -> bool:
    return was is not None and now is not None and length <= now - was <= length + _OVERHEAD


def _written(connection: socket.socket) -> int | None:
    """Bytes given to the kernel to send so far; None where it does not tell."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, AttributeError):
        return None
    if len(info) < _INFO_BYTES:
        return None
    (waiting,) = struct.unpack_from("=I", info, 144)
    sent, again = struct.unpack_from("=QQ", info, 200)
    return int(sent - again + waiting)


def _connections(peer: str) -> Iterator[tuple[object, socket.socket]]:
    """(address, copy) of this process's connections from that client; each copy is to be closed."""
    wanted = _plain(peer)
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir("/proc/self/fd")
    for name in names:
        connection = _copy(int(name))
        if connection is None:
            continue
        address: object = None
        with contextlib.suppress(OSError):
            address = connection.getpeername()
        if isinstance(address, tuple) and _plain(str(address[0])) == wanted:
            yield address, connection
        else:
            connection.close()


def _copy(descriptor: int) -> socket.socket | None:
    """A copy, so that the number cannot become another connection's meanwhile; None where it is no socket."""
    try:
        copied = os.dup(descriptor)
    except OSError:
        return None
    try:
        return socket.socket(fileno=copied)
    except OSError:
        os.close(copied)
        return None


def _plain(address: str) -> str:
    """An IPv4 address on an IPv6 socket is written like any IPv4 address."""
    return address.removeprefix("::ffff:").partition("%")[0]
