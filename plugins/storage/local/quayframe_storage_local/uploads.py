"""Uploads under way: one folder each, with the bytes in segments.

`Upload.data` is `{"id": ..., "segments": [[name, end], ...]}`: the first `end` bytes of each of these
files, one after the other, are the upload. A file may be longer than any value says.

**Where an append writes.** Nothing that a value names may ever change. An append goes on in the last
segment only when it holds that segment's lock (a file made with O_EXCL) and then finds the segment's
length to be exactly the end that its own value names: so nobody has written there since, not even a
process that was killed half-way. In all other cases it begins a segment of its own, under a random name.
An append that fails cuts the segment back before it gives up the lock; one that was killed leaves its
lock behind, which nobody ever breaks: the next append finds it and begins a new segment.

The lock does its work on NFS too: O_EXCL is atomic there, the segment is opened after the lock was
taken and closed before it is given back, and that is where NFS reads and writes lengths.

**Durability.** An append syncs its bytes before its value exists, since the value will be in a database
that survives a loss of power, and with it the digest of bytes that must then be on the disk as well.
"""

from __future__ import annotations

import os
import re
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EEXIST, ENOTEMPTY
from stat import S_ISREG

from quayframe.plugin.storage import ByteStream, StorageError, Upload, UploadLost

from .files import WRITE_PIECE, Tree, Writer, closed, open_file, translated, unlink
from .keys import UPLOADS

_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"s-[0-9a-f]{16}")
_GONE = ".gone"
_SMALL = 64 * 1024


@dataclass(frozen=True)
class Segment:
    name: str
    end: int


@dataclass(frozen=True)
class State:
    """What `Upload.data` says, checked."""

    id: str
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, upload: Upload) -> State:
        upload_id = str(upload.data.get("id"))
        segments = tuple(Segment(str(name), int(end)) for name, end in upload.data.get("segments", ()))
        names_good = _ID.fullmatch(upload_id) and all(_NAME.fullmatch(s.name) for s in segments)
        if not names_good or sum(s.end for s in segments) != upload.size:
            raise StorageError("this upload was not begun by LocalStorage")
        return cls(upload_id, segments)

    def upload(self) -> Upload:
        segments = [[s.name, s.end] for s in self.segments]
        return Upload(sum(s.end for s in self.segments), {"id": self.id, "segments": segments})


class Uploads:
    """The folder `uploads` of a storage path."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def begin(self) -> Upload:
        upload_id = uuid.uuid4().hex
        with translated("begin"), closed(self._tree.open_folder([UPLOADS], make=True)) as uploads:
            os.mkdir(upload_id, 0o700, dir_fd=uploads)
        return State(upload_id, ()).upload()

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        state = State.of(upload)
        with self.opened(state) as folder:
            piece = stream.read(WRITE_PIECE)
            if not piece:
                return upload
            segments = _extend(folder, state.segments, piece, stream)
            if segments is None:
                segments = _start(folder, state.segments, piece, stream)
        return State(state.id, segments).upload()

    @contextmanager
    def opened(self, state: State) -> Iterator[int]:
        """A descriptor of the upload's folder. Raises UploadLost."""
        with translated(f"upload {state.id}", missing=UploadLost):
            fd = self._tree.open_folder([UPLOADS, state.id])
        with closed(fd):
            yield fd

    def discard(self, upload_id: str) -> None:
        """Removes the upload's folder, which is gone for all others at the first step."""
        with suppress(FileNotFoundError), closed(self._tree.open_folder([UPLOADS])) as uploads:
            with suppress(FileNotFoundError):
                os.rename(upload_id, upload_id + _GONE, src_dir_fd=uploads, dst_dir_fd=uploads)
            _remove(upload_id + _GONE, uploads)

    def sweep(self, before: int) -> int:
        """Discards the uploads not touched since `before` (ms), and what killed processes left."""
        count = 0
        with suppress(FileNotFoundError), closed(self._tree.open_folder([UPLOADS])) as uploads:
            for name in os.listdir(uploads):
                upload_id = name.removesuffix(_GONE)
                if not _ID.fullmatch(upload_id):
                    continue
                if upload_id != name:
                    _remove(name, uploads)
                elif (touched := _touched(name, uploads)) is not None and touched < before:
                    self.discard(upload_id)
                    count += 1
        return count


