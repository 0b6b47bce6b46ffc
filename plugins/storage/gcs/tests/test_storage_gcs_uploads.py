"""How GoogleCloudStorage makes parts: compactly, in little memory, with nothing left over."""

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
from quayframe_storage_gcs import GoogleCloudStorage, GoogleConfig

from quayframe.plugin.storage import Upload, UploadLost
from quayframe.testing.storage_base import append, append_together, begin, now_ms
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
KEY = "sha256/ab/abcdef.1"
LONG = os.environ.get("QUAYFRAME_SOAK") == "1"


@pytest.fixture
def storage(config: dict[str, Any]) -> GoogleCloudStorage:
    return GoogleCloudStorage(GoogleConfig(**config))


def everything(storage: GoogleCloudStorage) -> list[str]:
    """The names of all objects, without the storage path."""
    return sorted(found.name.removeprefix("datastorage/registry/") for found in storage._list(""))


def test_many_parts_become_few_and_come_back_in_order(
    storage: GoogleCloudStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quayframe_storage_gcs.state.MOST_SOURCES", 3)
    monkeypatch.setattr("quayframe_storage_gcs.backend.MOST_SOURCES", 3)
    chunks = [pattern(20_000, seed) for seed in range(26)]
    upload = begin(storage)
    for index, chunk in enumerate(chunks, start=1):
        append(storage, upload, b"this answer got lost")
        upload = append(storage, upload, chunk)
        digits = (index % 3) + (index // 3 % 3) + (index // 9 % 3)
        assert len(upload.data["parts"]) == digits
    same(content(storage, storage.commit(upload, KEY)), b"".join(chunks))


def test_the_value_stays_short(storage: GoogleCloudStorage) -> None:
    upload = begin(storage, *(pattern(20_000, seed) for seed in range(40)))
    assert len(json.dumps(upload.data)) < 500


def test_chunks_around_the_limits_come_back_in_order(storage: GoogleCloudStorage) -> None:
    limits = (16 * 1024, 5 * MIB)
    chunks = [pattern(size, size) for limit in limits for size in (limit - 1, 1, 1, limit, limit + 1)]
    upload = begin(storage, *chunks)
    same(content(storage, storage.commit(upload, KEY)), b"".join(chunks))


@pytest.mark.parametrize("mib", [1, 2, 32])
def test_any_size_of_chunks_will_do(config: dict[str, Any], mib: int) -> None:
    storage = GoogleCloudStorage(GoogleConfig(**{**config, "minimum_chunk_size_mb": mib}))
    for size in (mib * MIB - 1, mib * MIB, mib * MIB + 1, 2 * mib * MIB):
        upload = storage.append(begin(storage, b"base"), Stream(pattern(size), at_most=100_000))
        same(content(storage, storage.commit(upload, f"{KEY}{size}")), b"base" + pattern(size))


def test_nothing_but_the_object_is_left_by_a_commit(storage: GoogleCloudStorage) -> None:
    upload = begin(storage, pattern(100_000), b"tail")
    append(storage, upload, pattern(100_000, 1))
    assert storage.commit(upload, KEY) == KEY
    assert everything(storage) == [KEY]


def test_a_commit_leaves_what_is_too_much_for_it_to_a_sweep(
    storage: GoogleCloudStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quayframe_storage_gcs.backend._DELETE_AT_ONCE", 2)
    upload = begin(storage, *(pattern(20_000, seed) for seed in range(5)))
    storage.commit(upload, KEY)
    assert len(everything(storage)) == 1 + 3
    assert storage.sweep(now_ms() + 1000) == 0
    assert everything(storage) == [KEY]


@pytest.mark.parametrize("chunks", [[], [b"tail"], [pattern(100_000)]], ids=["empty", "tail", "part"])
def test_nothing_is_left_by_an_abort_or_a_sweep(storage: GoogleCloudStorage, chunks: list[bytes]) -> None:
    storage.abort(begin(storage, *chunks))
    assert everything(storage) == []
    begin(storage, *chunks)
    assert storage.sweep(now_ms() + 1000) == 1
    assert everything(storage) == []


@pytest.mark.parametrize("status", [412, 429])
def test_a_marker_that_is_written_too_often_is_touched_all_the_same(
    config: dict[str, Any], status: int
) -> None:
    with FaultProxy(config["endpoint_url"]) as proxy:
        storage = GoogleCloudStorage(GoogleConfig(**{**config, "endpoint_url": proxy.url}))
        upload = begin(storage, b"base")
        proxy.fail(Fault(method="POST", status=status))
        upload = append(storage, upload, b" and more")
        assert proxy.count("POST") == 1
        same(content(storage, storage.commit(upload, KEY)), b"base and more")


def test_of_commits_and_aborts_at_once_a_commit_that_was_answered_keeps_its_object(
    storage: GoogleCloudStorage,
) -> None:
    for turn in range(20):
        upload = begin(storage, b"tail")
        key = f"{KEY}{turn}"
        barrier = threading.Barrier(3, timeout=60)

        def commit(
            upload: Upload = upload, key: str = key, barrier: threading.Barrier = barrier
        ) -> str | None:
            barrier.wait()
            try:
                return storage.commit(upload, key)
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
            storage.delete(committed)
    assert everything(storage) == []


def test_whatever_is_appended_raced_lost_and_cut_the_value_kept_is_what_is_committed(
    config: dict[str, Any],
) -> None:
    """A model: values are bytes. Random appends to any of the values so far, several at once, some cut."""
    rng = random.Random(7)
    with FaultProxy(config["endpoint_url"]) as proxy:
        storage = GoogleCloudStorage(GoogleConfig(**{**config, "endpoint_url": proxy.url}))
        known: list[tuple[Upload, bytes]] = [(begin(storage), b"")]
        for step in range(200 if LONG else 40):
            upload, before = rng.choice(known[-3:])
            sizes = [rng.choice([1, 1000, 17_000, 300_000]) for _ in range(rng.choice([1, 1, 3]))]
            data = [pattern(size, step * 10 + i) for i, size in enumerate(sizes)]
            proxy.fail(*[Fault(method="POST", lost=True)] * rng.choice([0, 0, 1]))
            made = append_together(storage, upload, [Stream(d) for d in data])
            known += [(u, before + d) for u, d in zip(made, data, strict=True)]
        upload, expected = known[-1]
        assert upload.size == len(expected)
        same(content(storage, storage.commit(upload, KEY)), expected)
        assert everything(storage) == [KEY]


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


# The longer a resumable upload, the slower fake-gcs-server takes each chunk.
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("interface", ["config", "hmac_config"])
def test_a_long_append_and_its_read_take_little_memory(
    request: pytest.FixtureRequest, interface: str
) -> None:
    storage = GoogleCloudStorage(GoogleConfig(**request.getfixturevalue(interface)))
    size = (1024 if LONG else 160) * MIB
    begin(storage, pattern(100_000))
    with growth(64 * MIB):
        upload = storage.append(storage.begin(), Stream(pattern(MIB), size=size))
        used = storage.commit(upload, KEY)
        assert sum(len(piece) for piece in storage.read(used)) == size
