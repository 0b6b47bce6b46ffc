"""`LocalStorage`: the contract of storage, on a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from errno import EISDIR, ELOOP, ENOTDIR, EPERM
from pathlib import Path
from stat import S_ISREG
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from quayframe.plugin.storage import (
    ByteStream,
    ObjectNotFound,
    StorageBackend,
    StorageError,
    Upload,
    UploadLost,
)

from .files import Pieces, Tree, closed, open_file, translated
from .keys import UPLOADS, InvalidKeyError, split
from .uploads import State, Uploads, whole

_NO_OBJECT = {ENOTDIR, ELOOP, EISDIR, EPERM}


class LocalConfig(BaseModel):
    """What the operator writes for `LocalStorage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    storage_path: Path = Field(
        description="The folder for all objects; made, readable by its owner alone, where it is missing."
    )


class LocalStorage(StorageBackend):
    """Objects as files `<storage_path>/<key>`, uploads below `<storage_path>/uploads/`.

    The folder may be shared by many processes, and by many machines over NFS.
    """

    name = "LocalStorage"
    title = "A folder"
    Config: ClassVar[type[BaseModel]] = LocalConfig

    def __init__(self, config: LocalConfig) -> None:
        self._tree = Tree(config.storage_path.absolute())
        self._uploads = Uploads(self._tree)

    def begin(self) -> Upload:
        return self._uploads.begin()

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        return self._uploads.append(upload, stream)

    def commit(self, upload: Upload, key: str) -> str:
        *folders, name = split(key)
        state = State.of(upload)
        with (
            translated(f"commit of {key}", missing=UploadLost),
            closed(self._tree.open_folder(folders, make=True)) as target,
        ):
            if not _is_there(target, name, upload.size):
                try:
                    with self._uploads.opened(state) as source:
                        os.rename(whole(source, state.segments), name, src_dir_fd=source, dst_dir_fd=target)
                except (FileNotFoundError, UploadLost):
                    # Another process may have committed this upload in the meantime.
                    if not _is_there(target, name, upload.size):
                        raise
            # Also where the object was there: whoever put it there may have been killed before this.
            os.fsync(target)
            self._uploads.discard(state.id)
        return key

    def abort(self, upload: Upload) -> None:
        with translated("abort"):
            self._uploads.discard(State.of(upload).id)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        fd, size = self._open(key)
        return Pieces(fd, start, size if stop is None else min(stop, size))

    def size(self, key: str) -> int:
        fd, size = self._open(key)
        os.close(fd)
        return size

    def delete(self, key: str) -> None:
        *folders, name = split(key)
        with translated(f"delete of {key}"), suppress(FileNotFoundError):
            try:
                with closed(self._tree.open_folder(folders)) as folder:
                    os.unlink(name, dir_fd=folder)
                    os.fsync(folder)
            except OSError as error:
                if error.errno not in _NO_OBJECT - {EPERM}:
                    raise

    def keys(self, prefix: str = "") -> Iterator[str]:
        folders = prefix.split("/")[:-1]
        with suppress(InvalidKeyError, FileNotFoundError), translated(f"list of {prefix}"):
            if folders:
                split("/".join(folders))
            try:
                os.close(self._tree.open_folder(folders))
            except OSError as error:
                if error.errno in _NO_OBJECT:
                    return
                raise
            yield from self._walk("".join(f"{f}/" for f in folders), prefix)

    def sweep(self, before: int) -> int:
        with translated("sweep"):
            return self._uploads.sweep(before)

    def _open(self, key: str) -> tuple[int, int]:
        """The object's descriptor, which the caller closes, and its size. Raises ObjectNotFound."""
        *folders, name = split(key)
        with translated(f"read of {key}", missing=ObjectNotFound):
            try:
                with closed(self._tree.open_folder(folders)) as folder:
                    # A FIFO in the tree must not hold the open.
                    fd = open_file(name, os.O_RDONLY | os.O_NONBLOCK, folder)
            except OSError as error:
                if error.errno in _NO_OBJECT:
                    raise ObjectNotFound(f"no object {key}") from error
                raise
            found = os.fstat(fd)
            if not S_ISREG(found.st_mode):
                os.close(fd)
                raise ObjectNotFound(f"no object {key}")
        return fd, found.st_size

    def _walk(self, base: str, prefix: str) -> Iterator[str]:
        """The keys in the folder `base` ("" or ending in "/") and below it that begin with `prefix`."""
        with suppress(FileNotFoundError), os.scandir(self._tree.root / base) as entries:
            for entry in entries:
                key = base + entry.name
                if key == UPLOADS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if key.startswith(prefix) or prefix.startswith(f"{key}/"):
                        yield from self._walk(f"{key}/", prefix)
                elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    yield key


def _is_there(folder: int, name: str, size: int) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not S_ISREG(found.st_mode) or found.st_size != size:
        raise StorageError(f"{name} is there with other content")
    return True
