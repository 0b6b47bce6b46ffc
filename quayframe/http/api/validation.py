"""Bodies and queries: read, limited, checked against their models, refused in the words that clients know."""

from __future__ import annotations

import json
from typing import Any

import falcon
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from quayframe.errors import InvalidRequest, LayerTooLarge, MediaTypeUnsupported, Refused

from ..body import RequestBody

MOST_BYTES = 1024 * 1024
UNREADABLE = "The browser (or proxy) sent a request that this server could not understand."


class Body(BaseModel):
    """A JSON body. Types are not converted; keys that it does not name are passed over."""

    # Built when first used: a process that nobody asks for them need not hold a hundred validators.
    model_config = ConfigDict(
        strict=True, extra="ignore", populate_by_name=True, frozen=True, defer_build=True
    )

    def given(self, name: str) -> bool:
        """Whether the caller said anything of this field."""
        return name in self.model_fields_set


class Query(BaseModel):
    """Query parameters; a boolean is true, false, 1 or 0."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class BodyTooLarge(LayerTooLarge):
    code = "INVALID_REQUEST"
    shape = "message"
    message = f"a body has at most {MOST_BYTES} bytes"


_adapters: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    found = _adapters.get(kind)
    if found is None:
        found = _adapters[kind] = TypeAdapter(kind)
    return found


def read_body(kind: Any, req: falcon.Request, *, optional: bool) -> Any:
    """The checked body; None for none where it is optional.

    Raises MediaTypeUnsupported, Refused (no JSON), InvalidRequest (not of its schema), BodyTooLarge."""
    raw = _raw(req)
    if optional and not raw:
        return None
    media = str(req.content_type or "").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise MediaTypeUnsupported()
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(UNREADABLE) from None
    if value is None:
        raise InvalidRequest("Missing JSON body")
    if _has_nul(value):
        raise InvalidRequest("a NUL character has no place in a body")
    return check(kind, value)


def check(kind: Any, value: Any) -> Any:
    """The value as its type. Raises InvalidRequest, whose text begins as clients know it."""
    try:
        return adapter(kind).validate_python(value)
    except ValidationError as error:
        raise InvalidRequest(_first(error, value)) from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def read_query(kind: type[Query], req: falcon.Request) -> Any:
    """The checked query. Raises Refused, its message an object: parameter to what is wrong."""
    given = {}
    for name, field in kind.model_fields.items():
        key = field.alias or name
        values = req.get_param_as_list(key)
        if values:
            given[key] = values[-1]
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else "query"
        raise BadParameter(name, str(fault["msg"])) from None


class BadParameter(Refused):
    """A query parameter of the wrong type."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.message_object = {name: text}


def _raw(req: falcon.Request) -> bytes:
    body = RequestBody(req.env, limit=MOST_BYTES, too_large=BodyTooLarge)
    try:
        pieces = []
        while data := body.read(64 * 1024):
            pieces.append(data)
        return b"".join(pieces)
    finally:
        body.close()


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _has_nul(value: Any) -> bool:
    """A character that PostgreSQL stores nowhere; and half of one, which is no text at all."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\0" in item or any("\ud800" <= c <= "\udfff" for c in item):
                return True
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            todo += item
    return False


_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "is_instance_of": "object",
}


def _first(error: ValidationError, value: Any) -> str:
    """The first fault in Python-literal form: `'name' is a required property`."""
    faults = error.errors(include_url=False)
    missing = [f for f in faults if f["type"] == "missing" and len(f["loc"]) == 1]
    fault = missing[0] if missing else faults[0]
    kind, given = fault["type"], fault.get("input")
    context = fault.get("ctx", {})
    shown = _short(given)
    if kind == "missing":
        return f"'{fault['loc'][-1]}' is a required property"
    if kind in _TYPES:
        return f"{shown} is not of type '{_TYPES[kind]}'"
    if kind == "literal_error":
        return f"{shown} is not one of [{str(context.get('expected', '')).replace(' or ', ', ')}]"
    if kind == "string_too_long":
        return f"{shown} is too long"
    if kind in ("string_too_short", "too_short"):
        return f"{shown} is too short"
    if kind == "string_pattern_mismatch":
        return f"{shown} does not match '{context.get('pattern', '')}'"
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
