"""What the parts of the storage suite share: the fixtures, and what a back end may adjust."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from quayframe.plugin.storage import StorageBackend, Upload

from .storage_process import MakeBackend, through_json
from .storage_streams import Stream, pattern

MIB = 1024 * 1024


class StorageSuiteBase:
    """Fixtures and adjustments of `StorageSuite`."""

    many_chunks: ClassVar[int] = 12_000
    """Chunks of 1 byte in one upload. A back end for which each costs money may do with fewer."""

    clock_step_ms: ClassVar[int] = 50
    """How far apart two moments must be for `sweep` to tell them apart, in milliseconds."""

    memory_limit: ClassVar[int] = 8 * MIB
    """Bytes that one append may hold at once, however long its stream."""

    @pytest.fixture
    def make_backend(self) -> MakeBackend:
        """Override this: a callable that makes a new instance of the back end, each time on the same
        state, empty at the test's start. It can be pickled, so that another process can call it:
        `BackendFactory(MyStorage, {...})` can."""
        raise NotImplementedError("override the fixture make_backend")

    @pytest.fixture
    def backend(self, make_backend: MakeBackend) -> StorageBackend:
        return make_backend()

    @pytest.fixture
    def key(self) -> str:
        """A key as the registry makes them."""
        return new_key()


def new_key() -> str:
    digest = uuid.uuid4().hex * 2
    return f"sha256/{digest[:2]}/{digest}.{uuid.uuid4().hex}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def let_clock_pass(step_ms: int) -> int:
    """Waits until the clock has moved by `step_ms` twice; returns the moment in between, in ms."""
    start = now_ms()
    while now_ms() < start + 2 * step_ms:
        time.sleep(step_ms / 1000)
    return start + step_ms


def append(backend: StorageBackend, upload: Upload, data: bytes) -> Upload:
    """An append whose value then goes through JSON, as it does in the registry."""
    return through_json(backend.append(upload, Stream(data)))


def begin(backend: StorageBackend, *chunks: bytes) -> Upload:
    """An upload with these chunks."""
    upload = through_json(backend.begin())
    for chunk in chunks:
        upload = append(backend, upload, chunk)
    return upload


def store(backend: StorageBackend, key: str, data: bytes) -> str:
    """An object with these bytes; the key really used."""
    return backend.commit(begin(backend, data) if data else begin(backend), key)


def append_together(backend: StorageBackend, upload: Upload, streams: Sequence[Stream]) -> list[Upload]:
    """Appends of all `streams` to one value, each in its thread."""
    with ThreadPoolExecutor(len(streams)) as pool:
        return list(pool.map(lambda stream: through_json(backend.append(upload, stream)), streams))


def letters(count: int, size: int) -> list[bytes]:
    """`count` chunks of `size` bytes, no two alike."""
    return [pattern(size, seed) for seed in range(1, count + 1)]
