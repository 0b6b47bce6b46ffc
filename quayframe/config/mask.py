"""What may be shown of values: secrets as `********`, everything else as plain YAML data."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from .problems import Path
from .types import MASK, DatabaseUri, Duration, Size, mask_uri

_SECRET_NAME = re.compile(
    r"secret|passw|pwd|token|psk|credential|private_?key|access_?key|account_?key|api_?key|url_?key"
    r"|signing_?key|license_?key|encryption_?key|^key$|(?<!public)_key$|webhook_url",
    re.IGNORECASE,
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)


def looks_secret(name: str) -> bool:
    """Whether a value of this name is a secret as far as its name tells."""
    return bool(_SECRET_NAME.search(name))


def plain(value: Any, hidden: Collection[Path] = (), path: Path = ()) -> Any:
    """Data of dicts, lists and scalars. Masked: values of secret types, those whose name says secret
    in data that no model types, passwords in URIs, and what stands at a path of `hidden`."""
    if value is None:
        return None
    if path in hidden:
        return MASK
    if isinstance(value, BaseModel):
        return {name: _untyped(name, item, (), (*path, name)) for name, item in _items(value)}
    if isinstance(value, DatabaseUri):
        return str(value)
    if isinstance(value, (Secret, SecretStr, SecretBytes)):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, (Duration, Size)):
        return value.text
    if isinstance(value, Mapping):
        return {str(key): _untyped(str(key), item, hidden, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, hidden, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    text = str(value) if isinstance(value, (str, PurePath)) or not isinstance(value, bytes) else MASK
    return mask_uri(text) if _URI.fullmatch(text) else text


def _items(model: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, info in type(model).model_fields.items():
        yield info.alias or name, getattr(model, name)
    yield from (model.model_extra or {}).items()


def _untyped(name: str, value: Any, hidden: Collection[Path], path: Path) -> Any:
    if looks_secret(name) and value not in (None, "") and not isinstance(value, (bool, dict, BaseModel)):
        return MASK
    return plain(value, hidden, path)


def texts(value: Any) -> Iterator[str]:
    """Every scalar in plain data, as text."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)
    elif isinstance(value, (Secret, SecretStr)):
        yield str(value.get_secret_value())
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def scrub(text: str, values: Collection[str]) -> str:
    """`text` without any of the values, however short the rest may then be."""
    for value in sorted({v for v in values if len(v) > 1}, key=len, reverse=True):
        text = text.replace(value, MASK).replace(repr(value)[1:-1], MASK)
    return text
