"""`Upload.data`: which blocks, and which last few bytes, an upload consists of.

`{"id", "etag", "runs": [[prefix, count], ...], "tail"}`: the blocks `<prefix>000000`, `<prefix>000001`,
... of each run in turn, then the bytes of `tail` (base64), which are too few for a block. `etag` is that
of the upload's marker, after the append that made this value: see `AzureStorage.append`.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from quayframe.plugin.storage import StorageError, Upload

_ID = re.compile(r"[0-9a-f]{32}")
_PREFIX = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class State:
    """What `Upload.data` says, checked."""

    id: str
    etag: str
    runs: tuple[tuple[str, int], ...] = ()
    tail: bytes = b""

    @classmethod
    def of(cls, upload: Upload) -> State:
        """Raises StorageError for a value that is not ours."""
        data = upload.data
        try:
            runs = tuple((str(prefix), int(count)) for prefix, count in data["runs"])
            state = cls(data["id"], data["etag"], runs, base64.b64decode(data["tail"], validate=True))
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise StorageError("this upload was not begun by AzureStorage") from error
        if not _ID.fullmatch(state.id) or not all(_PREFIX.fullmatch(prefix) for prefix, _ in runs):
            raise StorageError("this upload was not begun by AzureStorage")
        return state

    def upload(self, size: int) -> Upload:
        tail = base64.b64encode(self.tail).decode()
        runs = [list(run) for run in self.runs]
        return Upload(size, {"id": self.id, "etag": self.etag, "runs": runs, "tail": tail})

    @property
    def count(self) -> int:
        """How many blocks."""
        return sum(count for _, count in self.runs)

    def blocks(self) -> Iterator[str]:
        """The blocks' ids, in order."""
        for prefix, count in self.runs:
            yield from (block_id(prefix, index) for index in range(count))


def new_prefix() -> str:
    return secrets.token_hex(8)


def block_id(prefix: str, index: int) -> str:
    """All ids of a blob have to have one length."""
    return f"{prefix}{index:06d}"
