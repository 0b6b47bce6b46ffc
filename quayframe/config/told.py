"""The configuration as the API tells superusers: what is known apart from what is not, secrets as stars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from .loading import Loaded
from .show import dump
from .types import MASK

_MOST_STARS = 10


def told(loaded: Loaded) -> tuple[dict[str, Any], dict[str, Any]]:
    """(known keys, unknown keys) as `dump` has them; a secret is up to ten `*` and ` (<length>)`."""
    catalogue = loaded.catalogue
    names = catalogue.names()
    known: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for key, value in dump(loaded).items():
        true = loaded.raw.get(key)
        shown = _starred(value, getattr(loaded.settings, key, None) if true is None else true)
        is_known = key in names or bool(catalogue.owners(key)) or catalogue.not_built(key)
        (known if is_known else unknown)[key] = shown
    return known, unknown


def _starred(shown: Any, true: Any) -> Any:
    """`shown` with each mask replaced by as many stars as the truth at its place has characters."""
    if isinstance(shown, Mapping):
        return {key: _starred(value, _at(true, key)) for key, value in shown.items()}
    if isinstance(shown, list):
        return [_starred(value, _at(true, index)) for index, value in enumerate(shown)]
    if shown != MASK or true is None:
        return shown
    length = len(str(true.get_secret_value() if hasattr(true, "get_secret_value") else true))
    return f"{'*' * min(length, _MOST_STARS)} ({length})"


def _at(true: Any, key: Any) -> Any:
    if isinstance(true, BaseModel):
        return getattr(true, str(key), None)
    if isinstance(true, Mapping):
        return true.get(key)
    return true[key] if isinstance(true, (list, tuple)) and key < len(true) else None
