"""What can be asked of a configuration: its JSON Schema, its values with secrets masked, one key."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..errors import ConfigError
from .catalogue import Catalogue, EngineModels, ProviderKeys, field_names, field_of
from .loading import Loaded
from .mask import plain
from .problems import hint
from .settings import Settings
from .types import MASK, Duration, Size

_REFERENCE = {
    "description": "The value of an environment variable, or the content of a file.",
    "anyOf": [
        {
            "type": "object",
            "properties": {kind: {"type": "string"}},
            "required": [kind],
            "additionalProperties": False,
        }
        for kind in ("env", "file")
    ],
}


def schema(provider_keys: Sequence[ProviderKeys] = (), engines: EngineModels | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of config.yaml: the core's keys, the providers', the engines' parameters."""
    # only this command needs it, and every process would pay for its import
    from pydantic.json_schema import models_json_schema

    models: dict[type[BaseModel], None] = dict.fromkeys(
        [Settings, *(p.model for p in provider_keys), *(engines or {}).values()]
    )
    refs, whole = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: dict[str, Any] = whole.get("$defs", {})

    def definition(model: type[BaseModel]) -> dict[str, Any]:
        name: str = refs[(model, "validation")]["$ref"].removeprefix("#/$defs/")
        found: dict[str, Any] = definitions[name]
        return found

    properties: dict[str, Any] = {}
    patterns: dict[str, Any] = {}
    for provider in provider_keys:
        part = definition(provider.model)
        properties |= part.get("properties", {})
        if isinstance(part.get("additionalProperties"), dict):
            open_keys = [pattern for pattern in provider.patterns if "*" in pattern]
            patterns |= {_regex(pattern): part["additionalProperties"] for pattern in open_keys}
    properties |= definition(Settings)["properties"]
    if engines:
        properties["DISTRIBUTED_STORAGE_CONFIG"] = {
            **properties["DISTRIBUTED_STORAGE_CONFIG"],
            "anyOf": [_locations(engines, refs), {"type": "null"}],
        }
    used = {refs[(p.model, "validation")]["$ref"].removeprefix("#/$defs/") for p in provider_keys}
    used.add("Settings")
    kept = {name: value for name, value in definitions.items() if name not in used}
    result: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.yaml",
        "type": "object",
        "properties": {name: _referable(part) for name, part in sorted(properties.items())},
        "$defs": {**{name: _inner(part) for name, part in kept.items()}, "Reference": _REFERENCE},
    }
    if patterns:
        result["patternProperties"] = {name: _referable(part) for name, part in patterns.items()}
    return result


def _regex(pattern: str) -> str:
    return "^" + pattern.replace("*", ".*") + "$"


def _locations(engines: EngineModels, refs: Any) -> dict[str, Any]:
    entries = [
        {
            "type": "array",
            "prefixItems": [{"const": name}, refs[(model, "validation")]],
            "minItems": 2,
            "maxItems": 2,
        }
        for name, model in sorted(engines.items())
    ]
    return {"type": "object", "additionalProperties": {"anyOf": entries}}


