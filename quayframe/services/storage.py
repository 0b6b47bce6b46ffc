"""The registry's storage: back ends by location, guarded, and the keys that objects get."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from quayframe.errors import BlobUnknown, Internal, RegistryError, StorageFull, Unavailable
from quayframe.oci.digest import Digest
from quayframe.plugin import boundary
from quayframe.plugin.contain import contain
from quayframe.plugin.storage import (
    ByteStream,
    NoSpace,
    ObjectNotFound,
    StorageBackend,
    StorageError,
    StorageUnavailable,
    Upload,
    UploadLost,
    UrlRequest,
)

T = TypeVar("T")
log = logging.getLogger("quayframe.storage")
AVOID_S = 30.0
"""How long others are asked first after a location has failed."""


class Storage:
    """Back ends by location id. A back end's errors become the registry's; none is called inside a
    transaction.

    :param preference: location ids; writes go to the first, reads to the first that holds the blob.
    """

    def __init__(self, backends: Mapping[str, StorageBackend], preference: list[str]) -> None:
        self._backends = backends
        self._preference = preference
        self._answered: dict[str, float] = {}
        self._failed: dict[str, float] = {}

    @property
    def home(self) -> str:
        """The location that new objects go to while it is well."""
        return self._preference[0]

    @property
    def locations(self) -> list[str]:
        return list(self._backends)

    def order(self, locations: Mapping[str, str]) -> list[str]:
        """Locations that hold an object, the preferred first; those that failed a moment ago last."""
        known = [name for name in locations if name in self._backends]
        if len(known) < 2:
            return known
        rank = {name: i for i, name in enumerate(self._preference)}
        return sorted(known, key=lambda name: (self.is_down(name), rank.get(name, len(rank))))

    def is_down(self, location: str) -> bool:
        """Whether it failed within the last AVOID_S, as far as this process knows, and not answered since."""
        return time.monotonic() - self._failed.get(location, float("-inf")) < AVOID_S

    def failed(self, location: str) -> None:
        """Notes a failure outside of a call here: in the middle of a stream."""
        self._failed[location] = time.monotonic()

    def quiet_s(self, location: str) -> float:
        """Seconds since it last answered this process."""
        return time.monotonic() - self._answered.get(location, float("-inf"))

    @staticmethod
    def key(digest: Digest, upload_uuid: str) -> str:
        """The key of a blob's bytes: it carries the upload's id, so it is never used twice."""
        return f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}.{upload_uuid}"

    def begin(self, location: str) -> Upload:
        return self._call(location, lambda backend: backend.begin())

    def begin_somewhere(self) -> tuple[str, Upload]:
        """Begins an upload at the first preferred location that is well and has room: (location, upload).

        Raises what the last one raises."""
        left = sorted(self._preference, key=self.is_down)
        while True:
            location = left.pop(0)
            try:
                return location, self.begin(location)
            except RegistryError:
                if not left:
                    raise

    def append(self, location: str, upload: Upload, stream: ByteStream) -> Upload:
        return self._call(location, lambda backend: backend.append(upload, stream))

    def commit(self, location: str, upload: Upload, key: str) -> str:
        return self._call(location, lambda backend: backend.commit(upload, key))

    def abort(self, location: str, upload: Upload) -> None:
        self._call(location, lambda backend: backend.abort(upload))

    def read(self, location: str, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return self._call(location, lambda backend: backend.read(key, start, stop))

    def size(self, location: str, key: str) -> int:
        return self._call(location, lambda backend: backend.size(key))

    def url(self, location: str, key: str, request: UrlRequest) -> str | None:
        # Signing asks nobody: it says nothing of the location's health.
        return self._call(location, lambda backend: backend.url(key, request), asks=False)

    def delete(self, location: str, key: str) -> None:
        self._call(location, lambda backend: backend.delete(key))

    def keys(self, location: str, prefix: str = "") -> Iterator[str]:
        return self._call(location, lambda backend: backend.keys(prefix))

    def sweep(self, location: str, before: int) -> int:
        return self._call(location, lambda backend: backend.sweep(before))

    def _call(self, location: str, work: Callable[[StorageBackend], T], *, asks: bool = True) -> T:
        boundary.outside("a storage call")
        backend = self._backends.get(location)
        if backend is None:
            raise Unavailable(f"the storage location {location} is not configured here")
        try:
            with contain("storage", backend.name):
                done = work(backend)
        except (ObjectNotFound, UploadLost, RegistryError):
            raise
        except NoSpace as error:
            log.error("storage %s (%s) is full: %s", location, backend.name, error)
            raise StorageFull() from error
        except StorageUnavailable as error:
            self.failed(location)
            log.warning("storage %s (%s): %s", location, backend.name, error)
            raise Unavailable("the registry's storage is away; try again", retry_after=5) from error
        except StorageError as error:
            self.failed(location)
            log.error("storage %s (%s) failed: %s", location, backend.name, error)
            raise Internal() from error
        if asks:
            self._answered[location] = time.monotonic()
            self._failed.pop(location, None)
        return done


def missing(error: Exception) -> BlobUnknown:
    """A blob whose row is there and whose bytes are not: 404 to the client, an error in the log."""
    log.error("bytes are missing in storage: %s", error)
    return BlobUnknown()
