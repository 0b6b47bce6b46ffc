"""JSON read without any leniency: what two readers could understand differently is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Never

MAXIMUM_DEPTH: Final = 64
_INTEGER_LIMIT: Final = 2**63
_find_surrogate = re.compile(rb"\\u[dD][89a-fA-F]").search


def read_object(body: bytes) -> dict[str, Any]:
    """The object that `body` holds. Raises ValueError, whose text is one line and names the cause.

    Refused: a BOM, invalid UTF-8, lone surrogates, duplicate keys, NaN and Infinity, numbers outside
    64 bits, more than 64 levels, anything but an object at the top.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from None
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except RecursionError:
        raise ValueError(_too_deep()) from None
    if not isinstance(document, dict):
        raise ValueError("an object is expected at the top")
    # a document of so few brackets needs no walk
    if body.count(b"{") + body.count(b"[") > MAXIMUM_DEPTH:
        _check_depth(document)
    if _find_surrogate(body):
        _check_surrogates(document)
    return document


def show(value: object) -> str:
    """A value for a message: one line, short."""
    if isinstance(value, str):
        return ascii(value if len(value) <= 64 else f"{value[:64]}...")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(value)
    return "an array" if isinstance(value, list) else "an object"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"duplicate key {show(key)}")
            seen.add(key)
    return made


def _integer(digits: str) -> int:
    if len(digits) <= 20:
        value = int(digits)
        if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            return value
    raise ValueError(f"number out of range: {digits[:24]}")


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= 64 else float("inf")
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"number out of range: {digits[:24]}")
    return value


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _too_deep() -> str:
    return f"nested deeper than {MAXIMUM_DEPTH} levels"


def _check_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(MAXIMUM_DEPTH):
        level = [inner for outer in level for inner in _values(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise ValueError(_too_deep())


def _values(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _check_surrogates(document: dict[str, Any]) -> None:
    """Half a surrogate pair makes a str that can neither be stored nor sent."""
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a string has an escape of half a surrogate pair") from None
