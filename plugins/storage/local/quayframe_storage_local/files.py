"""Files and folders below one root: never outside of it, durable, with the contract's errors.

Folders are opened one by one relative to each other, and no symbolic link is followed on the way, so
that neither a key nor a link that somebody left in the tree leads out of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from quayframe.plugin.storage import NoSpace, StorageError, StorageUnavailable

READ_PIECE = 256 * 1024
WRITE_PIECE = 1024 * 1024
_FLUSH_EVERY = 8 * 1024 * 1024
_KNOWN_FOLDERS = 10_000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT}
_AWAY = {
    errno.EIO,
    errno.EROFS,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENXIO,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EAGAIN,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
}


@contextmanager
def translated(what: str, missing: type[StorageError] | None = None) -> Iterator[None]:
    """Turns what the operating system says into the contract's errors.

    A file that is not there becomes `missing`, or stays FileNotFoundError for the caller to decide.
    """
    try:
        yield
    except FileNotFoundError as error:
        if missing is None:
            raise
        raise missing(f"{what}: {error}") from error
    except OSError as error:
        raise translate(what, error) from error


def translate(what: str, error: OSError) -> StorageError:
    text = f"{what}: {error}"
    if error.errno in _FULL:
        return NoSpace(text)
    if error.errno in _AWAY:
        return StorageUnavailable(text)
    return StorageError(text)


class Tree:
    """The folders below `root`, which is made when the first folder is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[tuple[str, ...]] = set()

    def open_folder(self, segments: Sequence[str], *, make: bool = False) -> int:
        """A descriptor of the folder, which the caller closes.

        `make` makes what is missing, durably. Raises FileNotFoundError where there is no such folder,
        and NotADirectoryError or OSError(ELOOP) where something else is in its place.
        """
        fd = self._open_root(make)
        for depth, name in enumerate(segments, start=1):
            with closed(fd):
                fd = self._step(fd, name, tuple(segments[:depth]), make)
        return fd

    def _open_root(self, make: bool) -> int:
        # The root itself may be a symbolic link: it is the operator's word.
        flags = _FOLDER & ~os.O_NOFOLLOW
        try:
            return os.open(self.root, flags)
        except FileNotFoundError:
            if not make:
                raise
        missing = [p for p in (self.root, *self.root.parents) if not p.exists()]
        for path in reversed(missing):
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
            sync_path(path.parent)
        return os.open(self.root, flags)

    def _step(self, parent: int, name: str, where: tuple[str, ...], make: bool) -> int:
        if make and where not in self._durable:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            # Also for a folder that was there: whoever made it may not have got to this.
            os.fsync(parent)
            if len(self._durable) >= _KNOWN_FOLDERS:
                self._durable.clear()
            self._durable.add(where)
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
            self._durable.discard(where)
            return self._step(parent, name, where, make)


def sync_path(path: Path) -> None:
    with closed(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
        os.fsync(fd)


def open_file(name: str, flags: int, folder: int) -> int:
    """A descriptor of the file `name` in `folder`, never through a symbolic link."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


@contextmanager
def closed(fd: int) -> Iterator[int]:
    """Closes the descriptor `fd` at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def unlink(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


class Writer:
    """Writes after a position of a file, and has the disk begin while more is still coming in."""

    def __init__(self, fd: int, position: int) -> None:
        self.fd = fd
        self.position = position
        self._begun = position

    def write(self, piece: bytes) -> None:
        """Writes all of `piece`. Raises OSError."""
        done = os.pwrite(self.fd, piece, self.position)
        self.position += done
        rest = memoryview(piece)[done:]
        while rest:
            done = os.pwrite(self.fd, rest, self.position)
            self.position += done
            rest = rest[done:]
        if self.position - self._begun >= _FLUSH_EVERY:
            _start_flush()(self.fd, self._begun, self.position - self._begun)
            self._begun = self.position

    def copy(self, source: int, length: int) -> bool:
        """Copies the first `length` bytes of the file `source`; False when it has fewer."""
        start = 0
        while start < length:
            piece = os.pread(source, min(WRITE_PIECE, length - start), start)
            if not piece:
                return False
            self.write(piece)
            start += len(piece)
        return True


@cache
def _start_flush() -> Callable[[int, int, int], object]:
    """sync_file_range(SYNC_FILE_RANGE_WRITE), which does not wait; nothing where there is none.

    Without it the kernel keeps hundreds of megabytes in memory until the fsync, which then waits for
    all of them while nothing else goes on.
    """
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return lambda fd, start, length: None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return lambda fd, start, length: call(fd, start, length, 2)


class Pieces(Iterator[bytes]):
    """The bytes `start` to `stop` of a file, in pieces of 256 KiB. Owns the descriptor `fd`."""

    def __init__(self, fd: int, start: int, stop: int) -> None:
        self._fd: int | None = fd
        self._position = start
        self._stop = stop

    def __next__(self) -> bytes:
        if self._fd is None or self._position >= self._stop:
            self.close()
            raise StopIteration
        try:
            piece = os.pread(self._fd, min(READ_PIECE, self._stop - self._position), self._position)
        except OSError as error:
            self.close()
            raise translate("read", error) from error
        if not piece:
            self.close()
            raise StorageError(f"the object ends at {self._position} instead of {self._stop}")
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Gives the descriptor back; may be called again."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        self.close()
