"""The description of the API, OpenAPI 3.1, made of the operations themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from .operation import DRY_RUN_VALUES, Operation, Resource
from .validation import adapter

SCOPES = {
    "repo:read": "View all visible repositories",
    "repo:write": "Read/Write to any accessible repositories",
    "repo:admin": "Administer Repositories",
    "repo:create": "Create Repositories",
    "user:read": "Read User Information",
    "user:admin": "Administer User",
    "org:admin": "Administer Organization",
    "super:user": "Super User Access",
}
_SCHEMAS = "#/components/schemas/"
_FAULTS = "#/components/responses/"
_JSON = "application/json"
_ERROR = {
    "title": "ApiError",
    "type": "object",
    "description": "A fault: typed, or with a message alone, or (CSRF) with an error alone.",
    "anyOf": [{"required": ["error_type"]}, {"required": ["message"]}, {"required": ["error"]}],
    "properties": {
        "status": {"type": "integer"},
        "type": {"type": "string"},
        "detail": {"type": "string"},
        "title": {"type": "string"},
        "error_message": {"type": "string"},
        "error_type": {"type": "string"},
        "request_id": {"type": "string"},
        "message": {"type": ["string", "object", "null"]},
        "error": {"type": "string"},
    },
}
_EVENT = {
    "title": "DryRunEvent",
    "type": "object",
    "description": "What would stand in the usage log. Secrets are masked.",
    "required": ["kind", "namespace", "repository", "performer", "metadata"],
    "properties": {
        "kind": {"type": "string"},
        "namespace": {"type": ["string", "null"]},
        "repository": {"type": ["string", "null"]},
        "performer": {"type": ["string", "null"]},
        "metadata": {"type": "object"},
    },
}
_DRY_RUN = {
    "title": "DryRun",
    "type": "object",
    "required": ["dry_run", "events"],
    "properties": {
        "dry_run": {"const": True},
        "events": {"type": "array", "items": {"$ref": f"{_SCHEMAS}DryRunEvent"}},
    },
}
FAULTS = {
    400: "The request has a fault that its text names.",
    401: "Nobody is signed in, and the token is missing or no longer good.",
    403: "Whoever asks may not do this; or the CSRF token or a fresh log-in is missing.",
    404: "There is no such thing, or the feature is off.",
    405: "This cannot be done to such a thing.",
    409: "Somebody else was first, or the state of things does not allow it.",
    410: "This is no longer supported.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    429: "Too many attempts; Retry-After says when to come again.",
    501: "What the registry is set up with cannot do this.",
    503: "The registry cannot do this now; Retry-After says when to come again.",
}


def describe(
    resources: Iterable[Resource],
    base_url: str,
    *,
    internal: bool,
    is_on: Callable[[Operation], bool] = lambda declared: True,
    cookie: str = "session",
) -> dict[str, Any]:
    """The whole document.

    :param internal: also operations that are left out otherwise.
    :param is_on: whether an operation's feature is.
    :param cookie: the name of the browser session's.
    """
    shown = [
        (resource.path, method, declared)
        for resource in resources
        for method, declared in resource.operations.items()
        if method != "HEAD" and is_on(declared) and (internal or not declared.internal)
    ]
    schemas = _Schemas(declared for _, _, declared in shown)
    paths: dict[str, Any] = {}
    for path, method, declared in shown:
        paths.setdefault(path, {})[method.lower()] = _operation(declared, method, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Quayframe API",
            "version": "v1",
            "description": "Everything that this registry can be asked to do, but for the registry protocol.",
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": tag} for tag in sorted({declared.tag for _, _, declared in shown})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"ApiError": _ERROR, "DryRun": _DRY_RUN, "DryRunEvent": _EVENT, **schemas.shared},
            "responses": {_fault(status): _fault_response(text) for status, text in FAULTS.items()},
            "securitySchemes": _security_schemes(base_url, cookie),
        },
    }


class _WithoutTitles(GenerateJsonSchema):
    """A property's title that only repeats its name says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _Schemas:
    """The schemas of bodies and answers. Two of one name, from two modules, are told apart by these."""

    def __init__(self, declared: Iterable[Operation]) -> None:
        wanted: dict[tuple[int, JsonSchemaMode], TypeAdapter[Any]] = {}
        for one in declared:
            if one.body is not None:
                wanted[id(one.body), "validation"] = adapter(one.body)
            if one.answer is not None and one.answer is not bytes:
                wanted[id(one.answer), "serialization"] = adapter(one.answer)
        made, document = TypeAdapter.json_schemas(
            [(key, mode, kind) for (key, mode), kind in wanted.items()],
            ref_template=f"{_SCHEMAS}{{model}}",
            schema_generator=_WithoutTitles,
        )
        self._made = {key: _renamed(schema) for key, schema in made.items()}
        shared = document.get("$defs", {})
        # Generators name classes by the title: two of one title would be one class.
        self.shared = {
            (short := _short(name)): {**_renamed(schema), "title": short}
            for name, schema in sorted(shared.items())
        }

    def body(self, kind: Any) -> Any:
        return self._made[id(kind), "validation"]

    def answer(self, kind: Any) -> Any:
        return self._made[id(kind), "serialization"]


