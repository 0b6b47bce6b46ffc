"""Storage back ends that are each wrong in one way, to see that the suite finds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from quayframe.plugin.storage import ByteStream, Upload, UploadLost
from quayframe.testing.fakes_storage import FakeStorage


class OverwritingStorage(FakeStorage):
    """An append goes over what another append wrote after the same value."""

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        taken = bytearray()

        class Tee:
            def read(self, size: int = -1, /) -> bytes:
                piece = stream.read(size)
                taken.extend(piece[: max(0, 1_000_000 - len(taken))])
                return piece

        mine = super().append(upload, Tee())
        with self._transaction() as db:
            where = (upload.data["id"], upload.size, upload.size + len(taken))
            query = "SELECT id, start, bytes FROM piece WHERE upload = ? AND start >= ? AND start < ?"
            for piece_id, start, old in db.execute(query, where).fetchall():
                new = bytes(taken[start - upload.size :][: len(old)])
                db.execute("UPDATE piece SET bytes = ? WHERE id = ?", (new + old[len(new) :], piece_id))
        return mine


class OnceOnlyStorage(FakeStorage):
    """A commit that is repeated finds its upload gone."""

    # One after the other: of several at once, all but one surely find it gone.
    _turn = threading.Lock()

    def commit(self, upload: Upload, key: str) -> str:
        with self._turn:
            if key in set(self.keys(key)):
                raise UploadLost("committed already")
            return super().commit(upload, key)


class EndlessStorage(FakeStorage):
    """A read goes on past `stop`."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return super().read(key, start)


class GreedyStorage(FakeStorage):
    """A sweep takes uploads that are in use."""

    def sweep(self, before: int) -> int:
        return super().sweep(max(before, time.time_ns() // 1_000_000 + 1))


class TalkativeStorage(FakeStorage):
    """Uploads are among the keys."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        yield from super().keys(prefix)
        with self._transaction() as db:
            found = db.execute("SELECT id FROM upload").fetchall()
        yield from (key for (upload,) in found if (key := f"uploads/{upload}").startswith(prefix))


class LateStorage(FakeStorage):
    """That an object is missing comes out at the first piece."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield from super().read(key, start, stop)


class HoardingStorage(FakeStorage):
    """A whole stream is in memory before it is written."""

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        pieces = []
        while piece := stream.read(1024 * 1024):
            pieces.append(piece)
        pieces.reverse()

        class Held:
            def read(self, size: int = -1, /) -> bytes:
                return pieces.pop() if pieces else b""

        return super().append(upload, Held())
