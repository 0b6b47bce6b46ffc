"""Bytes of a stream, cut into parts and written while the next ones come in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from quayframe.plugin.storage import ByteStream

from .configs import MIB
from .value import MOST_PARTS

READ = 256 * 1024
SMALL_PART = 8 * MIB
LARGE_PART = 16 * MIB
_SMALL_PARTS = 1000
_WRITERS = 8


def part_size(number: int, minimum: int) -> int:
    """How long the part of this number should be: longer the more there are, and 16 MiB at most, since some
    are in memory. A segment that is full (156 GB) is followed by another."""
    return max(minimum, SMALL_PART if number <= _SMALL_PARTS else LARGE_PART)


def cut(begun: bytearray, stream: ByteStream, number: int, minimum: int) -> Iterator[bytearray]:
    """Parts of `begun` and then all of `stream`, each of `minimum` bytes or more if there are so many at all.

    The part before the last is held back until it is known whether what follows it is long enough to be one.

    :param number: that of the first part.
    """
    held: bytearray | None = None
    current, full = _filled(begun, stream, part_size(number, minimum))
    while full:
        if held is not None:
            yield held
        held = current
        number = number % MOST_PARTS + 1
        current, full = _filled(bytearray(), stream, part_size(number, minimum))
    if held is not None and len(current) < minimum:
        held += current
        current = bytearray()
    if held is not None:
        yield held
    if current:
        yield current


def _filled(begun: bytearray, stream: ByteStream, goal: int) -> tuple[bytearray, bool]:
    """`begun` and what follows it, up to `goal` bytes; False when the stream ended before."""
    at = len(begun)
    if at >= goal:
        return begun, True
    # In full at once: one that grows is longer than what is in it, and leaves holes in memory.
    part = bytearray(goal)
    part[:at] = begun
    while at < goal:
        piece = stream.read(min(READ, goal - at))
        if not piece:
            del part[at:]
            return part, False
        part[at : at + len(piece)] = piece
        at += len(piece)
    return part, True


class Writers:
    """The threads of a back end that write parts, so that reading and writing go on together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, write: Callable[[], str]) -> Future[str]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="s3-part")
            return self._pool.submit(write)


class Pipeline:
    """The parts of one append on their way: at most two at once, and one where they are large."""

    def __init__(self, writers: Writers, done: Callable[[int, int, str], None]) -> None:
        """:param done: is told (tag, size, ETag) of each part, in order."""
        self._writers = writers
        self._done = done
        self._going: deque[tuple[int, int, Future[str]]] = deque()

    def add(self, tag: int, size: int, write: Callable[[], str]) -> None:
        """Raises what an earlier part's writing raised."""
        while len(self._going) >= (2 if size <= SMALL_PART else 1):
            self._next()
        self._going.append((tag, size, self._writers.submit(write)))

    def finish(self) -> None:
        while self._going:
            self._next()

    def stop(self) -> None:
        """Returns when nothing is being written any more; errors are nobody's now."""
        wait([future for _, _, future in self._going if not future.cancel()])
        self._going.clear()

    def _next(self) -> None:
        tag, size, future = self._going[0]
        etag = future.result()
        self._going.popleft()
        self._done(tag, size, etag)