def _short(name: str) -> str:
    """`TeamsTeamView` for a name that has to have its module: `quayframe__http__api__teams__TeamView`. Only
    letters: generators of clients make class names of them."""
    *modules, last = name.replace("-", "").split("__")
    return "".join(word.capitalize() for module in modules[-1:] for word in module.split("_")) + last


def _renamed(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: f"{_SCHEMAS}{_short(value.removeprefix(_SCHEMAS))}" if key == "$ref" else _renamed(value)
            for key, value in schema.items()
        }
    return [_renamed(item) for item in schema] if isinstance(schema, list) else schema


def _operation(declared: Operation, method: str, path: str, schemas: _Schemas) -> dict[str, Any]:
    # What is always refused has nothing to rehearse.
    changes = method != "GET" and declared.status < 400
    parameters = [_path_parameter(name) for name in re.findall(r"\{(\w+)\}", path)]
    if declared.query is not None:
        parameters += _query(declared.query.model_json_schema(schema_generator=_WithoutTitles))
    if changes and declared.dry_run:
        parameters.append(
            {
                "name": "dry_run",
                "in": "query",
                "required": False,
                "description": "1 or true: do everything, tell the events, undo it all.",
                "schema": {"type": "string", "enum": list(DRY_RUN_VALUES)},
            }
        )
    made: dict[str, Any] = {
        "operationId": declared.ident,
        "tags": [declared.tag],
        "summary": declared.summary,
        "parameters": parameters,
        "responses": _responses(declared, schemas, path, changes),
        "security": _security(declared),
    }
    if declared.body is not None:
        made["requestBody"] = {
            "required": not declared.body_optional,
            "content": {_JSON: {"schema": schemas.body(declared.body)}},
        }
    return made


def _path_parameter(name: str) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": "path", "required": True}
    if name == "repository":
        # OpenAPI has no parameter that spans segments; clients send the slash as %2F.
        made |= {"description": "`namespace/name`", "example": "devtable/simple"}
    return made | {"schema": {"type": "string", "minLength": 1}}


def _security(declared: Operation) -> list[dict[str, list[str]]]:
    known: list[dict[str, list[str]]] = [{"oauth2": list(declared.scopes)}, {"bearer": []}, {"session": []}]
    return [{}, *known] if declared.need.anonymous else known


def _security_schemes(base_url: str, cookie: str) -> dict[str, Any]:
    authorize = f"{base_url}/oauth/authorize"
    return {
        "oauth2": {
            "type": "oauth2",
            "flows": {
                "implicit": {"authorizationUrl": authorize, "scopes": SCOPES},
                "authorizationCode": {
                    "authorizationUrl": authorize,
                    "tokenUrl": f"{base_url}/oauth/access_token",
                    "scopes": SCOPES,
                },
            },
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "An OAuth token."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "A browser's session; a change needs its CSRF token in X-CSRF-Token as well.",
        },
    }


def _responses(declared: Operation, schemas: _Schemas, path: str, changes: bool) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if declared.answer is bytes:
        success["content"] = {kind: {} for kind in declared.media}
    elif declared.answer is not None:
        success["content"] = {_JSON: {"schema": schemas.answer(declared.answer)}}
    made = {declared.status: success}
    made |= {status: success for status in declared.also if status < 400}
    if changes and declared.dry_run:
        dry = {"$ref": f"{_SCHEMAS}DryRun"}
        if 200 in made and _JSON in success.get("content", {}):
            either = {"anyOf": [success["content"][_JSON]["schema"], dry]}
            made[200] = {**success, "content": {**success["content"], _JSON: {"schema": either}}}
        else:
            text = "What a dry run would have done."
            made[200] = {"description": text, "content": {_JSON: {"schema": dry}}}
    faults = {400, 401, 403, 503} | {status for status in declared.also if status >= 400}
    if "{" in path or declared.feature is not None:
        faults.add(404)
    if declared.body is not None:
        # 404: of what the body names.
        faults |= {404, 413, 415}
    made |= {status: {"$ref": f"{_FAULTS}{_fault(status)}"} for status in faults if status not in made}
    return {str(status): made[status] for status in sorted(made)}


def _fault(status: int) -> str:
    return f"Fault{status}"


def _fault_response(text: str) -> dict[str, Any]:
    return {"description": text, "content": {_JSON: {"schema": {"$ref": f"{_SCHEMAS}ApiError"}}}}


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    shared = schema.get("$defs", {})
    made = []
    for name, value in schema.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in required}
        if text := value.get("description"):
            parameter["description"] = text
        made.append({**parameter, "schema": _query_schema(value, shared)})
    return made


def _query_schema(value: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not given has no value at all: null is no text that one could send."""
    if "$ref" in value:
        value = shared[value["$ref"].rpartition("/")[2]] | value
    kept = {k: v for k, v in value.items() if k not in ("title", "description", "$ref")}
    kinds = [kind for kind in kept.pop("anyOf", []) if kind != {"type": "null"}]
    if kept.get("default", 0) is None:
        del kept["default"]
    if len(kinds) == 1:
        return _query_schema(kinds[0], shared) | kept
    return kept | ({"anyOf": [_query_schema(kind, shared) for kind in kinds]} if kinds else {})
