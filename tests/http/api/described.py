"""The published description as a judge of answers: objects may have no key that it does not name."""

from __future__ import annotations

import copy
from typing import Any

from openapi_schema_validator import OAS31Validator

_JSON = "application/json"


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """A copy in which the objects of answers are closed; bodies stay as they are, and so do faults, which
    may say more than a client needs."""
    made = copy.deepcopy(document)
    shared = made["components"]["schemas"]
    todo = [content for one in operations(made).values() for content in _answers(one)]
    seen: set[str] = set()
    while todo:
        schema = todo.pop()
        if isinstance(schema, list):
            todo += schema
        elif isinstance(schema, dict):
            if name := str(schema.get("$ref", "")).rpartition("/")[2]:
                if name not in seen and name not in ("ApiError", "DryRun"):
                    seen.add(name)
                    todo.append(shared[name])
            elif "properties" in schema:
                schema.setdefault("additionalProperties", False)
            todo += schema.values()
    return made


def _answers(one: dict[str, Any]) -> list[Any]:
    return [answer["content"] for answer in one["responses"].values() if "content" in answer]


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By id, each with its method and path."""
    return {
        one["operationId"]: {**one, "method": method.upper(), "path": path}
        for path, item in document["paths"].items()
        for method, one in item.items()
    }


def faults(document: dict[str, Any], ident: str, status: int, media: str | None, body: Any) -> list[str]:
    """What of an answer the description does not say.

    :param media: its content type, without parameters; None for an empty body.
    :param body: parsed, where it is JSON.
    """
    answer = operations(document)[ident]["responses"].get(str(status))
    if answer is None:
        return [f"answers {status}"]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    content = answer.get("content", {})
    if media is None or not content:
        return [] if media is None and not content else [f"{status}: {media}, not {sorted(content)}"]
    if media not in content:
        return [f"{status}: {media}, not {sorted(content)}"]
    if media != _JSON:
        return []
    schema = {"components": document["components"], **content[media].get("schema", {})}
    return [f"{error.json_path}: {error.message[:300]}" for error in OAS31Validator(schema).iter_errors(body)]
