"""The part of the storage suite that is about objects, and about what is left behind."""

from __future__ import annotations

import pytest

from quayframe.plugin.storage import ObjectNotFound, StorageBackend, UploadLost

from .storage_base import (
    MIB,
    StorageSuiteBase,
    append,
    begin,
    let_clock_pass,
    new_key,
    now_ms,
    store,
)
from .storage_streams import Stream, content, pattern, same

_HOUR_MS = 3_600_000


class ObjectTests(StorageSuiteBase):
    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, 1), (0, 1000), (999, 1_000_000), (1_048_575, 1_048_577), (2_999_999, 3_000_000), (700, 700)],
    )
    def test_a_range_is_read_from_start_to_before_stop(
        self, backend: StorageBackend, key: str, start: int, stop: int
    ) -> None:
        data = pattern(3_000_000)
        used = store(backend, key, data)
        same(content(backend, used, start, stop), data[start:stop])

    def test_a_range_without_stop_is_read_to_the_end(self, backend: StorageBackend, key: str) -> None:
        data = pattern(3_000_000)
        used = store(backend, key, data)
        same(content(backend, used, 1_234_567), data[1_234_567:])

    def test_a_range_past_the_end_ends_with_the_object(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, b"content")
        same(content(backend, used, 3, 1000), b"tent")
        same(content(backend, used, 7), b"")
        same(content(backend, used, 1000), b"")

    def test_a_range_goes_over_the_seams_of_chunks(self, backend: StorageBackend, key: str) -> None:
        used = backend.commit(begin(backend, b"abc", b"def", b"ghi"), key)
        for start in range(9):
            for stop in range(start, 10):
                same(content(backend, used, start, stop), b"abcdefghi"[start:stop])

    def test_pieces_are_bounded(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, pattern(17 * MIB))
        assert max(len(piece) for piece in backend.read(used)) <= 8 * MIB

    def test_a_read_may_be_left_early(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, pattern(9 * MIB))
        pieces = backend.read(used)
        assert next(pieces)
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
            close()

    def test_read_of_a_missing_object_raises_at_the_call(self, backend: StorageBackend, key: str) -> None:
        with pytest.raises(ObjectNotFound):
            backend.read(key)

    def test_size_is_the_number_of_bytes(self, backend: StorageBackend, key: str) -> None:
        assert backend.size(store(backend, key, pattern(12_345))) == 12_345

    def test_size_of_a_missing_object_raises(self, backend: StorageBackend, key: str) -> None:
        with pytest.raises(ObjectNotFound):
            backend.size(key)

    def test_an_upload_is_no_object_before_its_commit(self, backend: StorageBackend, key: str) -> None:
        begin(backend, b"content")
        with pytest.raises(ObjectNotFound):
            backend.size(key)

    def test_a_deleted_object_is_gone(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, b"content")
        other = store(backend, new_key(), b"other")
        backend.delete(used)
        with pytest.raises(ObjectNotFound):
            backend.read(used)
        assert list(backend.keys()) == [other]

    def test_delete_may_be_repeated(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, b"content")
        backend.delete(used)
        backend.delete(used)
        backend.delete(new_key())

    def test_keys_are_those_of_the_objects(self, backend: StorageBackend) -> None:
        assert list(backend.keys()) == []
        used = {store(backend, new_key(), b"content") for _ in range(5)}
        assert sorted(backend.keys()) == sorted(used)

    def test_uploads_are_not_among_the_keys(self, backend: StorageBackend, key: str) -> None:
        used = store(backend, key, b"content")
        begin(backend)
        begin(backend, b"one", b"two")
        assert list(backend.keys()) == [used]

    def test_keys_begin_with_the_prefix(self, backend: StorageBackend) -> None:
        wanted = ["logs/2026/a", "logs/2026/b", "logs/2027/a", "logsold"]
        used = {key: store(backend, key, b"content") for key in [*wanted, "other/logs/2026"]}
        for prefix in ["", "logs", "logs/", "logs/20", "logs/2026", "logs/2026/", "logs/2026/a", "x", "log/"]:
            found = sorted(backend.keys(prefix))
            assert found == sorted(u for u in used.values() if u.startswith(prefix)), prefix

    def test_sweep_removes_untouched_uploads_and_counts_them(self, backend: StorageBackend, key: str) -> None:
        uploads = [begin(backend), begin(backend, b"one", b"two")]
        assert backend.sweep(now_ms() + _HOUR_MS) == 2
        for upload in uploads:
            with pytest.raises(UploadLost):
                backend.append(upload, Stream(b"more"))
        with pytest.raises(UploadLost):
            backend.commit(uploads[1], key)
        assert backend.sweep(now_ms() + _HOUR_MS) == 0

    def test_sweep_keeps_uploads_that_were_touched_since(self, backend: StorageBackend, key: str) -> None:
        old, live = begin(backend, b"old"), begin(backend, b"live")
        moment = let_clock_pass(self.clock_step_ms)
        live = append(backend, live, b" and kicking")
        backend.sweep(moment)
        same(content(backend, backend.commit(live, key)), b"live and kicking")
        with pytest.raises(UploadLost):
            backend.append(old, Stream(b"more"))

    def test_sweep_keeps_objects_and_does_not_count_what_is_done(
        self, backend: StorageBackend, key: str
    ) -> None:
        used = store(backend, key, b"content")
        backend.abort(begin(backend, b"other"))
        assert backend.sweep(now_ms() + _HOUR_MS) == 0
        same(content(backend, used), b"content")
