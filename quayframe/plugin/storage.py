"""The contract of storage back ends. `quayframe.testing.storage` proves an implementation of it.

Keys are made by the core: ASCII, `/` between segments, never used twice for different content. A back
end stores bytes under keys and knows nothing of repositories, digests or users.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .provider import Provider


class StorageError(Exception):
    """The back end failed. The text names the cause; it goes to the log, not to clients."""


class ObjectNotFound(StorageError):
    """There is no object under this key."""


class UploadLost(StorageError):
    """The back end no longer knows this upload (swept, or aborted)."""


class NoSpace(StorageError):
    """The back end has no room left. What was being written does not count as written."""


class StorageUnavailable(StorageError):
    """The back end cannot be reached now; the same call may succeed later."""


class ByteStream(Protocol):
    """Where the bytes of an append come from. `read(n)` gives 1 to n bytes, b"" at the end only."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Upload:
    """An upload under way: opaque to the core, which keeps it by compare-and-set.

    `size` is the number of bytes that count as written; `data` is a JSON object of the back end's own.
    """

    size: int
    data: dict[str, Any]


@dataclass(frozen=True)
class UrlRequest:
    """For whom and for how long a direct URL is wanted."""

    expires: int = 600
    """Seconds."""
    method: str = "GET"
    content_type: str | None = None
    filename: str | None = None
    client_address: str | None = None
    namespace: str | None = None
    repository: str | None = None
    user: str | None = None
    cors: bool = False
    """Whether a page of another origin is to read the answer, by the rules of CORS."""


class StorageBackend(Provider):
    """Bytes under keys, with uploads that any process may continue.

    Every method may be called from many threads at once. Only `Upload` values carry state between
    calls: `begin` may run in one process, `append` in a second and `commit` in a third.
    """

    kind = "storage"

    minimum_chunk: ClassVar[int] = 0
    """Bytes that each append but the last should have; 0 = any. The back end copes with fewer."""

    @abstractmethod
    def begin(self) -> Upload:
        """Starts an upload of 0 bytes."""

    @abstractmethod
    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        """Writes all of `stream` after the bytes that `upload` names; returns the new value.

        If the new value is not stored by the caller, the bytes of this append count as never written:
        an append never changes what an earlier value names, so the same append may be made again, or
        twice at once. Raises UploadLost, NoSpace, StorageUnavailable; what `stream.read` raises passes
        through, and `upload` stays good.
        """

    @abstractmethod
    def commit(self, upload: Upload, key: str) -> str:
        """Makes the bytes of `upload` the object under `key`, whole or not at all; returns the key
        really used. Durable when it returns. May be repeated with the same arguments, also after it
        succeeded, and then returns the same key. Raises UploadLost when neither upload nor object is
        there."""

    @abstractmethod
    def abort(self, upload: Upload) -> None:
        """Forgets the upload and frees its bytes. An upload that is gone already is no error."""

    @abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` (counted from 0) up to, not including, `stop` (None = the end), in
        pieces of bounded size. Raises ObjectNotFound at the call, not at the first piece. The
        iterator has a `close` where a resource is held."""

    @abstractmethod
    def size(self, key: str) -> int:
        """The object's length in bytes. Raises ObjectNotFound."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes the object. One that is gone already is no error."""

    @abstractmethod
    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys of objects that begin with `prefix`, in any order; uploads are not among them."""

    @abstractmethod
    def sweep(self, before: int) -> int:
        """Removes what uploads left behind that nobody touched since `before` (milliseconds since the
        epoch) and were neither committed nor aborted; returns how many uploads."""

    def put(self, key: str, stream: ByteStream) -> str:
        """Stores a whole object in one call; returns the key really used."""
        upload = self.append(self.begin(), stream)
        return self.commit(upload, key)

    def url(self, key: str, request: UrlRequest) -> str | None:
        """A URL by which a client may fetch the object directly; None = the registry streams it."""
        return None
