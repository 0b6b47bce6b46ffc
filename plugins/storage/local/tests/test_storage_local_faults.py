"""What LocalStorage does when the disk is full, or the process is killed at any step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from quayframe_storage_local.backend import LocalConfig, LocalStorage

from quayframe.plugin.storage import NoSpace, Upload, UploadLost
from quayframe.testing.storage_base import append, begin, now_ms
from quayframe.testing.storage_streams import Stream, content, pattern, same

KEY = "sha256/ab/abcdef.1"
_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.listdir"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


def local(root: Path) -> LocalStorage:
    return LocalStorage(LocalConfig(storage_path=root))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    if os.getuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_bsize


def killed_at_step(step: int, call: Callable[[], object]) -> bool:
    """Runs `call` in a child that SIGKILL ends before its file operation number `step`; was it?"""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, _: tuple[Any, ...]) -> None:
            if event in _STEPS:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        with suppress(BaseException):
            sys.addaudithook(count)
            call()
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        assert os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def one_segment(storage: LocalStorage) -> Upload:
    return begin(storage, b"one", b"two")


def with_a_lost_append(storage: LocalStorage) -> Upload:
    upload = begin(storage, b"onetwo")
    append(storage, upload, b"lost")
    return upload


def two_segments(storage: LocalStorage) -> Upload:
    upload = begin(storage, b"one")
    append(storage, upload, b"lost")
    return append(storage, upload, b"two")


@pytest.mark.parametrize("make", [one_segment, with_a_lost_append, two_segments])
def test_a_commit_killed_before_any_step_can_be_repeated(
    tmp_path: Path, make: Callable[[LocalStorage], Upload]
) -> None:
    for step in range(100):
        root = tmp_path / str(step)
        upload = make(local(root))
        killed = killed_at_step(step, lambda r=root, u=upload: local(r).commit(u, KEY))  # type: ignore[misc]
        assert local(root).commit(upload, KEY) == KEY
        same(content(local(root), KEY), b"onetwo")
        local(root).sweep(now_ms() + 1000)
        assert os.listdir(root / "uploads") == []
        if not killed:
            break
    assert step > 8
    assert not killed


def test_an_append_killed_before_any_step_can_be_repeated(tmp_path: Path) -> None:
    for step in range(100):
        root = tmp_path / str(step)
        upload = begin(local(root), b"one")
        killed = killed_at_step(step, lambda r=root, u=upload: append(local(r), u, b"lost"))  # type: ignore[misc]
        upload = append(local(root), append(local(root), upload, b"two"), b"three")
        local(root).commit(upload, KEY)
        same(content(local(root), KEY), b"onetwothree")
        if not killed:
            break
    assert step > 3
    assert not killed


def test_a_full_disk_is_no_space_and_the_value_stays_good(small_disk: Path) -> None:
    storage = local(small_disk)
    upload = begin(storage, b"base")
    before = free(small_disk)
    for _ in range(3):
        with pytest.raises(NoSpace):
            storage.append(upload, Stream(pattern(1024 * 1024), size=8 * 1024 * 1024))
        assert free(small_disk) >= before - 64 * 1024, "the bytes of the failed append were not freed"
    upload = append(storage, upload, b" and more")
    storage.commit(upload, KEY)
    same(content(storage, KEY), b"base and more")


def test_a_full_disk_at_the_first_append_frees_what_was_written(small_disk: Path) -> None:
    storage = local(small_disk)
    upload = begin(storage)
    before = free(small_disk)
    with pytest.raises(NoSpace):
        storage.append(upload, Stream(pattern(1024 * 1024), size=8 * 1024 * 1024))
    assert free(small_disk) == before


def test_a_full_disk_at_a_commit_that_must_copy_leaves_the_upload(small_disk: Path) -> None:
    storage = local(small_disk)
    upload = begin(storage, pattern(512 * 1024))
    append(storage, upload, b"lost")
    upload = append(storage, upload, pattern(512 * 1024, 1))
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
    with pytest.raises(NoSpace):
        storage.commit(upload, KEY)
    filler.unlink()
    storage.commit(upload, KEY)
    same(content(storage, KEY), pattern(512 * 1024) + pattern(512 * 1024, 1))


def test_an_os_error_of_the_stream_passes_through(root: Path) -> None:
    storage = local(root)

    def fail() -> None:
        raise FileNotFoundError("of the client's")

    for base in (begin(storage), begin(storage, b"base")):
        with pytest.raises(FileNotFoundError, match="of the client's"):
            storage.append(base, Stream(b"more", pause_at=2, pause=fail))


def test_bytes_that_the_disk_lost_are_an_upload_lost_and_no_object(root: Path) -> None:
    storage = local(root)
    upload = begin(storage, b"content")
    (segment,) = (root / "uploads" / upload.data["id"]).glob("s-*")
    os.truncate(segment, 3)
    with pytest.raises(UploadLost):
        storage.commit(upload, KEY)
    assert list(storage.keys()) == []


def test_a_second_segment_is_only_begun_where_the_first_may_not_go_on(root: Path) -> None:
    storage = local(root)
    upload = begin(storage, *[b"x"] * 50)
    assert len(upload.data["segments"]) == 1
    assert len(os.listdir(root / "uploads" / upload.data["id"])) == 1


def test_retried_appends_leave_few_segments(root: Path) -> None:
    storage = local(root)
    upload = begin(storage)
    for seed in range(60):
        append(storage, upload, b"lost")
        upload = append(storage, upload, pattern(100_000, seed))
    assert len(upload.data["segments"]) <= 10


def test_a_single_append_is_renamed_and_not_copied(root: Path) -> None:
    storage = local(root)
    upload = begin(storage, b"content")
    (segment,) = (root / "uploads" / upload.data["id"]).glob("s-*")
    inode = segment.stat().st_ino
    storage.commit(upload, KEY)
    assert (root / KEY).stat().st_ino == inode
