"""`GoogleCloudStorage`: the contract of storage, on objects of one bucket.

Each append makes an object of its own below `uploads/<upload id>/`, a part, and the commit has the
service make one object of them (compose): no byte passes through the registry again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from quayframe.plugin.storage import (
    ByteStream,
    ObjectNotFound,
    StorageBackend,
    StorageError,
    StorageUnavailable,
    Upload,
    UploadLost,
    UrlRequest,
)

from .calls import Calls, Refused
from .config import GoogleConfig
from .json_wire import JsonWire
from .state import MOST_SOURCES, State, joinable, new_name
from .wire import Found, Wire
from .writing import Chunk, Sender
from .xml_wire import XmlWire

_UPLOADS = "uploads/"
_MARKER = "marker"
_READ = 4 * 1024 * 1024
_TAIL = 16 * 1024
"""Bytes at an append's end up to which they wait in the upload's value for more to come."""
_LONGEST_KEY = 900
_DELETING = 8
_DELETE_AT_ONCE = 500


class GoogleCloudStorage(StorageBackend):
    """Objects `<storage_path>/<key>`."""

    name = "GoogleCloudStorage"
    title = "Google Cloud Storage"
    Config: ClassVar[type[BaseModel]] = GoogleConfig

    def __init__(self, config: GoogleConfig) -> None:
        self._wire: Wire = JsonWire(config) if config.service_account_key else XmlWire(config)
        self._call = Calls(config.bucket_name, config.endpoint_url, config.attempts)
        self._root = f"{config.storage_path}/" if config.storage_path else ""
        self._chunk = config.minimum_chunk_size_mb * 1024 * 1024
        self._sender = Sender(self._wire, self._call)

    # -- uploads ------------------------------------------------------------------------------

    def begin(self) -> Upload:
        upload_id = uuid.uuid4().hex
        self._insert(self._part(upload_id, _MARKER), b"")
        return State(upload_id).upload(0)

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        """One object under a name of its own, however long the stream; a few bytes wait in the value."""
        state = State.of(upload)
        marker = self._head(self._part(state.id, _MARKER))
        if marker is None:
            raise UploadLost(f"no upload {state.id}")
        chunk = Chunk(stream, self._chunk, state.tail)
        chunk.fill()
        before = upload.size - len(state.tail)
        if chunk.last and len(chunk.data) <= _TAIL:
            self._touch(marker)
            return State(state.id, state.parts, chunk.data).upload(before + len(chunk.data))
        name = new_name()
        size = self._write(self._part(state.id, name), chunk)
        parts = [*state.parts, (name, 0)]
        while (level := joinable(parts)) is not None:
            joined = new_name()
            self._compose(state.id, self._part(state.id, joined), [n for n, _ in parts[-MOST_SOURCES:]], {})
            parts[-MOST_SOURCES:] = [(joined, level + 1)]
        return State(state.id, tuple(parts)).upload(before + size)

    def commit(self, upload: Upload, key: str) -> str:
        state, target = State.of(upload), self._object(key)
        if not self._is_done(state.id, target, upload.size):
            self._join(state, target, upload.size)
        # The object is there: what stays is the sweep's affair.
        with suppress(StorageUnavailable):
            self._forget(state.id)
        return key

    def abort(self, upload: Upload) -> None:
        self._forget(State.of(upload).id, whole=True)

    def sweep(self, before: int) -> int:
        touched: dict[str, int] = defaultdict(int)
        marked: dict[str, Found] = {}
        for found in self._list(_UPLOADS):
            upload_id, _, name = found.name[len(self._root) + len(_UPLOADS) :].partition("/")
            touched[upload_id] = max(touched[upload_id], found.changed_ms)
            if name == _MARKER:
                marked[upload_id] = found
        count = 0
        for upload_id, changed in touched.items():
            marker = marked.get(upload_id)
            if changed < before and (marker is None or self._is_still(marker)):
                self._forget(upload_id, whole=True)
                count += marker is not None
        return count

    def put(self, key: str, stream: ByteStream) -> str:
        chunk = Chunk(stream, self._chunk)
        chunk.fill()
        self._write(self._object(key), chunk)
        return key

    def _write(self, name: str, chunk: Chunk) -> int:
        """An object of this chunk and all that follow; returns its size."""
        if not chunk.last:
            return self._sender.send(name, chunk)
        self._insert(name, chunk.data)
        return len(chunk.data)

    def _insert(self, name: str, data: bytes) -> None:
        self._call(f"write of {name}", lambda: self._wire.insert(name, data, {}))

    def _touch(self, marker: Found) -> None:
        """Writes the marker anew, if it is the one that was just looked at. It may be written once a
        second: 429 says that somebody has just done so, as 412 does."""
        try:
            self._call("touch", lambda: self._wire.insert(marker.name, b"", {}, marker.generation), 412, 429)
        except Refused:
            upload_id = marker.name.split("/")[-2]
            if self._head(marker.name) is None:
                raise UploadLost(f"no upload {upload_id}") from None

    def _is_still(self, marker: Found) -> bool:
        found = self._head(marker.name)
        return found is not None and found.generation == marker.generation

    def _join(self, state: State, target: str, size: int) -> None:
        """Makes the object of the upload's parts and its tail. Raises UploadLost."""
        if self._head(self._part(state.id, _MARKER)) is None:
            # Gone, unless another process has committed the upload since we looked.
            if not self._is_done(state.id, target, size):
                raise UploadLost(f"no upload {state.id}")
            return
        metadata = {"upload": state.id}
        names = [name for name, _ in state.parts]
        if not names:
            try:
                self._call("commit", lambda: self._wire.insert(target, state.tail, metadata, "0"), 412)
            except Refused:
                if not self._is_done(state.id, target, size):
                    raise StorageError(f"commit of {target}: it was there, and is gone") from None
            return
        if state.tail:
            names.append(new_name())
            self._insert(self._part(state.id, names[-1]), state.tail)
        while len(names) > MOST_SOURCES:
            joined = new_name()
            self._compose(state.id, self._part(state.id, joined), names[:MOST_SOURCES], {})
            names[:MOST_SOURCES] = [joined]
        try:
            self._compose(state.id, target, names, metadata)
        except UploadLost:
            # Another process may have committed this upload in the meantime.
            if not self._is_done(state.id, target, size):
                raise

    def _compose(self, upload_id: str, target: str, names: list[str], metadata: dict[str, str]) -> None:
        """Raises UploadLost where a part is missing, or where there is such an object."""
        sources = [self._part(upload_id, name) for name in names]
        try:
            self._call("commit", lambda: self._wire.compose(target, sources, metadata), 404, 412)
        except Refused as error:
            # After an answer that got lost the object is there, under a name that nobody else uses.
            if error.status == 412 and not metadata and self._head(target) is not None:
                return
            raise UploadLost(f"upload {upload_id} was aborted, swept or committed") from error

    def _is_done(self, upload_id: str, target: str, size: int) -> bool:
        """Whether the object is there. Raises StorageError where it is another one."""
        found = self._head(target)
        if found is None:
            return False
        if found.size != size or found.metadata.get("upload") != upload_id:
            raise StorageError(f"{target} is there with other content")
        return True

    def _forget(self, upload_id: str, *, whole: bool = False) -> None:
        """Deletes the upload's objects; without `whole`, so many of them at most that a client can wait
        for it. The marker goes first: a sweep takes what has none, and counts it no more."""
        marker = self._part(upload_id, _MARKER)
        self._remove(marker)
        found = (part.name for part in self._list(f"{_UPLOADS}{upload_id}/") if part.name != marker)
        self._remove_all(found if whole else islice(found, _DELETE_AT_ONCE))

    def _remove_all(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(_DELETING) as pool:
            list(pool.map(self._remove, names))

    # -- objects ------------------------------------------------------------------------------

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        found = self._find(key)
        return self._pieces(found, start, found.size if stop is None else min(stop, found.size))

    def size(self, key: str) -> int:
        return self._find(key).size

    def delete(self, key: str) -> None:
        self._remove(self._object(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        for found in self._list(prefix):
            key = found.name[len(self._root) :]
            if not key.startswith(_UPLOADS):
                yield key

    def url(self, key: str, request: UrlRequest) -> str | None:
        if request.method not in {"GET", "HEAD"}:
            return None
        return self._wire.url(
            self._object(key), request, disposition(request.filename) if request.filename else None
        )

    def _find(self, key: str) -> Found:
        found = self._head(self._object(key))
        if found is None:
            raise ObjectNotFound(f"no object {key}")
        return found

    def _pieces(self, found: Found, start: int, end: int) -> Iterator[bytes]:
        """Each piece is a request of its own, so that one that is cut is asked for again alone."""
        while start < end:
            stop = min(start + _READ, end)

            def get(start: int = start, stop: int = stop) -> bytes:
                piece = self._wire.get(found.name, found.generation, start, stop)
                if len(piece) != stop - start:
                    raise Refused(None, f"{len(piece)} bytes of {stop - start}")
                return piece

            try:
                piece = self._call(f"read of {found.name}", get, 404, 412)
            except Refused as error:
                raise ObjectNotFound(f"{found.name} was deleted while it was read") from error
            start = stop
            yield piece

    def _head(self, name: str) -> Found | None:
        try:
            return self._call(f"look at {name}", lambda: self._wire.head(name), 404)
        except Refused:
            return None

    def _remove(self, name: str) -> None:
        with suppress(Refused):
            self._call(f"delete of {name}", lambda: self._wire.delete(name), 404)

    def _list(self, prefix: str) -> Iterator[Found]:
        token: str | None = None
        while True:

            def page(token: str | None = token) -> tuple[list[Found], str | None]:
                return self._wire.page(self._root + prefix, token)

            found, token = self._call(f"list of {prefix}", page)
            yield from found
            if not token:
                return

    def _part(self, upload_id: str, name: str) -> str:
        return f"{self._root}{_UPLOADS}{upload_id}/{name}"

    def _object(self, key: str) -> str:
        if not key.isascii() or not key.isprintable() or not 0 < len(key) <= _LONGEST_KEY:
            raise StorageError(f"not a storage key: {key[:100]!r}")
        if key.startswith(_UPLOADS) or {"", ".", ".."} & set(key.split("/")):
            raise StorageError(f"not a storage key: {key[:100]!r}")
        return self._root + key


def disposition(filename: str) -> str:
    """The header Content-Disposition for a download under this name (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    extended = f"; filename*=UTF-8''{quote(filename, safe='')}" if plain != filename else ""
    return f'attachment; filename="{plain}"{extended}'
