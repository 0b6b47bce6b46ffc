"""A storage back end in one module: every append is a file, and an upload is the list of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, unquote

from pydantic import BaseModel

from quayframe.plugin import hookimpl
from quayframe.plugin.storage import ByteStream, ObjectNotFound, StorageBackend, Upload, UploadLost

quayframe_api = (1, 0)

_PIECE = 1024 * 1024


class DictionaryConfig(BaseModel):
    folder: Path


class DictionaryStorage(StorageBackend):
    name = "DictionaryStorage"
    title = "A template"
    Config: ClassVar[type[BaseModel]] = DictionaryConfig

    def __init__(self, config: DictionaryConfig) -> None:
        self._uploads = config.folder / "uploads"
        self._objects = config.folder / "objects"
        self._uploads.mkdir(parents=True, exist_ok=True)
        self._objects.mkdir(parents=True, exist_ok=True)

    def begin(self) -> Upload:
        upload_id = uuid.uuid4().hex
        (self._uploads / upload_id).mkdir()
        return Upload(0, {"id": upload_id, "last": ""})

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        folder = self._uploads / upload.data["id"]
        if not folder.is_dir():
            raise UploadLost(folder.name)
        name = uuid.uuid4().hex
        size = upload.size
        # The first line names the file before this one, so that a value never grows.
        with (folder / name).open("wb") as file:
            file.write(f"{upload.data['last']}\n".encode())
            while piece := stream.read(_PIECE):
                file.write(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        return Upload(size, {"id": folder.name, "last": name})

    def commit(self, upload: Upload, key: str) -> str:
        target, folder = self._path(key), self._uploads / upload.data["id"]
        if target.exists():
            self.abort(upload)
            return key
        whole = folder / f"whole-{uuid.uuid4().hex}"
        try:
            with whole.open("wb") as file:
                for part in reversed(list(_chain(folder, upload.data["last"]))):
                    with part.open("rb") as source:
                        source.readline()
                        while piece := source.read(_PIECE):
                            file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            whole.rename(target)
        except FileNotFoundError as error:
            if not target.exists():
                raise UploadLost(folder.name) from error
        _sync(self._objects)
        self.abort(upload)
        return key

    def abort(self, upload: Upload) -> None:
        _remove(self._uploads / upload.data["id"])

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        size = self.size(key)
        return _pieces(self._path(key), start, size if stop is None else min(stop, size))

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError as error:
            raise ObjectNotFound(key) from error

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        found = [unquote(path.name) for path in self._objects.iterdir()]
        return iter([key for key in found if key.startswith(prefix)])

    def sweep(self, before: int) -> int:
        old = [f for f in self._uploads.iterdir() if f.stat().st_mtime_ns < before * 1_000_000]
        for folder in old:
            _remove(folder)
        return len(old)

    def _path(self, key: str) -> Path:
        return self._objects / quote(key, safe="")


def _chain(folder: Path, name: str) -> Iterator[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    while name:
        yield folder / name
        with (folder / name).open("rb") as file:
            name = file.readline().decode().strip()


def _pieces(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < stop and (piece := file.read(min(_PIECE, stop - start))):
            start += len(piece)
            yield piece


def _remove(folder: Path) -> None:
    gone = folder.with_name(f"{folder.name}-{uuid.uuid4().hex}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    for path in gone.iterdir():
        path.unlink(missing_ok=True)
    gone.rmdir()


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@hookimpl
def quayframe_providers() -> list[type[StorageBackend]]:
    return [DictionaryStorage]
