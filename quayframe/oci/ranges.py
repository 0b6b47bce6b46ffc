"""Content-Range of upload chunks and Range of blob reads, as half-open `[start, stop)` in bytes."""

from __future__ import annotations

import re
from typing import Final

from quayframe.errors import InvalidRequest, RangeInvalid

# 18 digits stay below 2**63
_CONTENT_RANGE: Final = re.compile(r"(?:bytes\s+)?([0-9]{1,18})-([0-9]{1,18})(?:/([0-9]{1,18}|\*))?", re.I)
_RANGE: Final = re.compile(r"bytes\s*=\s*([0-9]*)-([0-9]*)", re.I)


def parse_content_range(text: str) -> tuple[int, int]:
    """`(start, stop)` of `<start>-<end>` or `bytes <start>-<end>[/<total>|/*]`, `end` inclusive.

    Raises InvalidRequest when it is malformed, ends before it starts or passes its total.
    """
    found = _CONTENT_RANGE.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(f"malformed Content-Range {text[:80]!a}; expected <start>-<end>, in bytes")
    start, end, total = int(found[1]), int(found[2]), found[3]
    if end < start:
        raise InvalidRequest(f"Content-Range {start}-{end} ends before it starts")
    if total not in {None, "*"} and end >= int(total):
        raise InvalidRequest(f"Content-Range {start}-{end} passes its own total of {int(total)} bytes")
    return start, end + 1


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """`(start, stop)` of a single range of `bytes`; None when the whole content is to be served.

    None covers no header, another unit, several ranges and a malformed one, which RFC 9110 (section
    14.2) lets a server ignore. Raises RangeInvalid (416, with Content-Range) for a range outside
    the content.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first and not last:
        return None
    if not first:
        return _suffix(_number(last), size)
    start, end = _number(first), _number(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise _outside(size)
    return start, min(end + 1, size)


def _suffix(length: int, size: int) -> tuple[int, int] | None:
    if not length:
        raise _outside(size)
    # nothing of an empty content can be named by a Content-Range
    return (max(0, size - length), size) if size else None


def _number(digits: str) -> int:
    # longer than any size: the value does not matter, int() of it could cost or fail
    return int(digits) if len(digits) <= 18 else 1 << 62


def _outside(size: int) -> RangeInvalid:
    return RangeInvalid(
        f"the range lies outside the content of {size} bytes", headers={"Content-Range": f"bytes */{size}"}
    )
