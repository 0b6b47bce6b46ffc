"""A body that is hashed on its way to storage, while storage writes it."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from quayframe.errors import LayerTooLarge
from quayframe.plugin.storage import ByteStream

WORTH_A_THREAD = 128 * 1024
"""Bytes; a smaller piece is hashed at once, as handing it over would cost more."""


class Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...


def hashing_threads() -> ThreadPoolExecutor:
    """Threads for HashedStream: hashing, writing and receiving take about as long as each other, so that
    one more thread a core is of use and a thread for each upload is not. They start when needed."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "hashing")


class HashedStream:
    """A stream that hashes what passes through it and holds it to a limit. For one thread.

    A large piece is hashed by another thread while the reader does something with it; the next one waits
    for it, so the order is kept and at most one is under way. The hash is right after `wait`.

    :param hashed: where the bytes go; None = they are only counted.
    :param room: the most bytes that may pass; beyond it LayerTooLarge is raised.
    """

    def __init__(
        self, stream: ByteStream, hashed: Hash | None, room: int, threads: ThreadPoolExecutor
    ) -> None:
        self._stream = stream
        self._hash = hashed
        self._room = room
        self._threads = threads
        self._under_way: Future[object] | None = None
        self.count = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if data:
            self.count += len(data)
            if self.count > self._room:
                raise LayerTooLarge()
            if self._hash is not None:
                self._update(self._hash, data)
        return data

    def wait(self) -> None:
        """Returns when everything that was read is in the hash."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def _update(self, hashed: Hash, data: bytes) -> None:
        self.wait()
        if len(data) < WORTH_A_THREAD:
            hashed.update(data)
        else:
            self._under_way = self._threads.submit(hashed.update, data)
