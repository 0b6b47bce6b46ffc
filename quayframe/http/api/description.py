"""The description of the API, OpenAPI 3.1, made of the operations themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .operation import Operation, Resource
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
_REFS = "#/components/schemas/{model}"
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
_DRY_RUN = {
    "title": "DryRun",
    "type": "object",
    "required": ["dry_run", "events"],
    "properties": {"dry_run": {"const": True}, "events": {"type": "array", "items": {"type": "object"}}},
}


def describe(resources: Iterable[Resource], base_url: str, *, internal: bool) -> dict[str, Any]:
    """The whole document.

    :param resources: those that are on.
    :param internal: also operations that are left out otherwise.
    """
    schemas: dict[str, Any] = {"ApiError": _ERROR, "DryRun": _DRY_RUN}
    paths: dict[str, Any] = {}
    tags: set[str] = set()
    for resource in resources:
        for method, declared in resource.operations.items():
            if method == "HEAD" or (declared.internal and not internal):
                continue
            tags.add(declared.tag)
            paths.setdefault(resource.path, {})[method.lower()] = _operation(
                declared, method, resource.path, schemas
            )
    authorize = {
        "implicit": {"authorizationUrl": f"{base_url}/oauth/authorize", "scopes": SCOPES},
        "authorizationCode": {
            "authorizationUrl": f"{base_url}/oauth/authorize",
            "tokenUrl": f"{base_url}/oauth/access_token",
            "scopes": SCOPES,
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Quayframe API",
            "version": "v1",
            "description": "Everything that this registry can be asked to do, but for the registry protocol.",
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": tag} for tag in sorted(tags)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "oauth2": {"type": "oauth2", "flows": authorize},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(declared: Operation, method: str, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if declared.query is not None:
        parameters += _query(declared.query.model_json_schema())
    changes = method != "GET"
    if changes and declared.dry_run:
        parameters.append(
            {
                "name": "dry_run",
                "in": "query",
                "required": False,
                "description": "1: do everything, tell the events, undo it all.",
                "schema": {"type": "string", "enum": ["1", "true"]},
            }
        )
    made: dict[str, Any] = {
        "operationId": declared.ident,
        "tags": [declared.tag],
        "summary": declared.summary,
        "parameters": parameters,
        "responses": _responses(declared, schemas, changes),
        "security": _security(declared),
    }
    if declared.body is not None:
        made["requestBody"] = {
            "required": not declared.body_optional,
            "content": {"application/json": {"schema": _schema(declared.body, schemas)}},
        }
    return made


def _security(declared: Operation) -> list[dict[str, list[str]]]:
    if not declared.scopes:
        return [{}, {"bearer": []}]
    return [{"oauth2": list(declared.scopes)}, {"bearer": []}]


def _responses(declared: Operation, schemas: dict[str, Any], changes: bool) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if declared.answer is not None:
        success["content"] = {"application/json": {"schema": _schema(declared.answer, schemas, answer=True)}}
    responses = {str(declared.status): success}
    if changes and declared.dry_run:
        dry = {"$ref": _REFS.format(model="DryRun")}
        if declared.status == 200 and declared.answer is not None:
            content = success["content"]["application/json"]
            content["schema"] = {"anyOf": [content["schema"], dry]}
        else:
            responses["200"] = {
                "description": "What a dry run would have done.",
                "content": {"application/json": {"schema": dry}},
            }
    fault = {
        "description": "A fault.",
        "content": {"application/json": {"schema": {"$ref": _REFS.format(model="ApiError")}}},
    }
    return responses | {"default": fault}


def _schema(kind: Any, schemas: dict[str, Any], *, answer: bool = False) -> dict[str, Any]:
    mode: Any = "serialization" if answer else "validation"
    made = adapter(kind).json_schema(ref_template=_REFS, mode=mode)
    schemas.update(made.pop("$defs", {}))
    title = made.get("title")
    if made.get("type") == "object" and title:
        schemas[title] = made
        return {"$ref": _REFS.format(model=title)}
    return dict(made)


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": value.get("description", ""),
            "schema": {k: v for k, v in value.items() if k not in ("title", "description")},
        }
        for name, value in schema.get("properties", {}).items()
    ]
