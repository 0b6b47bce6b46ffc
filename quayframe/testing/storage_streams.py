"""Streams and bytes that the storage suite feeds to a back end."""

from __future__ import annotations

import random
from collections.abc import Callable

from quayframe.plugin.storage import StorageBackend


def pattern(size: int, seed: int = 0) -> bytes:
    """`size` bytes, the same for the same seed and without repetition."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - not a secret


class Stream:
    """A ByteStream over `data`.

    :param at_most: bytes that one `read` gives at most, however many are asked for.
    :param pause_at: when this many bytes were given, `pause` is called once before the next ones.
    :param size: gives `data` again and again up to this many bytes, without holding them.
    """

    def __init__(
        self,
        data: bytes,
        *,
        at_most: int | None = None,
        pause_at: int | None = None,
        pause: Callable[[], object] | None = None,
        size: int | None = None,
    ) -> None:
        self._data = memoryview(data)
        self._at_most = at_most or len(data) or 1
        self._pause_at = pause_at
        self._pause = pause
        self._left = len(data) if size is None else size
        self._given = 0

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(self._at_most, self._left, size if size >= 0 else self._left)
        if self._pause is not None and self._pause_at is not None:
            if self._given >= self._pause_at:
                pause, self._pause = self._pause, None
                pause()
            else:
                wanted = min(wanted, self._pause_at - self._given)
        start = self._given % len(self._data) if self._data else 0
        piece = bytes(self._data[start : start + wanted])
        self._given += len(piece)
        self._left -= len(piece)
        return piece


def content(backend: StorageBackend, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """What `read` gives, joined."""
    return b"".join(backend.read(key, start, stop))


def same(found: bytes, expected: bytes) -> None:
    """Fails with one line where pytest would print megabytes."""
    if found == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    where = "one is the beginning of the other" if at is None else f"they differ from byte {at}"
    raise AssertionError(f"read {len(found)} bytes, expected {len(expected)}: {where}")
