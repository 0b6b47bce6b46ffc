"""The part of the storage suite that is about uploads within one process."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from quayframe.plugin.storage import StorageBackend, StorageError, UploadLost

from .storage_base import MIB, StorageSuiteBase, append, append_together, begin, letters, store
from .storage_process import MakeBackend, through_json
from .storage_streams import Stream, content, pattern, same


class ClientGoneError(Exception):
    """What a stream raises when the other end has left."""


def _leave() -> None:
    raise ClientGoneError


class UploadTests(StorageSuiteBase):
    def test_an_upload_without_bytes_becomes_an_empty_object(self, backend: StorageBackend, key: str) -> None:
        used = backend.commit(begin(backend), key)
        same(content(backend, used), b"")
        assert backend.size(used) == 0

    def test_an_append_of_nothing_changes_nothing(self, backend: StorageBackend, key: str) -> None:
        upload = begin(backend, b"one", b"", b"two", b"")
        assert upload.size == 6
        same(content(backend, backend.commit(upload, key)), b"onetwo")

    @pytest.mark.parametrize("size", [1, 5 * MIB - 1, 5 * MIB, 17 * MIB])
    def test_chunks_of_this_size_come_back_in_order(
        self, backend: StorageBackend, key: str, size: int
    ) -> None:
        chunks = letters(3, size)
        upload = begin(backend, *chunks)
        assert upload.size == 3 * size
        same(content(backend, backend.commit(upload, key)), b"".join(chunks))

    def test_many_small_chunks_come_back_in_order(self, backend: StorageBackend, key: str) -> None:
        data = pattern(self.many_chunks)
        upload = begin(backend, *(data[i : i + 1] for i in range(len(data))))
        same(content(backend, backend.commit(upload, key)), data)

    def test_a_stream_that_gives_fewer_bytes_than_asked_is_read_to_its_end(
        self, backend: StorageBackend, key: str
    ) -> None:
        data = pattern(100_000)
        upload = backend.append(begin(backend), Stream(data, at_most=777))
        same(content(backend, backend.commit(upload, key)), data)

    def test_put_stores_a_whole_object(self, backend: StorageBackend, key: str) -> None:
        data = pattern(300_000)
        same(content(backend, backend.put(key, Stream(data))), data)

    def test_an_append_holds_little_of_its_stream_in_memory(self, backend: StorageBackend, key: str) -> None:
        piece, size = pattern(MIB), 64 * MIB
        upload = begin(backend)
        tracemalloc.start()
        try:
            upload = backend.append(upload, Stream(piece, size=size))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert upload.size == size
        assert peak < self.memory_limit, f"{peak} bytes were held at once"
        assert backend.size(backend.commit(upload, key)) == size

    @pytest.mark.parametrize("kept", [0, 1], ids=["first", "second"])
    def test_the_same_value_appended_to_twice_gives_two_values_with_their_own_bytes(
        self, backend: StorageBackend, key: str, kept: int
    ) -> None:
        upload = begin(backend, b"base")
        values = [append(backend, upload, data) for data in (b"first", b"2nd")]
        same(content(backend, backend.commit(values[kept], key)), (b"basefirst", b"base2nd")[kept])

    def test_an_append_to_an_earlier_value_forgets_the_later_ones(
        self, backend: StorageBackend, key: str
    ) -> None:
        early = begin(backend, b"a", b"b")
        lost = append(backend, append(backend, early, b"lost"), b"lost too")
        assert lost.size == 14
        upload = append(backend, append(backend, early, b"c"), b"d")
        same(content(backend, backend.commit(upload, key)), b"abcd")

    def test_every_chunk_may_be_sent_twice(self, backend: StorageBackend, key: str) -> None:
        chunks = letters(40, 1000)
        upload = begin(backend)
        for chunk in chunks:
            append(backend, upload, b"this answer got lost")
            upload = append(backend, upload, chunk)
        same(content(backend, backend.commit(upload, key)), b"".join(chunks))

    @pytest.mark.parametrize("base", [b"", b"base"], ids=["empty", "begun"])
    @pytest.mark.parametrize("kept", [0, 1, 2, 3])
    def test_appends_at_once_to_one_value_each_keep_their_bytes(
        self, backend: StorageBackend, key: str, kept: int, base: bytes
    ) -> None:
        upload = begin(backend, base)
        chunks = letters(4, 300_000)
        barrier = threading.Barrier(len(chunks), timeout=60)
        streams = [Stream(chunk, pause_at=1000, pause=barrier.wait) for chunk in chunks]
        values = append_together(backend, upload, streams)
        same(content(backend, backend.commit(values[kept], key)), base + chunks[kept])

    @pytest.mark.parametrize("given", [0, 2_500_000], ids=["at once", "half-way"])
    @pytest.mark.parametrize("base", [b"", b"base"], ids=["empty", "begun"])
    def test_a_stream_that_raises_passes_through_and_leaves_the_value_good(
        self, backend: StorageBackend, key: str, base: bytes, given: int
    ) -> None:
        upload = begin(backend, base)
        with pytest.raises(ClientGoneError):
            backend.append(upload, Stream(pattern(3_000_000, 1), pause_at=given, pause=_leave))
        chunk = pattern(2_000_000, 2)
        upload = append(backend, upload, chunk)
        same(content(backend, backend.commit(upload, key)), base + chunk)

    def test_a_value_whose_later_append_failed_can_be_committed(
        self, backend: StorageBackend, key: str
    ) -> None:
        upload = begin(backend, b"base")
        with pytest.raises(ClientGoneError):
            backend.append(upload, Stream(pattern(3_000_000), pause_at=2_500_000, pause=_leave))
        same(content(backend, backend.commit(upload, key)), b"base")

    def test_commit_may_be_repeated(self, make_backend: MakeBackend, key: str) -> None:
        upload = begin(make_backend(), b"content")
        used = make_backend().commit(upload, key)
        again = make_backend().commit(upload, key)
        assert again == used
        same(content(make_backend(), used), b"content")

    def test_commits_at_once_of_one_value_all_succeed(self, backend: StorageBackend, key: str) -> None:
        data = pattern(500_000)
        upload = begin(backend, data)
        barrier = threading.Barrier(4, timeout=60)

        def commit(_: int) -> str:
            barrier.wait()
            return backend.commit(upload, key)

        with ThreadPoolExecutor(4) as pool:
            used = set(pool.map(commit, range(4)))
        assert len(used) == 1
        same(content(backend, used.pop()), data)

    def test_a_commit_while_an_append_goes_on_takes_only_the_bytes_of_its_value(
        self, backend: StorageBackend, key: str
    ) -> None:
        upload = begin(backend, b"base")
        taken: list[str] = []
        data = pattern(3_000_000)
        stream = Stream(data, pause_at=1_500_000, pause=lambda: taken.append(backend.commit(upload, key)))
        try:
            backend.append(upload, stream)
        except StorageError:
            assert taken, "the append failed before the commit was made"
        same(content(backend, taken[0]), b"base")
        assert backend.size(taken[0]) == 4

    def test_an_aborted_upload_is_lost(self, backend: StorageBackend, key: str) -> None:
        upload = begin(backend, b"content")
        backend.abort(upload)
        with pytest.raises(UploadLost):
            backend.append(upload, Stream(b"more"))
        with pytest.raises(UploadLost):
            backend.commit(upload, key)

    def test_abort_may_be_repeated(self, backend: StorageBackend) -> None:
        upload = begin(backend, b"content")
        backend.abort(upload)
        backend.abort(upload)

    def test_an_abort_after_the_commit_leaves_the_object(self, backend: StorageBackend, key: str) -> None:
        upload = begin(backend, b"content")
        used = backend.commit(upload, key)
        backend.abort(upload)
        same(content(backend, used), b"content")

    def test_an_abort_leaves_other_uploads(self, backend: StorageBackend, key: str) -> None:
        upload = begin(backend, b"mine")
        backend.abort(begin(backend, b"theirs"))
        same(content(backend, backend.commit(through_json(upload), key)), b"mine")

    def test_an_object_is_whole_while_uploads_go_on(self, backend: StorageBackend, key: str) -> None:
        data = pattern(700_000)
        used = store(backend, key, data)
        upload = begin(backend, b"other")
        same(content(backend, used), data)
        backend.abort(upload)
