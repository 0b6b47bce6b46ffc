"""What LocalStorage's folder looks like, and that nothing leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError
from quayframe_storage_local.backend import LocalConfig, LocalStorage

from quayframe.plugin.storage import ObjectNotFound, StorageError, Upload
from quayframe.testing.storage_base import begin, now_ms, store
from quayframe.testing.storage_streams import content, pattern, same

KEY = "sha256/ab/abcdef.1"
BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/../b",
    "a//b",
    "a/./b",
    "a/",
    "a\0b",
    "a\nb",
    "é",
    "a/" + "b" * 256,
    "a/" * 600 + "b",
    "uploads/x",
    "uploads",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "storage"


@pytest.fixture
def storage(root: Path) -> LocalStorage:
    return LocalStorage(LocalConfig(storage_path=root))


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_key_is_refused_everywhere(storage: LocalStorage, root: Path, key: str) -> None:
    upload = begin(storage, b"content")
    with pytest.raises(StorageError):
        storage.commit(upload, key)
    for call in (storage.read, storage.size, storage.delete):
        with pytest.raises(StorageError):
            call(key)
    assert os.listdir(root) == ["uploads"]
    assert os.listdir(root.parent) == ["storage"]


@pytest.mark.parametrize("prefix", ["../", "/", "uploads/", "a/../", "./", "\0/"])
def test_a_bad_prefix_lists_nothing(storage: LocalStorage, root: Path, prefix: str) -> None:
    begin(storage, b"content")
    (root.parent / "outside").write_text("x")
    assert list(storage.keys(prefix)) == []


@pytest.mark.parametrize(
    "data", [{"id": "../../x", "segments": []}, {}, {"id": "a" * 32, "segments": [["../x", 0]]}]
)
def test_a_value_of_somebody_else_is_refused(storage: LocalStorage, data: dict[str, object]) -> None:
    for call in (lambda u: storage.commit(u, KEY), storage.abort):
        with pytest.raises(StorageError):
            call(Upload(0, data))


def test_symbolic_links_are_not_followed(storage: LocalStorage, root: Path, tmp_path: Path) -> None:
    store(storage, KEY, b"content")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "link").symlink_to(outside)
    (root / "sha256" / "file").symlink_to(outside / "secret")
    for key in ("link/secret", "sha256/file"):
        with pytest.raises(ObjectNotFound):
            storage.read(key)
        with pytest.raises(ObjectNotFound):
            storage.size(key)
    storage.delete("link/secret")
    with pytest.raises(StorageError):
        storage.commit(begin(storage, b"mine"), "link/new")
    assert os.listdir(outside) == ["secret"]
    assert list(storage.keys()) == [KEY]
    assert list(storage.keys("link/")) == []


def test_a_folder_is_no_object(storage: LocalStorage) -> None:
    store(storage, KEY, b"content")
    with pytest.raises(ObjectNotFound):
        storage.read("sha256/ab")
    with pytest.raises(ObjectNotFound):
        storage.size(f"{KEY}/below")
    storage.delete("sha256/ab")
    storage.delete(f"{KEY}/below")
    same(content(storage, KEY), b"content")


def test_a_key_that_holds_something_else_is_not_overwritten(storage: LocalStorage) -> None:
    store(storage, KEY, b"content")
    with pytest.raises(StorageError):
        storage.commit(begin(storage, b"other content"), KEY)
    same(content(storage, KEY), b"content")


def test_objects_brought_along_are_read(storage: LocalStorage, root: Path) -> None:
    key = "sha256/cd/" + "cd" * 32
    (root / "sha256" / "cd").mkdir(parents=True)
    (root / key).write_bytes(b"brought along")
    (root / "uploads").mkdir()
    (root / "uploads" / "1f3c5a52-7d3f-4f0e-8a57-0f4e8fd7a8f1").write_bytes(b"not ours")
    same(content(storage, key, 8), b"along")
    assert list(storage.keys("sha256/")) == [key]
    assert storage.sweep(now_ms() + 1000) == 0
    assert len(os.listdir(root / "uploads")) == 1


def test_files_and_folders_are_the_owners_alone(storage: LocalStorage, root: Path) -> None:
    store(storage, KEY, b"content")
    begin(storage, b"content")
    for folder, _, files in os.walk(root):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600


def test_nothing_is_left_of_an_upload_after_commit_or_abort(storage: LocalStorage, root: Path) -> None:
    storage.commit(begin(storage, b"a", b"b"), KEY)
    storage.abort(begin(storage, b"a"))
    assert os.listdir(root / "uploads") == []


def test_no_descriptor_is_left_open(storage: LocalStorage) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        key = f"{KEY}{number}"
        store(storage, key, pattern(600_000))
        next(storage.read(key))
        pieces = storage.read(key)
        next(pieces)
        with pytest.raises(ObjectNotFound):
            storage.read("sha256/no")
        storage.delete(key)
    del pieces
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_read_goes_on_after_the_delete(storage: LocalStorage) -> None:
    data = pattern(1_000_000)
    store(storage, KEY, data)
    pieces = storage.read(KEY)
    first = next(pieces)
    storage.delete(KEY)
    same(first + b"".join(pieces), data)


def test_the_folder_is_made_at_the_first_upload_and_not_before(storage: LocalStorage, root: Path) -> None:
    assert list(storage.keys()) == []
    assert storage.sweep(now_ms()) == 0
    storage.delete(KEY)
    assert not root.parent.exists()
    storage.begin()
    assert root.exists()


def test_the_configuration_needs_a_path_and_knows_nothing_else() -> None:
    with pytest.raises(ValidationError):
        LocalConfig.model_validate({})
    with pytest.raises(ValidationError):
        LocalConfig.model_validate({"storage_path": "/x", "path": "/y"})
