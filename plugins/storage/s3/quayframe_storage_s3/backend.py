"""`S3Storage`: the contract of storage, on a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel

from quayframe.plugin.storage import ByteStream, ObjectNotFound, StorageBackend, Upload, UrlRequest

from . import appending
from .bucket import Bucket, MakeSession
from .committing import Commits
from .configs import SHORTEST_PART, Common, S3Config
from .parts import Writers
from .reading import Pieces
from .uploads import Uploads
from .urls import presigned
from .value import UPLOADS, InvalidKeyError, State, checked


class S3Storage(StorageBackend):
    """Objects in a bucket of Amazon S3, or of a service that speaks its protocol."""

    name = "S3Storage"
    title = "Amazon S3"
    Config: ClassVar[type[BaseModel]] = S3Config
    minimum_chunk = SHORTEST_PART

    def __init__(self, config: Common) -> None:
        self._bucket = Bucket(config.target(), self._session(config))
        self._root = self._bucket.target.root
        self._writers = Writers()
        self._uploads = Uploads(self._bucket, self._writers)
        self._commits = Commits(self._bucket, self._uploads)

    def _session(self, config: Any) -> MakeSession | None:
        """What makes the boto3 session, where it takes more than the target's keys."""
        return None

    def begin(self) -> Upload:
        return self._uploads.begin()

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        return self._uploads.append(upload, stream)

    def commit(self, upload: Upload, key: str) -> str:
        return self._commits.commit(State.of(upload), checked(key))

    def abort(self, upload: Upload) -> None:
        self._uploads.abort(State.of(upload).id)

    def put(self, key: str, stream: ByteStream) -> str:
        appending.put(self._bucket, self._writers, self._root + checked(key), stream)
        return key

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        key = checked(key)
        if stop is not None and stop <= start:
            self.size(key)
            return iter(())
        return Pieces(self._bucket, self._root + key, start, stop)

    def size(self, key: str) -> int:
        found = self._bucket.size(self._root + checked(key))
        if found is None:
            raise ObjectNotFound(f"no object {key}")
        return found

    def delete(self, key: str) -> None:
        self._bucket.delete(self._root + checked(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        hidden = f"{UPLOADS}/"
        if prefix.startswith(hidden):
            return
        for entry in self._bucket.listing(self._root + prefix):
            key = str(entry["Key"]).removeprefix(self._root)
            # One that ends in "/" stands for a folder in somebody's console.
            if not key.startswith(hidden) and not key.endswith("/"):
                yield key

    def sweep(self, before: int) -> int:
        return self._uploads.sweep(before)

    def url(self, key: str, request: UrlRequest) -> str | None:
        try:
            whole = self._root + checked(key)
        except InvalidKeyError:
            return None
        return presigned(self._bucket, whole, request)
