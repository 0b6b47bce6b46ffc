"""Hashing beside writing: the digest is that of the bytes in their order, whatever the pieces."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from quayframe.errors import LayerTooLarge
from quayframe.services.hashed import WORTH_A_THREAD, HashedStream, hashing_threads


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with hashing_threads() as pool:
        yield pool


def test_small_and_large_pieces_are_hashed_in_their_order(threads: ThreadPoolExecutor) -> None:
    content = random.Random(1).randbytes(8 << 20)
    hashed = hashlib.sha256()
    stream = HashedStream(BytesIO(content), hashed, len(content), threads)
    sizes = random.Random(2)
    while stream.read(sizes.choice((1, 1000, WORTH_A_THREAD, 1 << 20))):
        pass
    stream.wait()
    assert hashed.hexdigest() == hashlib.sha256(content).hexdigest()
    assert stream.count == len(content)


def test_more_than_there_is_room_for_is_refused(threads: ThreadPoolExecutor) -> None:
    stream = HashedStream(BytesIO(bytes(1 << 20)), hashlib.sha256(), (1 << 20) - 1, threads)
    with pytest.raises(LayerTooLarge):
        stream.read(1 << 20)


def test_one_piece_is_under_way_at_most(threads: ThreadPoolExecutor) -> None:
    """So that an upload holds no more than two pieces in memory, however slow the hash is."""

    class Slow:
        def __init__(self) -> None:
            self.started, self.go = threading.Semaphore(0), threading.Semaphore(0)
            self.at_once = self.most = 0

        def update(self, data: bytes, /) -> None:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.started.release()
            assert self.go.acquire(timeout=10)
            self.at_once -= 1

    slow = Slow()
    stream = HashedStream(BytesIO(bytes(WORTH_A_THREAD * 3)), slow, 1 << 30, threads)
    stream.read(WORTH_A_THREAD)
    assert slow.started.acquire(timeout=10)
    second = threading.Thread(target=stream.read, args=(WORTH_A_THREAD,))
    second.start()
    assert not slow.started.acquire(timeout=0.2)
    slow.go.release()
    second.join(10)
    slow.go.release()
    stream.wait()
    assert slow.most == 1


def test_what_the_hash_raises_reaches_the_reader(threads: ThreadPoolExecutor) -> None:
    class Broken:
        def update(self, data: bytes, /) -> None:
            raise MemoryError

    stream = HashedStream(BytesIO(bytes(1 << 20)), Broken(), 1 << 30, threads)
    stream.read(1 << 20)
    with pytest.raises(MemoryError):
        stream.wait()