def _referable(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, or of a reference in its place."""
    outer: dict[str, Any] = {key: part[key] for key in ("title", "description", "default") if key in part}
    core = {key: value for key, value in _inner(part).items() if key not in outer}
    return {**outer, "anyOf": [core, {"$ref": "#/$defs/Reference"}]}


def _inner(part: dict[str, Any]) -> dict[str, Any]:
    result = dict(part)
    for key in ("properties", "patternProperties"):
        if key in part:
            result[key] = {name: _referable(value) for name, value in part[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            result[key] = _referable(part[key])
    if "prefixItems" in part:
        result["prefixItems"] = [_referable(value) for value in part["prefixItems"]]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in part:
            result[key] = [_inner(value) for value in part[key]]
    return result


def dump(loaded: Loaded) -> dict[str, Any]:
    """Every key with the value in force, as plain data, secrets as `********`."""
    values = {key: value for key in loaded.raw if (value := _raw(loaded, key)) is not None}
    for model in loaded.providers.values():
        values |= plain(model)
    values |= _settings(loaded)
    return dict(sorted(values.items()))


def dump_yaml(loaded: Loaded) -> str:
    """`dump` as YAML."""
    text: str = yaml.safe_dump(dump(loaded), allow_unicode=True, sort_keys=False, width=100)
    return text


def _raw(loaded: Loaded, key: str) -> Any:
    return plain({key: loaded.raw[key]}, loaded.references)[key]


def _settings(loaded: Loaded) -> dict[str, Any]:
    """The core's keys. Data that no model types is masked as `plain` does, and where it came by a
    reference; storage parameters by their engines' models where these are known."""
    values: dict[str, Any] = {}
    for key in Settings.model_fields:
        value = getattr(loaded.settings, key)
        untyped = isinstance(value, dict) or key == "HEALTH_CHECKER"
        values[key] = plain(value, loaded.references if untyped else (), (key,))
    for name, entry in loaded.storage.items():
        typed = plain(entry.config)
        shown = values["DISTRIBUTED_STORAGE_CONFIG"][name][1]
        for parameter in shown:
            if typed.get(parameter) == MASK:
                shown[parameter] = MASK
    return values


def explain(key: str, loaded: Loaded) -> str:
    """What a key is: type, default, whose it is, description, its value now (masked).

    Raises ConfigError for a key that is not known.
    """
    catalogue = loaded.catalogue
    info = catalogue.core.get(key)
    value = "not set"
    if info is not None:
        owner = "the registry"
        value = _show(_settings(loaded)[key])
    elif owners := catalogue.owners(key):
        owner = "the plugin provider " + ", ".join(provider.provider for provider in owners)
        info = field_of(owners[0].model, key)
        made = loaded.providers.get(owners[0].model)
        if made is not None and key in plain(made):
            value = _show(plain(made)[key])
    elif catalogue.not_built(key):
        shown = f"\nvalue: {_show(_raw(loaded, key))}" if key in loaded.raw else ""
        return f"{key}\nnot built yet: accepted and without effect{shown}"
    else:
        raise ConfigError(f"{key} is not a known key" + hint(key, catalogue.names()))
    lines = [key, f"whose: {owner}"]
    if info is not None:
        lines += [f"type: {type_name(info)}", f"default: {default_text(info)}"]
        lines += textwrap.wrap(info.description or "")
    return "\n".join([*lines, f"value: {value}"])


def _show(value: Any) -> str:
    if isinstance(value, (dict, list)) and value:
        text: str = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000)
        return text.strip()
    return (
        "not set" if value is None else "true" if value is True else "false" if value is False else f"{value}"
    )


def default_text(info: FieldInfo) -> str:
    """The default as one would write it; `none` for a key that is simply not set."""
    if info.is_required():
        return "(required)"
    value = plain(info.get_default(call_default_factory=True, validated_data={}))
    return "none" if value is None else _show(value)


def type_name(info: FieldInfo) -> str:
    """The key's type in a reader's words."""
    return _type(info.annotation).removesuffix(" or none")


def _type(annotation: Any) -> str:
    simple = {
        bool: "true or false", int: "whole number", float: "number", str: "text", dict: "mapping",
        type(None): "none", Duration: "duration", Size: "size",
    }  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    name = getattr(annotation, "__name__", "")
    if "Secret" in name:
        return "text (secret)"
    if name == "DatabaseUri":
        return "URI (password masked)"
    origin, parts = get_origin(annotation), get_args(annotation)
    if getattr(origin, "__name__", "") == "Annotated" or hasattr(annotation, "__metadata__"):
        return _type(parts[0])
    if str(annotation).startswith("typing.Literal"):
        return " or ".join(map(str, parts))
    if origin in (tuple, list, set, frozenset):
        inner = dict.fromkeys(_type(part) for part in parts if part is not Ellipsis)
        return "list of " + ", ".join(inner)
    if origin is dict:
        return "mapping"
    if parts:
        return " or ".join(dict.fromkeys(_type(part) for part in parts))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping of " + ", ".join(field_names(annotation))
    return {"IPv4Network": "network", "IPv6Network": "network"}.get(name, "any value")


def catalogue_of(provider_keys: Sequence[ProviderKeys], engines: EngineModels | None) -> Loaded:
    """A configuration in which nothing is set, to explain keys without a file."""
    return Loaded(Settings(), catalogue=Catalogue.of(provider_keys, engines))
