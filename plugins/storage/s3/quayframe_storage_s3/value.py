"""What `Upload.data` says of an upload under way, and under which keys its things are.

`{"id": ..., "segments": [[attempt, mpu, parts, size, seal], ...], "tail": [[name, size], ...], "rest": ...,
"more": ...}`: the bytes are those of the segments, one after the other, then of the tail's objects, then
`rest` (base64). `more` says whether there is anything under `uploads/<id>/` beside `begun`.

A **segment** is a multipart upload to a key of its own, `blobs/<2>/<id>.<attempt>`, of which the parts 1 to
`parts` count. `seal` is a hash over their ETags in order, so that the value stays short for any number.
The **tail** is what is too short to be a part (S3 takes none under 5 MiB but the last): small objects under
`uploads/<id>/`, and the last bytes in the value itself.

Below the target's root: `uploads/<id>/begun` says that the upload is there, and its time when it was last
touched. `uploads/<id>/t-*` are tails, `c-*` claims (see `claims`), `p-<attempt>` says that the object of this
segment is a part of a whole that is being put together.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import uuid
from dataclasses import dataclass, replace

from quayframe.plugin.storage import StorageError, Upload

UPLOADS = "uploads"
BLOBS = "blobs"
REST_LIMIT = 16 * 1024
"""Bytes that a value itself carries at most."""

TAIL_NUMBER = 10_000
MOST_PARTS = TAIL_NUMBER - 1
"""Parts of a segment; the one number above is the tail's."""

_ID = re.compile(r"[0-9a-f]{32}")
_ATTEMPT = re.compile(r"[0-9a-f]{16}")
_TAIL = re.compile(r"t-[0-9a-f]{16}")
_SEGMENT_KEY = re.compile(r"blobs/[0-9a-f]{2}/([0-9a-f]{32})\.([0-9a-f]{16})")


class InvalidKeyError(StorageError, ValueError):
    """A key that names nothing this back end could store: a bug, or an attack, of the caller."""


@dataclass(frozen=True)
class Segment:
    attempt: str
    mpu: str
    parts: int
    size: int
    seal: str

    def with_part(self, etag: str, size: int) -> Segment:
        return replace(self, parts=self.parts + 1, size=self.size + size, seal=sealed(self.seal, etag, size))


@dataclass(frozen=True)
class Stored:
    """A tail's object."""

    name: str
    size: int


@dataclass(frozen=True)
class State:
    """What `Upload.data` says, checked."""

    id: str
    segments: tuple[Segment, ...] = ()
    tail: tuple[Stored, ...] = ()
    rest: bytes = b""
    more: bool = False

    @classmethod
    def new(cls) -> State:
        return cls(uuid.uuid4().hex)

    @classmethod
    def of(cls, upload: Upload) -> State:
        try:
            data = upload.data
            state = cls(
                str(data["id"]),
                tuple(Segment(str(a), str(m), int(p), int(n), str(s)) for a, m, p, n, s in data["segments"]),
                tuple(Stored(str(name), int(size)) for name, size in data["tail"]),
                base64.b64decode(data["rest"], validate=True),
                bool(data["more"]),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise StorageError("this upload was not begun by a back end of S3") from error
        good = _ID.fullmatch(state.id) and all(_ATTEMPT.fullmatch(s.attempt) for s in state.segments)
        if not good or not all(_TAIL.fullmatch(t.name) for t in state.tail) or state.size != upload.size:
            raise StorageError("this upload was not begun by a back end of S3")
        return state

    def upload(self) -> Upload:
        return Upload(self.size, self._data())

    @property
    def size(self) -> int:
        return sum(s.size for s in self.segments) + self.tail_size

    @property
    def tail_size(self) -> int:
        """Bytes that are in no part yet."""
        return sum(t.size for t in self.tail) + len(self.rest)

    def whole_key(self) -> str:
        """The key, without the root, of an object that is put together of several segments: the same each
        time for the same value."""
        text = json.dumps(self._data(), sort_keys=True)
        return segment_key(self.id, hashlib.sha256(text.encode()).hexdigest()[:16])

    def _data(self) -> dict[str, object]:
        return {
            "id": self.id,
            "segments": [[s.attempt, s.mpu, s.parts, s.size, s.seal] for s in self.segments],
            "tail": [[t.name, t.size] for t in self.tail],
            "rest": base64.b64encode(self.rest).decode(),
            "more": self.more,
        }


def sealed(seal: str, etag: str, size: int) -> str:
    """The seal over one part more."""
    return hashlib.sha256(f"{seal} {etag} {size}".encode()).hexdigest()[:32]


def new_name() -> str:
    return secrets.token_hex(8)


def folder(upload_id: str) -> str:
    """The prefix of what an upload has beside its segments."""
    return f"{UPLOADS}/{upload_id}/"


def segments_prefix(upload_id: str) -> str:
    return f"{BLOBS}/{upload_id[:2]}/{upload_id}."


def segment_key(upload_id: str, attempt: str) -> str:
    return f"{segments_prefix(upload_id)}{attempt}"


def segment_of(key: str) -> str | None:
    """The id of the upload that a segment's key, without the root, belongs to."""
    found = _SEGMENT_KEY.fullmatch(key)
    return found[1] if found else None


def checked(key: str) -> str:
    """`key`, where it may be an object's. Raises InvalidKeyError."""
    segments = key.split("/")
    bad = not key.isascii() or not key.isprintable() or len(key) > 900 or segments[0] == UPLOADS
    if bad or any(s in {"", ".", ".."} for s in segments):
        raise InvalidKeyError(f"not a storage key: {key[:100]!r}")
    return key


def kept(tail: tuple[Stored, ...], coming: int) -> int:
    """How many objects of a tail stay as they are when one of `coming` bytes more is written, which takes
    the others in: each that stays is longer than all that follow it together, so they are few, and each
    byte is written again only as often as the logarithm of their number."""
    keep, after = len(tail), coming
    for index in range(len(tail) - 1, -1, -1):
        if tail[index].size <= after:
            keep = index
        after += tail[index].size
    return keep
