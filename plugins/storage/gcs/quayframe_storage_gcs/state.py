"""`Upload.data`: which parts, and which last few bytes, an upload consists of.

`{"id", "parts": [[name, level], ...], "tail"}`: the objects `uploads/<id>/<name>` in turn, then the
bytes of `tail` (base64), which are too few for an object. A part of level n + 1 is made of 32 of level
n, so that there are never many.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass

from quayframe.plugin.storage import StorageError, Upload

MOST_SOURCES = 32
"""Of how many objects the service makes one at a time."""

_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[0-9a-f]{16}")

Part = tuple[str, int]


@dataclass(frozen=True)
class State:
    """What `Upload.data` says, checked."""

    id: str
    parts: tuple[Part, ...] = ()
    tail: bytes = b""

    @classmethod
    def of(cls, upload: Upload) -> State:
        """Raises StorageError for a value that is not ours."""
        data = upload.data
        try:
            parts = tuple((str(name), int(level)) for name, level in data["parts"])
            state = cls(data["id"], parts, base64.b64decode(data["tail"], validate=True))
            good = _ID.fullmatch(state.id) and all(_NAME.fullmatch(name) for name, _ in parts)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise StorageError("this upload was not begun by GoogleCloudStorage") from error
        if not good:
            raise StorageError("this upload was not begun by GoogleCloudStorage")
        return state

    def upload(self, size: int) -> Upload:
        tail = base64.b64encode(self.tail).decode()
        return Upload(size, {"id": self.id, "parts": [list(part) for part in self.parts], "tail": tail})


def new_name() -> str:
    return secrets.token_hex(8)


def joinable(parts: list[Part]) -> int | None:
    """The level of the last 32 parts, when they are of one level."""
    last = {level for _, level in parts[-MOST_SOURCES:]}
    return last.pop() if len(parts) >= MOST_SOURCES and len(last) == 1 else None
