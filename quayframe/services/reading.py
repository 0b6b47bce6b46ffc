"""Reading blobs that several locations have: from one that is well, and from the next when it fails.

Whole reads are hashed on their way: bytes that are wrong end the response before it is complete, the copy
they came from is put aside, and whoever tries again is served by another location."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from quayframe.cache import MemoryCache
from quayframe.errors import RegistryError, Unavailable
from quayframe.oci.digest import Digest, new_hash
from quayframe.plugin.storage import ObjectNotFound, UrlRequest

from .hashed import WORTH_A_THREAD, hashing_threads
from .storage import Storage, missing

log = logging.getLogger("quayframe.reading")

TRUST_S = 30.0
"""How long a location that answered is taken to be well, before clients are sent there."""
_ASIDE_S = 600.0
Suspect = Callable[[int, str, str], None]


def nobody(blob_id: int, location: str, key: str) -> None:
    """Where nobody looks into copies that cannot be right."""


class Reading:
    """:param suspect: is told of a copy (blob id, location, key) whose bytes were wrong or missing."""

    def __init__(self, storage: Storage, suspect: Suspect) -> None:
        self._storage = storage
        self._suspect = suspect
        self._aside: MemoryCache[bool] = MemoryCache(10_000, _ASIDE_S)
        self._hashing = hashing_threads()

    def order(self, placements: Mapping[str, str]) -> list[str]:
        """Locations that have the blob, those first that are well and preferred."""
        found = self._storage.order(placements)
        if len(found) < 2:
            return found
        return sorted(found, key=lambda location: self._aside.get((location, placements[location])) or False)

    def url(self, placements: Mapping[str, str], request: UrlRequest) -> str | None:
        """A direct URL at a location that can be expected to answer. None = the registry streams it."""
        locations = self.order(placements)
        for location in locations:
            if len(locations) == 1 or self._answers(location, placements[location]):
                return self._storage.url(location, placements[location], request)
        return self._storage.url(locations[0], placements[locations[0]], request) if locations else None

    def _answers(self, location: str, key: str) -> bool:
        """Whether a location has answered lately; it is asked where nobody knows."""
        if self._storage.quiet_s(location) < TRUST_S:
            return True
        try:
            self._storage.size(location, key)
        except ObjectNotFound:
            self._put_aside(location, key)
            return False
        except RegistryError:
            return False
        return True

    def read(
        self,
        blob_id: int,
        digest: str,
        size: int,
        placements: Mapping[str, str],
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[bytes]:
        """The blob's bytes. Raises BlobUnknown, or Unavailable, when no location gives them."""
        if len(placements) == 1:
            ((location, key),) = placements.items()
            try:
                return self._storage.read(location, key, start, stop)
            except ObjectNotFound as error:
                raise missing(error) from error
        return _Falling(self, blob_id, digest, size, placements, start, stop)

    # -- for the streams ----------------------------------------------------------------------

    def open(self, location: str, key: str, start: int, stop: int | None) -> Iterator[bytes]:
        return self._storage.read(location, key, start, stop)

    def fell(self, location: str, error: Exception) -> None:
        """A location failed in the middle of a stream."""
        log.warning("storage %s failed in the middle of a blob: %s", location, error)
        self._storage.failed(location)

    def is_wrong(self, blob_id: int, location: str, key: str) -> None:
        """A copy is wrong, or missing: it is served last from now on, and looked into."""
        if self._aside.get((location, key)):
            return
        self._put_aside(location, key)
        self._suspect(blob_id, location, key)

    def _put_aside(self, location: str, key: str) -> None:
        self._aside.put((location, key), True)

    @property
    def threads(self) -> ThreadPoolExecutor:
        return self._hashing


class _Falling:
    """One read over several locations."""

    def __init__(
        self,
        reading: Reading,
        blob_id: int,
        digest: str,
        size: int,
        placements: Mapping[str, str],
        start: int,
        stop: int | None,
    ) -> None:
        self._reading = reading
        self._blob_id = blob_id
        self._digest = digest
        self._placements = placements
        self._at = start
        self._stop = size if stop is None else stop
        self._left = reading.order(placements)
        self._whole = start == 0 and self._stop == size
        self._hash = new_hash(Digest.parse(digest).algorithm) if self._whole else None
        self._under_way: Future[object] | None = None
        self._used: list[str] = []
        self._source: Iterator[bytes] = iter(())
        self._held = b""
        self._next_location(None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # One piece is held back, so that the last one goes out only when all of them are right.
        while self._at < self._stop:
            before, self._held = self._held, self._piece()
            if before:
                return before
        self._verify()
        last, self._held = self._held, b""
        if not last:
            raise StopIteration
        return last

    def _piece(self) -> bytes:
        while True:
            try:
                piece = next(self._source, b"")
                if piece:
                    break
                self._accuse(self._used[-1])
                raise Unavailable(f"the object of {self._digest} is too short")
            except Exception as error:
                self._reading.fell(self._used[-1], error)
                self._next_location(error)
        piece = piece[: self._stop - self._at]
        self._at += len(piece)
        if self._hash is not None and piece:
            self._wait()
            if len(piece) < WORTH_A_THREAD:
                self._hash.update(piece)
            else:
                self._under_way = self._reading.threads.submit(self._hash.update, piece)
        return piece

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def _next_location(self, error: Exception | None) -> None:
        """Goes on at the next location that opens. Raises BlobUnknown, Unavailable."""
        self._end_source()
        away: Exception | None = error
        gone: ObjectNotFound | None = None
        while self._left:
            location = self._left.pop(0)
            key = self._placements[location]
            try:
                self._source = self._reading.open(location, key, self._at, self._stop)
                self._used.append(location)
                return
            except ObjectNotFound as not_there:
                gone = not_there
                self._accuse(location)
            except RegistryError as failed:
                away = failed
        if away is not None:
            raise away if isinstance(away, RegistryError) else Unavailable(str(away)) from away
        raise missing(gone or ObjectNotFound(f"blob {self._blob_id} has no placement"))

    def _verify(self) -> None:
        hashed, self._hash = self._hash, None
        if hashed is None:
            return
        self._wait()
        found = f"{Digest.parse(self._digest).algorithm}:{hashed.hexdigest()}"
        if found == self._digest:
            return
        self._held = b""
        for location in self._used:
            self._accuse(location)
        where = " and ".join(self._used)
        log.error("blob %s at %s has wrong bytes: %s", self._digest, where, found)
        raise Unavailable(f"the bytes of {self._digest} at {where} are wrong")

    def _accuse(self, location: str) -> None:
        self._reading.is_wrong(self._blob_id, location, self._placements[location])

    def _end_source(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        self._source = iter(())

    def close(self) -> None:
        self._end_source()
