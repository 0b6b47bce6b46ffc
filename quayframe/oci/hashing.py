"""A hash whose state outlives the process: an upload in several requests is hashed only once.

hashlib cannot give a hash's state away, libcrypto's own context can be copied byte by byte. Where no
usable libcrypto is found, `available()` is False and callers read the content again at the end.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hashlib
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from quayframe.oci.digest import ALGORITHMS, Digest, new_hash

_MAGIC: Final = b"QFH1" + (b"L" if sys.byteorder == "little" else b"B")
_CHECK_SIZE: Final = 8
# both contexts are 112 and 216 bytes long; the room behind them takes a libcrypto built otherwise
_ROOM: Final = 1024
_COPY: Final = 1 << 20


@dataclass(frozen=True)
class _Algorithm:
    """One algorithm's C functions and the layout of its context."""

    name: str
    context_size: int
    block: int
    size: int
    # h[8], count low and high in bits, block of pending bytes, pending count, digest length
    layout: struct.Struct
    init: Callable[..., int]
    update: Callable[..., int]
    final: Callable[..., int]


class ResumableHash:
    """An incremental sha256 or sha512. One thread at a time may use it.

    Raises RuntimeError where `available()` is False, DigestInvalid for an unknown algorithm.
    """

    __slots__ = ("_algorithm", "_context")

    def __init__(self, algorithm: str = "sha256") -> None:
        if algorithm not in ALGORITHMS:
            new_hash(algorithm)
        if not available():
            raise RuntimeError("no libcrypto with a hash state that can be saved")
        self._algorithm = _algorithms()[algorithm]
        self._context = ctypes.create_string_buffer(_ROOM)
        self._algorithm.init(self._context)

    @property
    def algorithm(self) -> str:
        return self._algorithm.name

    @property
    def length(self) -> int:
        """How many bytes were hashed so far."""
        low, high, _, _ = self._algorithm.layout.unpack_from(self._context)
        bits = 32 if self._algorithm.name == "sha256" else 64
        return int(high << bits | low) // 8

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Hash `data` too. Other threads run meanwhile."""
        if isinstance(data, bytes):
            self._algorithm.update(self._context, data, len(data))
            return
        with memoryview(data) as view:
            if not view.nbytes:
                return
            if view.readonly or not view.c_contiguous:
                # ctypes takes no address from a read-only view: copy, in pieces that stay in the cache
                flat = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
                for start in range(0, flat.nbytes, _COPY):
                    piece = flat[start : start + _COPY].tobytes()
                    self._algorithm.update(self._context, piece, len(piece))
                return
            first = ctypes.c_char.from_buffer(view.cast("B"))
            self._algorithm.update(self._context, ctypes.byref(first), view.nbytes)
            # the view cannot be released while ctypes holds it
            del first

    def digest(self) -> Digest:
        """The digest of everything so far; updates may follow."""
        copy = ctypes.create_string_buffer(self._context.raw, _ROOM)
        result = ctypes.create_string_buffer(64)
        self._algorithm.final(result, copy)
        return Digest(f"{self._algorithm.name}:{result.raw[: self._algorithm.size].hex()}")

    def state(self) -> bytes:
        """What `restore` needs, here or in another process: about 130 or 240 bytes."""
        body = _MAGIC + self._algorithm.name.encode() + self._context.raw[: self._algorithm.context_size]
        return body + _check(body)

    @classmethod
    def restore(cls, algorithm: str, state: bytes) -> Self:
        """The hash as it was at `state()`. Raises ValueError for anything that is no such state."""
        restored = cls(algorithm)
        own = restored._algorithm
        head = _MAGIC + own.name.encode()
        body, check = state[:-_CHECK_SIZE], state[-_CHECK_SIZE:]
        if len(body) != len(head) + own.context_size or not body.startswith(head) or _check(body) != check:
            raise ValueError(f"this is not the saved state of a {algorithm} hash")
        context = body[len(head) :]
        low, _, pending, size = own.layout.unpack(context)
        # libcrypto trusts the pending count as an index into its block
        if pending >= own.block or size != own.size or low // 8 % own.block != pending:
            raise ValueError(f"the saved state of this {algorithm} hash is damaged")
        ctypes.memmove(restored._context, context, len(context))
        return restored


def available() -> bool:
    """Whether this process can save and restore hash states. Looks for libcrypto at the first call."""
    return bool(_algorithms())


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK_SIZE]


@functools.cache
def _algorithms() -> dict[str, _Algorithm]:
    """By name, from the first library that passes the test; empty when none does."""
    for library in _libraries():
        try:
            found = {made.name: made for made in (_sha256(library), _sha512(library))}
        except AttributeError:
            continue
        if all(_works(algorithm) for algorithm in found.values()):
            return found
    return {}


def _libraries() -> Iterator[ctypes.CDLL]:
    """Candidates, cheapest first: a symbol looked up in `_hashlib` is found in what it is linked to."""
    for name in _library_names():
        if name is not None:
            try:
                yield ctypes.CDLL(name)
            except OSError:
                continue


def _library_names() -> Iterator[str | None]:
    try:
        import _hashlib

        yield getattr(_hashlib, "__file__", None)
    except ImportError:
        # built without OpenSSL
        pass
    yield from ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.3.dylib")
    # asks the compiler and linker tools, so it is the last resort
    yield ctypes.util.find_library("crypto")


def _sha256(library: Any) -> _Algorithm:
    layout = struct.Struct("=32x I I 64x I I")
    functions = (library.SHA256_Init, library.SHA256_Update, library.SHA256_Final)
    return _algorithm("sha256", 64, 32, layout, functions)


def _sha512(library: Any) -> _Algorithm:
    layout = struct.Struct("=64x Q Q 128x I I")
    functions = (library.SHA512_Init, library.SHA512_Update, library.SHA512_Final)
    return _algorithm("sha512", 128, 64, layout, functions)


def _algorithm(
    name: str, block: int, size: int, layout: struct.Struct, functions: tuple[Any, Any, Any]
) -> _Algorithm:
    init, update, final = functions
    init.argtypes = [ctypes.c_void_p]
    update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    final.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return _Algorithm(name, layout.size, block, size, layout, init, update, final)


def _works(algorithm: _Algorithm) -> bool:
    """Whether the first `context_size` bytes are the whole state, and the digest is hashlib's."""
    content = bytes(range(251)) * 3
    for split in (0, 1, algorithm.block - 1, algorithm.block, 300, len(content)):
        first = ctypes.create_string_buffer(b"\xa5" * _ROOM, _ROOM)
        algorithm.init(first)
        algorithm.update(first, content[:split], split)
        second = ctypes.create_string_buffer(b"\x5a" * _ROOM, _ROOM)
        ctypes.memmove(second, first, algorithm.context_size)
        algorithm.update(second, content[split:], len(content) - split)
        low, high, _, size = algorithm.layout.unpack_from(second)
        counted = (low, high, size) == (len(content) * 8, 0, algorithm.size)
        untouched = second.raw[algorithm.context_size :] == b"\x5a" * (_ROOM - algorithm.context_size)
        result = ctypes.create_string_buffer(64)
        algorithm.final(result, second)
        right = result.raw[: algorithm.size] == hashlib.new(algorithm.name, content).digest()
        if not (counted and untouched and right):
            return False
    return True
