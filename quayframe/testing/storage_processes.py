"""The part of the storage suite with several processes, some of them killed."""

from __future__ import annotations

import pytest

from quayframe.plugin.storage import StorageBackend, Upload

from .storage_base import StorageSuiteBase, append, begin
from .storage_process import BackendProcess, MakeBackend
from .storage_streams import content, pattern, same

_STEPS = ["begin", "first append", "second append", "commit"]


class ProcessTests(StorageSuiteBase):
    def test_begin_append_and_commit_may_each_be_in_another_process(
        self, make_backend: MakeBackend, backend: StorageBackend, key: str
    ) -> None:
        with BackendProcess(make_backend) as one, BackendProcess(make_backend) as two:
            upload = append(backend, one.begin(), b"here ")
            upload = two.append(upload, b"there")
            used = one.commit(upload, key)
        same(content(backend, used), b"here there")

    @pytest.mark.parametrize("step", range(len(_STEPS)), ids=_STEPS)
    def test_a_kill_after_this_call_loses_nothing_that_was_answered(
        self, make_backend: MakeBackend, backend: StorageBackend, key: str, step: int
    ) -> None:
        chunks = [pattern(200_000, 1), pattern(200_000, 2)]
        with BackendProcess(make_backend) as process:
            upload = process.begin()
            for chunk in chunks[:step]:
                upload = process.append(upload, chunk)
            if _STEPS[step] == "commit":
                process.commit(upload, key)
            process.kill()
        for chunk in chunks[step:]:
            upload = append(backend, upload, chunk)
        same(content(backend, backend.commit(upload, key)), b"".join(chunks))

    @pytest.mark.parametrize("base", [b"", b"base"], ids=["empty", "begun"])
    def test_a_kill_in_the_middle_of_an_append_leaves_the_value_good(
        self, make_backend: MakeBackend, backend: StorageBackend, key: str, base: bytes
    ) -> None:
        upload = _killed_halfway(make_backend, begin(backend, base))
        chunk = pattern(150_000, 2)
        upload = append(backend, append(backend, upload, chunk), b"end")
        same(content(backend, backend.commit(upload, key)), base + chunk + b"end")

    def test_a_kill_in_the_middle_of_an_append_leaves_the_value_to_be_committed(
        self, make_backend: MakeBackend, backend: StorageBackend, key: str
    ) -> None:
        upload = _killed_halfway(make_backend, begin(backend, b"base"))
        same(content(backend, backend.commit(upload, key)), b"base")

    @pytest.mark.parametrize("kept", [0, 1], ids=["first", "second"])
    def test_two_processes_that_append_at_once_each_keep_their_bytes(
        self, make_backend: MakeBackend, backend: StorageBackend, key: str, kept: int
    ) -> None:
        upload = begin(backend, b"base")
        chunks = [pattern(300_000, 1), pattern(300_000, 2)]
        with BackendProcess(make_backend) as one, BackendProcess(make_backend) as two:
            for process, chunk in zip((one, two), chunks, strict=True):
                process.append_halfway(upload, chunk, 150_000)
            values = [one.go_on(), two.go_on()]
        same(content(backend, backend.commit(values[kept], key)), b"base" + chunks[kept])


def _killed_halfway(make_backend: MakeBackend, upload: Upload) -> Upload:
    with BackendProcess(make_backend) as process:
        process.append_halfway(upload, pattern(3_000_000, 1), 2_500_000)
        process.kill()
    return upload
