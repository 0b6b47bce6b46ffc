"""Checks one model's part of the configuration and words pydantic's findings for operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .catalogue import field_names
from .mask import looks_secret, scrub, texts
from .problems import Path, hint
from .source import Source

Model = TypeVar("Model", bound=BaseModel)
Names: TypeAlias = Collection[str | int]

_WORDS = {
    "missing": "is missing",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping (key: value lines)",
    "model_type": "must be a mapping (key: value lines)",
    "model_attributes_type": "must be a mapping (key: value lines)",
    "too_long": "has too many entries",
}

# pydantic's own words for these quote at most what the model says, never the value
_OWN_WORDS = frozenset(
    {
        "enum", "literal_error", "string_pattern_mismatch", "string_too_short", "string_too_long",
        "greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of", "too_short",
    }
)  # fmt: skip


def validate(
    source: Source,
    model: type[Model],
    data: Mapping[str, Any],
    at: Path = (),
    broken: Collection[str | int] = (),
) -> Model | None:
    """The model made of `data`, which stands at `at`; None when it does not fit: the source then has
    the problems. Keys in `broken` have theirs already and are not reported as missing."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        secrets = secret_texts(model, data)
        for found in error.errors(include_url=False, include_context=True):
            path = _path(found, data)
            if found["type"] == "missing" and path and path[0] in broken:
                continue
            source.problem((*at, *path), _words(found, model, secrets))
        return None


def unknown_parameters(source: Source, model: type[BaseModel], data: dict[str, Any], at: Path) -> None:
    """Takes the entries that the model does not know out of `data`; each is a problem."""
    if model.model_config.get("extra") == "allow":
        return
    known = {*field_names(model), *(model.model_fields if model.model_config.get("populate_by_name") else ())}
    for name in [name for name in data if name not in known]:
        del data[name]
        source.problem((*at, name), "is not a known parameter" + hint(name, known))


def secret_texts(model: type[BaseModel], data: Mapping[str, Any]) -> set[str]:
    """The values in `data` that no text may quote, as far as types and names tell."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key in data and ("Secret" in repr(info.annotation) or looks_secret(key)):
            found.update(texts(data[key]))
    todo: list[Any] = [data]
    while todo:
        item = todo.pop()
        if isinstance(item, Mapping):
            found.update(t for key, v in item.items() if looks_secret(str(key)) for t in texts(v))
            todo += item.values()
        elif isinstance(item, (list, tuple)):
            todo += item
    return found


def _path(found: ErrorDetails, data: Any) -> Path:
    """The error's place in the data, without the names of branches that pydantic puts in between."""
    path: list[str | int] = []
    loc = found["loc"]
    for index, part in enumerate(loc):
        inside = isinstance(data, Mapping) and part in data
        inside = inside or (isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data))
        last = index == len(loc) - 1 and found["type"] in {"missing", "extra_forbidden"}
        if inside:
            data = data[part]
        if inside or last:
            path.append(part)
    return tuple(path)


def _words(found: ErrorDetails, model: type[BaseModel], secrets: set[str]) -> str:
    kind, message = found["type"], found["msg"]
    value = found["input"]
    if kind == "extra_forbidden":
        name = str(found["loc"][-1])
        return "is not a known parameter" + (hint(name, field_names(model)) if len(found["loc"]) == 1 else "")
    if kind == "missing" and found["loc"] and isinstance(found["loc"][-1], int):
        return "is missing: the list is too short"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in {"string_type", "string_sub_type"}:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "must be text" + (": put the number in quotes" if number else "")
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.replace("Input should be", "must be", 1)
    return message if kind in _OWN_WORDS else scrub(message, {*texts(value), *secrets})
