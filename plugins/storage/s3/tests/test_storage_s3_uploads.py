"""What uploads leave in the bucket, and what becomes of appends that race, fail or are many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from object_servers import Seaweedfs
from quayframe_storage_s3 import S3Storage, appending, parts
from quayframe_storage_s3.committing import ranges
from quayframe_storage_s3.configs import S3Config
from quayframe_storage_s3.value import State

from quayframe.plugin.storage import ObjectNotFound, StorageError, StorageUnavailable, UploadLost
from quayframe.testing.storage_base import append, append_together, begin, new_key, now_ms, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
HOUR_MS = 3_600_000
KEY = "sha256/ab/abcdef.1"

Left = Callable[[], list[str]]


def segments(upload: Any) -> int:
    return len(State.of(upload).segments)


def raced(backend: S3Storage, size: int = 6 * MIB) -> tuple[Any, bytes]:
    """An upload of two segments, and its bytes: its second append was made twice."""
    upload = begin(backend, pattern(size, 1))
    append(backend, upload, pattern(size, 2))
    upload = append(backend, upload, pattern(size, 3))
    assert segments(upload) == 2
    return upload, pattern(size, 1) + pattern(size, 3)


@pytest.mark.parametrize(
    "chunks",
    [
        (0,), (1000,), (100_000,), (6 * MIB,), (30 * MIB,), (6 * MIB, 1000), (6 * MIB, 6 * MIB),
        (1, 100_000, 6 * MIB),
    ],
    ids=str,
)  # fmt: skip
def test_a_committed_upload_leaves_its_object_alone(
    backend: S3Storage, left: Left, chunks: tuple[int, ...]
) -> None:
    upload = begin(backend, *(pattern(size) for size in chunks))
    used = backend.commit(upload, KEY)
    assert left() == [used]


@pytest.mark.parametrize("chunks", [(0,), (1000,), (100_000,), (30 * MIB,), (6 * MIB, 6 * MIB)], ids=str)
def test_an_aborted_upload_leaves_nothing(backend: S3Storage, left: Left, chunks: tuple[int, ...]) -> None:
    backend.abort(begin(backend, *(pattern(size) for size in chunks)))
    assert left() == []


@pytest.mark.parametrize("chunks", [(0,), (1000,), (100_000,), (30 * MIB,), (6 * MIB, 6 * MIB)], ids=str)
def test_a_swept_upload_leaves_nothing(backend: S3Storage, left: Left, chunks: tuple[int, ...]) -> None:
    begin(backend, *(pattern(size) for size in chunks))
    assert backend.sweep(now_ms() + HOUR_MS) == 1
    assert left() == []


def test_what_lost_a_race_is_swept_after_the_commit(backend: S3Storage, left: Left) -> None:
    upload = begin(backend)
    values = append_together(backend, upload, [Stream(pattern(6 * MIB, seed)) for seed in (1, 2, 3)])
    used = backend.commit(values[1], KEY)
    same(content(backend, used), pattern(6 * MIB, 2))
    assert backend.sweep(now_ms() + HOUR_MS) == 0
    assert left() == [used]


def test_the_bytes_of_an_upload_are_not_copied_by_its_commit(through: S3Storage, proxy: FaultProxy) -> None:
    upload = begin(through, pattern(20 * MIB), pattern(9 * MIB))
    proxy.fail()
    through.commit(upload, KEY)
    assert proxy.count("PUT") == 0


@pytest.mark.parametrize(
    ("size", "requests"),
    [(2000, 6), (6 * MIB, 7), (30 * MIB, 10)],
)
def test_a_push_takes_few_requests(through: S3Storage, proxy: FaultProxy, size: int, requests: int) -> None:
    proxy.fail()
    store(through, KEY, pattern(size))
    assert len(proxy.asked) == requests, proxy.asked


def test_appends_in_a_row_go_on_in_one_multipart_upload(backend: S3Storage) -> None:
    upload = begin(backend, *(pattern(6 * MIB, seed) for seed in range(4)))
    assert segments(upload) == 1
    whole = b"".join(pattern(6 * MIB, seed) for seed in range(4))
    same(content(backend, backend.commit(upload, KEY)), whole)


def test_appends_in_a_row_need_no_room_in_the_value(backend: S3Storage) -> None:
    few, many = (len(str(begin(backend, *[pattern(5 * MIB)] * count).data)) for count in (2, 12))
    assert many < few + 20


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_long_appends_at_once_to_one_value_each_keep_their_bytes(
    backend: S3Storage, left: Left, kept: int
) -> None:
    upload = begin(backend, pattern(6 * MIB, 9))
    chunks = [pattern(18 * MIB, seed) for seed in (1, 2, 3)]
    barrier = threading.Barrier(3, timeout=60)
    streams = [Stream(chunk, pause_at=17 * MIB, pause=barrier.wait) for chunk in chunks]
    values = append_together(backend, upload, streams)
    used = backend.commit(values[kept], KEY)
    same(content(backend, used), pattern(6 * MIB, 9) + chunks[kept])
    assert backend.commit(values[kept], KEY) == used
    assert backend.sweep(now_ms() + HOUR_MS) == 0
    assert left() == [used]


def test_an_append_that_its_client_left_disturbs_no_later_one(backend: S3Storage, left: Left) -> None:
    upload = begin(backend, pattern(6 * MIB, 1))

    def leave() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        backend.append(upload, Stream(pattern(40 * MIB, 2), pause_at=39 * MIB, pause=leave))
    upload = append(backend, upload, pattern(20 * MIB, 3))
    used = backend.commit(upload, KEY)
    same(content(backend, used), pattern(6 * MIB, 1) + pattern(20 * MIB, 3))
    assert left() == [used]


def test_several_segments_become_one_object(backend: S3Storage, left: Left) -> None:
    upload, whole = raced(backend)
    upload = append(backend, upload, b"tail")
    used = backend.commit(upload, KEY)
    same(content(backend, used), whole + b"tail")
    assert backend.commit(upload, KEY) == used
    assert left() == [used]


def test_a_service_that_copies_nothing_puts_segments_together_too(config: dict[str, Any], left: Left) -> None:
    backend = S3Storage(S3Config(**config))
    object.__setattr__(backend._bucket.target, "copy_part", 0)
    upload, whole = raced(backend, 17 * MIB)
    used = backend.commit(upload, KEY)
    same(content(backend, used), whole)
    assert left() == [used]


@pytest.mark.parametrize("ending", ["commit", "abort", "sweep"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="POST", target="uploads", status=500, times=3),
        Fault(method="PUT", target="partNumber", status=500, times=3),
        Fault(method="PUT", target="/p-", status=500, times=3),
    ],
    ids=["begin", "copy", "note"],
)
def test_a_commit_that_failed_while_it_put_segments_together(
    through: S3Storage, proxy: FaultProxy, left: Left, fault: Fault, ending: str
) -> None:
    upload, whole = raced(through)
    proxy.fail(Fault(**vars(fault)))
    with pytest.raises(StorageUnavailable):
        through.commit(upload, KEY)
    proxy.fail()
    if ending == "commit":
        used = through.commit(upload, KEY)
        same(content(through, used), whole)
        assert left() == [used]
    elif ending == "abort":
        through.abort(upload)
        assert left() == []
    else:
        assert through.sweep(now_ms() + HOUR_MS) == 1
        assert left() == []


def test_more_parts_than_a_multipart_upload_may_have(
    backend: S3Storage, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (appending, parts):
        monkeypatch.setattr(module, "MOST_PARTS", 3)
    upload = begin(backend, pattern(60 * MIB, 1), pattern(5 * MIB, 2), b"end")
    assert segments(upload) == 3
    used = backend.commit(upload, KEY)
    same(content(backend, used), pattern(60 * MIB, 1) + pattern(5 * MIB, 2) + b"end")
    assert left() == [used]


@pytest.mark.parametrize("longest", [5 * MIB, 16 * MIB, 5 * 1024 * MIB])
@pytest.mark.parametrize("size", [5 * MIB, 6 * MIB, 11 * MIB, 31 * MIB, 12 * 1024 * MIB + 1])
def test_what_is_copied_in_pieces_is_whole_and_no_piece_is_too_short(size: int, longest: int) -> None:
    pieces = ranges(size, longest)
    assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces[:-1])]
    assert pieces[-1][1] == size
    lengths = [stop - start for start, stop in pieces]
    assert min(lengths) >= 5 * MIB
    assert max(lengths) <= max(longest, 10 * MIB)


def test_a_part_that_was_written_over_never_becomes_another_object(
    backend: S3Storage, seaweedfs: Seaweedfs
) -> None:
    upload = begin(backend, pattern(6 * MIB, 1))
    (segment,) = State.of(upload).segments
    (mpu,) = backend._bucket.uploads(backend._root)
    assert mpu["UploadId"] == segment.mpu
    backend._bucket.upload_part(mpu["Key"], segment.mpu, 1, pattern(6 * MIB, 2))
    try:
        used = backend.commit(upload, KEY)
    except UploadLost:
        return
    # SeaweedFS keeps both parts, and takes the one that the ETag names.
    same(content(backend, used), pattern(6 * MIB, 1))


def test_an_upload_of_another_back_end_is_refused(backend: S3Storage) -> None:
    upload = begin(backend, b"content")
    for data in (
        {},
        {**upload.data, "id": "../x"},
        {**upload.data, "rest": "AA=="},
        {"id": 1, "segments": 2},
    ):
        with pytest.raises(StorageError, match="not begun by a back end of S3"):
            backend.append(type(upload)(upload.size, data), Stream(b"more"))


@pytest.mark.parametrize(
    "key", ["", "/", "a//b", "../a", "a/../b", "uploads/x", "uploads", "é", "a\nb", "a" * 901]
)
def test_a_key_that_names_nothing_is_refused(backend: S3Storage, key: str) -> None:
    for call in (backend.size, backend.read, backend.delete):
        with pytest.raises(StorageError, match="not a storage key"):
            call(key)


def test_a_put_of_any_size_has_the_key_that_was_asked_for(backend: S3Storage, left: Left) -> None:
    used = {
        size: backend.put(new_key(), Stream(pattern(size)))
        for size in (0, 1000, 12 * MIB, 13 * MIB, 40 * MIB)
    }
    for size, key in used.items():
        same(content(backend, key), pattern(size))
    assert left() == sorted(used.values())


def test_a_put_whose_stream_fails_leaves_nothing(backend: S3Storage, left: Left) -> None:
    def leave() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        backend.put(KEY, Stream(pattern(40 * MIB), pause_at=39 * MIB, pause=leave))
    assert left() == []
    with pytest.raises(ObjectNotFound):
        backend.size(KEY)


def test_a_folder_that_a_console_made_is_no_key(
    backend: S3Storage, seaweedfs: Seaweedfs, config: dict[str, Any]
) -> None:
    used = store(backend, KEY, b"content")
    path = config["storage_path"].strip("/")
    seaweedfs.client().put_object(Bucket=seaweedfs.BUCKET, Key=f"{path}/folder/", Body=b"")
    assert list(backend.keys()) == [used]


def test_keys_are_listed_over_pages(backend: S3Storage) -> None:
    used = {backend.put(f"logs/{number:04}", Stream(b"x")) for number in range(1010)}
    assert set(backend.keys("logs/")) == used
