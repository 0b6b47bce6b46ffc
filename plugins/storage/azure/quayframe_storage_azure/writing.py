"""Blocks: how long they are, and how the bytes of a stream fill them."""

from __future__ import annotations

import io

from quayframe.plugin.storage import ByteStream

BLOCK = 4 * 1024 * 1024
"""Bytes of a full block: what one append holds in memory."""
MOST_BLOCKS = 50_000
"""What the service allows in one blob."""
_PIECE = 1024 * 1024

_MANY_BLOCKS = 10_000
_FEW_BYTES = 16 * 1024
_MORE_BYTES = 512 * 1024


def tail_limit(blocks: int) -> int:
    """Bytes at an append's end up to which they wait in the upload's value for more to come.

    Tiny chunks would use up the blocks otherwise. With many blocks gone, so many bytes wait that the
    others are enough for 20 GB.
    """
    return _FEW_BYTES if blocks < _MANY_BLOCKS else _MORE_BYTES


class Block:
    """Bytes of one block on their way."""

    def __init__(self, begun: bytes = b"") -> None:
        self._bytes = io.BytesIO()
        self._length = self._bytes.write(begun)

    def __len__(self) -> int:
        return self._length

    def fill(self, stream: ByteStream) -> bool:
        """Takes from the stream until the block is full; False where the stream ended before."""
        self._bytes.seek(self._length)
        while self._length < BLOCK:
            piece = stream.read(min(_PIECE, BLOCK - self._length))
            if not piece:
                return False
            self._length += self._bytes.write(piece)
        return True

    def reader(self) -> io.BytesIO:
        """The bytes, to be read from their beginning."""
        self._bytes.seek(0)
        return self._bytes

    def content(self) -> bytes:
        return self._bytes.getvalue()
