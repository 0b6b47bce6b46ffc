"""Which keys there may be, and which folders and files they are."""

from __future__ import annotations

from quayframe.plugin.storage import StorageError

UPLOADS = "uploads"
"""The folder below the storage path that holds uploads; no key begins with it."""

_LONGEST_KEY = 1024
_LONGEST_SEGMENT = 255


class InvalidKeyError(StorageError, ValueError):
    """A key that names nothing this back end could store: a bug, or an attack, of the caller."""


def split(key: str) -> list[str]:
    """The segments of `key`: printable ASCII, none empty, `.` or `..`. Raises InvalidKeyError."""
    segments = key.split("/")
    if (
        not key.isascii()
        or not key.isprintable()
        or len(key) > _LONGEST_KEY
        or any(s in {"", ".", ".."} or len(s) > _LONGEST_SEGMENT for s in segments)
        or segments[0] == UPLOADS
    ):
        raise InvalidKeyError(f"not a storage key: {key[:100]!r}")
    return segments