def whole(folder: int, segments: tuple[Segment, ...]) -> str:
    """The name of a file in `folder` that holds exactly these segments, durable, and that no append
    will touch any more. Raises FileNotFoundError where one is missing; UploadLost where one is short."""
    if len(segments) == 1 and _lock(folder, segments[0].name):
        # The lock is never given back: the file is about to leave under another name.
        (segment,) = segments
        with closed(open_file(segment.name, os.O_RDWR, folder)) as fd:
            length = os.fstat(fd).st_size
            if length < segment.end:
                raise UploadLost(f"{segment.name} has {length} bytes instead of {segment.end}")
            if length > segment.end:
                os.ftruncate(fd, segment.end)
            os.fsync(fd)
        return segment.name
    name = f"w-{secrets.token_hex(8)}"
    with closed(open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)) as fd:
        try:
            _copy(folder, segments, Writer(fd, 0))
            os.fsync(fd)
        except BaseException:
            unlink(name, folder)
            raise
    return name


def _extend(
    folder: int, segments: tuple[Segment, ...], piece: bytes, stream: ByteStream
) -> tuple[Segment, ...] | None:
    """Appends in place to the last segment; None where that is not allowed."""
    if not segments:
        return None
    last = segments[-1]
    with translated("append", missing=UploadLost):
        if not _lock(folder, last.name):
            return None
    damaged = False
    try:
        with translated("append", missing=UploadLost):
            fd = open_file(last.name, os.O_RDWR, folder)
        with closed(fd):
            if os.fstat(fd).st_size != last.end:
                return None
            try:
                end = _fill(Writer(fd, last.end), piece, stream)
            except BaseException:
                damaged = True
                with translated("append"):
                    os.ftruncate(fd, last.end)
                damaged = False
                raise
    finally:
        if not damaged:
            unlink(_lock_name(last.name), folder)
    return (*segments[:-1], Segment(last.name, end))


def _start(
    folder: int, segments: tuple[Segment, ...], piece: bytes, stream: ByteStream
) -> tuple[Segment, ...]:
    """Appends in a new segment, which takes small ones before it in, so that they stay few."""
    kept = _kept(segments)
    name = f"s-{secrets.token_hex(8)}"
    with translated("append", missing=UploadLost):
        fd = open_file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, folder)
    try:
        with closed(fd):
            writer = Writer(fd, 0)
            with translated("append", missing=UploadLost):
                _copy(folder, segments[kept:], writer)
            end = _fill(writer, piece, stream)
    except BaseException:
        unlink(name, folder)
        raise
    return (*segments[:kept], Segment(name, end))


def _kept(segments: tuple[Segment, ...]) -> int:
    """How many segments stay as they are when a new one begins; it takes the others in.

    Each that stays is longer than all that follow it together, so there are about log n of them after
    n appends that could not go on in place, and each byte is copied about log n times.
    """
    kept, after = len(segments), 0
    for index in range(len(segments) - 1, -1, -1):
        length = segments[index].end
        if length <= after or (kept == index + 1 and length <= _SMALL):
            kept = index
        after += length
    return kept


def _fill(writer: Writer, piece: bytes, stream: ByteStream) -> int:
    """Writes `piece` and all of `stream`; returns the position after them, which are durable then."""
    while piece:
        with translated("append"):
            writer.write(piece)
        piece = stream.read(WRITE_PIECE)
    with translated("append"):
        os.fdatasync(writer.fd)
    return writer.position


def _copy(folder: int, segments: tuple[Segment, ...], writer: Writer) -> None:
    for segment in segments:
        with closed(open_file(segment.name, os.O_RDONLY, folder)) as source:
            if not writer.copy(source, segment.end):
                raise UploadLost(f"{segment.name} has fewer than {segment.end} bytes")


def _lock_name(segment: str) -> str:
    return f"{segment}.lock"


def _lock(folder: int, segment: str) -> bool:
    try:
        os.close(open_file(_lock_name(segment), os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder))
    except FileExistsError:
        return False
    return True


def _touched(name: str, uploads: int) -> int | None:
    """When something was last done in this folder (ms); None where it is gone."""
    try:
        with closed(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=uploads)) as fd:
            latest = os.fstat(fd).st_mtime_ns
            for entry in os.listdir(fd):
                with suppress(FileNotFoundError):
                    found = os.stat(entry, dir_fd=fd, follow_symlinks=False)
                    latest = max(latest, found.st_mtime_ns if S_ISREG(found.st_mode) else 0)
            return latest // 1_000_000
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(name: str, uploads: int) -> None:
    """Removes the folder and its files. One into which an append just wrote is left to a sweep."""
    with suppress(FileNotFoundError, NotADirectoryError):
        with closed(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=uploads)) as fd:
            for entry in os.listdir(fd):
                unlink(entry, fd)
        try:
            os.rmdir(name, dir_fd=uploads)
        except OSError as error:
            if error.errno not in {ENOTEMPTY, EEXIST}:
                raise
