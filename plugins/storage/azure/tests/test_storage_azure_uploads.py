"""How AzureStorage stages blocks: compactly, in little memory, with nothing left over."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from quayframe_storage_azure import AzureConfig, AzureStorage, writing

from quayframe.plugin.storage import StorageError, Upload, UploadLost
from quayframe.testing.storage_base import append, append_together, begin, now_ms
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
KEY = "sha256/ab/abcdef.1"
LONG = os.environ.get("QUAYFRAME_SOAK") == "1"


@pytest.fixture
def storage(config: dict[str, Any]) -> AzureStorage:
    return AzureStorage(AzureConfig(**config))


def everything(storage: AzureStorage) -> list[str]:
    """All names in the container, of blobs whose blocks nobody has named yet too."""
    return sorted(
        str(found.name).removeprefix("datastorage/registry/")
        for found in storage._container.list_blobs(include=["uncommittedblobs"])
    )


def test_the_value_stays_short_however_many_blocks(storage: AzureStorage) -> None:
    upload = begin(storage)
    for seed in range(10):
        upload = append(storage, upload, pattern(2 * MIB, seed))
    assert len(json.dumps(upload.data)) < 200


def test_chunks_around_the_limits_come_back_in_order(storage: AzureStorage) -> None:
    few, full = writing.tail_limit(0), writing.BLOCK
    chunks = [pattern(size, size) for limit in (few, full) for size in (limit - 1, 1, 1, limit, limit + 1)]
    upload = begin(storage, *chunks)
    same(content(storage, storage.commit(upload, KEY)), b"".join(chunks))


def test_with_many_blocks_gone_more_bytes_wait(
    storage: AzureStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_MANY_BLOCKS", 3)
    chunks = [pattern(100_000, seed) for seed in range(25)]
    upload = begin(storage, *chunks)
    # Three at once, then one for each six.
    assert sum(count for _, count in upload.data["runs"]) == 6
    same(content(storage, storage.commit(upload, KEY)), b"".join(chunks))


def test_more_blocks_than_the_service_allows_are_refused(
    storage: AzureStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quayframe_storage_azure.backend.MOST_BLOCKS", 3)
    upload = begin(storage, *(pattern(20_000, seed) for seed in range(3)))
    with pytest.raises(StorageError, match="3 blocks"):
        storage.append(upload, Stream(pattern(20_000)))
    assert storage.size(storage.commit(upload, KEY)) == 60_000


def test_nothing_but_the_object_is_left_by_a_commit(storage: AzureStorage) -> None:
    upload = begin(storage, pattern(5 * MIB), b"tail")
    append(storage, upload, pattern(5 * MIB, 1))
    used = storage.commit(upload, KEY)
    assert everything(storage) == [used]


@pytest.mark.parametrize("chunks", [[], [b"tail"], [pattern(5 * MIB)]], ids=["empty", "tail", "blocks"])
def test_nothing_is_left_by_an_abort_or_a_sweep(storage: AzureStorage, chunks: list[bytes]) -> None:
    storage.abort(begin(storage, *chunks))
    assert everything(storage) == []
    begin(storage, *chunks)
    assert storage.sweep(now_ms() + 1000) == 1
    assert everything(storage) == []


def test_an_upload_that_is_touched_while_a_sweep_looks_stays(storage: AzureStorage) -> None:
    upload = begin(storage, b"base")
    (marker,) = storage._list("uploads/")
    upload = append(storage, upload, b" and more")
    assert not storage._claim(upload.data["id"], str(marker.etag))
    same(content(storage, storage.commit(upload, KEY)), b"base and more")


def test_of_commits_and_aborts_at_once_a_commit_that_was_answered_keeps_its_object(
    storage: AzureStorage,
) -> None:
    for turn in range(20):
        upload = begin(storage, pattern(100_000, turn) if turn % 2 else b"tail")
        barrier = threading.Barrier(3, timeout=60)

        def commit(upload: Upload = upload, barrier: threading.Barrier = barrier) -> str | None:
            barrier.wait()
            try:
                return storage.commit(upload, KEY)
            except UploadLost:
                return None

        def abort(upload: Upload = upload, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            storage.abort(upload)

        with ThreadPoolExecutor(3) as pool:
            answer, *others = pool.submit(commit), pool.submit(abort), pool.submit(abort)
            committed = answer.result()
            for other in others:
                other.result()
        if committed:
            assert storage.size(committed) == upload.size
        assert set(everything(storage)) == ({committed} if committed else set())
        if committed:
            storage.delete(committed)


def test_whatever_is_appended_raced_lost_and_cut_the_value_kept_is_what_is_committed(
    config: dict[str, Any],
) -> None:
    """A model: values are bytes. Random appends to any of the values so far, several at once, some cut."""
    rng = random.Random(7)
    with FaultProxy(config["endpoint_url"]) as proxy:
        storage = AzureStorage(AzureConfig(**{**config, "endpoint_url": proxy.url}))
        known: list[tuple[Upload, bytes]] = [(begin(storage), b"")]
        for step in range(120 if LONG else 30):
            upload, before = rng.choice(known[-3:])
            sizes = [rng.choice([1, 1000, 17_000, 300_000, 5_000_000]) for _ in range(rng.choice([1, 1, 3]))]
            data = [pattern(size, step * 10 + i) for i, size in enumerate(sizes)]
            proxy.fail(*[Fault(method="PUT", lost=True)] * rng.choice([0, 0, 1]))
            made = append_together(storage, upload, [Stream(d) for d in data])
            known += [(u, before + d) for u, d in zip(made, data, strict=True)]
        upload, expected = known[-1]
        assert upload.size == len(expected)
        same(content(storage, storage.commit(upload, KEY)), expected)
        assert storage.sweep(now_ms() + 1000) == 0


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def growth(limit: int) -> Iterator[None]:
    """The process grows by less than `limit` bytes while this lasts."""
    start, most, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert most[0] - start < limit, f"it grew by {(most[0] - start) // MIB} MiB"


def test_a_long_append_and_its_read_take_little_memory(storage: AzureStorage) -> None:
    size = (1024 if LONG else 160) * MIB
    begin(storage, b"what is loaded once")
    with growth(64 * MIB):
        upload = storage.append(storage.begin(), Stream(pattern(MIB), size=size))
        used = storage.commit(upload, KEY)
        assert sum(len(piece) for piece in storage.read(used)) == size
