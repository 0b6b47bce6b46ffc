"""The description has every operation that clients of the API know, as they know it.

operations.json lists them: id, method, path, tag, scopes, query, body, statuses of success.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from described import operations
from openapi_spec_validator import OpenAPIV31SpecValidator

KNOWN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "operations.json").read_text())

ELSEWHERE = {
    # quotas
    "listOrganizationQuotaSuperUser", "createOrganizationQuotaSuperUser", "deleteOrganizationQuotaSuperUser",
    "changeOrganizationQuotaSuperUser", "listUserQuotaSuperUser", "createUserQuotaSuperUser",
    "deleteUserQuotaSuperUser", "changeUserQuotaSuperUser",
    # mirroring
    "changeRepoState",
    # the cache of other registries
    "deleteProxyCacheConfig", "getProxyCacheConfig", "createProxyCacheConfig", "validateProxyCacheConfig",
    # teams that follow groups
    "disableOrganizationTeamSync", "enableOrganizationTeamSync",
    # logs, builds and notifications
    "listAllLogs", "listAllAggregateLogs",
    "getRepoBuildSuperUser", "getRepoBuildLogsSuperUser", "getRepoBuildLogsArchiveSuperUser",
    "getRepoBuildStatusSuperUser",
    "listUserNotifications", "getUserNotification", "updateUserNotification",
}  # fmt: skip
"""The only operations of these tags that belong to other parts of the registry."""

HERE = [known for known in KNOWN if known["id"] not in ELSEWHERE]
EVERYTHING: dict[str, Any] = {
    "FEATURE_MAILING": True,
    "FEATURE_SUPERUSER_CONFIGDUMP": True,
    "FEATURE_ASSIGN_OAUTH_TOKEN": True,
    "FEATURE_USER_METADATA": True,
    "FEATURE_AUTO_PRUNE": True,
    "FEATURE_IMMUTABLE_TAGS": True,
    "FEATURE_IMAGE_PULL_STATS": True,
    "PERMANENTLY_DELETE_TAGS": True,
}


@pytest.fixture
def everything(make_api: ApiMaker) -> ApiWorld:
    return make_api(**EVERYTHING)


@pytest.fixture
def description(everything: ApiWorld) -> dict[str, Any]:
    return described(everything, internal=True)


def described(api: ApiWorld, *, internal: bool = False) -> dict[str, Any]:
    result = api.bare.get("discovery", params={"internal": "true"} if internal else {})
    document: dict[str, Any] = result.json
    return document


def test_no_operation_is_missing(description: dict[str, Any]) -> None:
    missing = {known["id"] for known in HERE} - set(operations(description))

    assert sorted(missing) == []


def test_what_belongs_elsewhere_is_known() -> None:
    assert {known["id"] for known in KNOWN} >= ELSEWHERE


def test_each_operation_is_where_clients_look_for_it(description: dict[str, Any]) -> None:
    found = operations(description)
    moved = {
        known["id"]: f"{one['method']} {one['path']} {one['tags']}"
        for known in HERE
        if (one := found.get(known["id"]))
        and (one["method"], one["path"], one["tags"]) != (known["method"], known["path"], [known["tag"]])
    }

    assert moved == {}


def test_each_operation_asks_for_the_scopes_that_clients_know(description: dict[str, Any]) -> None:
    found = operations(description)
    other = {
        known["id"]: scopes
        for known in HERE
        if known["id"] in found
        and known["scopes"]
        and (scopes := oauth_scopes(found[known["id"]])) != set(known["scopes"])
    }

    assert other == {}


def oauth_scopes(one: dict[str, Any]) -> set[str]:
    return {scope for way in one["security"] for scope in way.get("oauth2", [])}


def test_each_operation_takes_the_query_that_clients_send(description: dict[str, Any]) -> None:
    found = operations(description)
    faults = [
        f"{known['id']}: {fault}"
        for known in HERE
        if known["id"] in found
        for fault in query_faults(known["query"], found[known["id"]]["parameters"])
    ]

    assert faults == []


def query_faults(known: list[dict[str, Any]], parameters: list[dict[str, Any]]) -> Iterator[str]:
    given = {one["name"]: one for one in parameters if one["in"] == "query"}
    for parameter in known:
        name = parameter["name"]
        if name not in given:
            yield f"{name} is missing"
            continue
        if given[name]["required"] != parameter["required"]:
            yield f"{name}: required is {given[name]['required']}"
        if given[name]["schema"].get("type") != parameter["type"]:
            yield f"{name} is {given[name]['schema']}"
    yield from (
        f"{name} is required" for name, one in given.items() if one["required"] and not known_as(name, known)
    )


def known_as(name: str, known: list[dict[str, Any]]) -> bool:
    return any(parameter["name"] == name for parameter in known)


def test_each_operation_takes_the_body_that_clients_send(description: dict[str, Any]) -> None:
    found = operations(description)
    faults = [
        f"{known['id']}: {fault}"
        for known in HERE
        if known["id"] in found
        for fault in body_faults(known["body"], found[known["id"]], description)
    ]

    assert faults == []


def body_faults(known: dict[str, Any] | None, one: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    body = one.get("requestBody")
    if known is None:
        if body is not None and body["required"]:
            yield "takes a body"
        return
    if body is None:
        yield "takes no body"
        return
    yield from schema_faults(known, body["content"]["application/json"]["schema"], document, "body")


def schema_faults(
    known: dict[str, Any], given: dict[str, Any], document: dict[str, Any], where: str
) -> Iterator[str]:
    given = resolved(given, document)
    # Null where the key may as well be left out is more than clients ask for.
    if types(known) | {"null"} != (found := types(given)) | {"null"} or not types(known) <= found:
        yield f"{where} is {sorted(found)}"
    if values(known) != values(given):
        yield f"{where} is one of {sorted(map(str, values(given)))}"
    if set(known.get("required", [])) != (required := set(given.get("required", []))):
        yield f"{where} requires {sorted(required)}"
    for name, inner in known.get("properties", {}).items():
        if name in given.get("properties", {}):
            yield from schema_faults(inner, given["properties"][name], document, f"{where}.{name}")
        else:
            yield f"{where}.{name} is missing"
    if "items" in known:
        yield from schema_faults(known["items"], given.get("items", {}), document, f"{where}[]")


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Without `$ref`, and a union with null as the type with a list of names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(document["components"]["schemas"][name], document)
    either = [resolved(kind, document) for kind in schema.get("anyOf", [])]
    kinds = [kind for kind in either if kind.get("type") != "null"]
    if len(kinds) == 1:
        return {**kinds[0], "type": [*types(kinds[0]), "null"]}
    return schema


def types(schema: dict[str, Any]) -> set[str]:
    if "anyOf" in schema:
        found = set().union(*(types(kind) for kind in schema["anyOf"]))
        # JSON's integers are numbers.
        return found - {"integer"} if "number" in found else found
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def values(schema: dict[str, Any]) -> set[Any]:
    listed = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return {value for value in listed if value is not None}


def test_each_operation_answers_with_the_status_that_clients_expect(description: dict[str, Any]) -> None:
    found = operations(description)
    other = {
        known["id"]: sorted(answers)
        for known in HERE
        if known["id"] in found
        and not {str(status) for status in known["success"]}
        <= (answers := set(found[known["id"]]["responses"]))
    }

    assert other == {}


def test_what_is_internal_is_shown_only_to_who_asks(everything: ApiWorld) -> None:
    whole = set(operations(described(everything, internal=True)))
    hidden = whole - set(operations(described(everything)))
    internal = {known["id"] for known in HERE if known["internal"]} & whole

    assert hidden & {known["id"] for known in HERE} == internal


@pytest.mark.parametrize(
    ("key", "ident"),
    [
        ("FEATURE_SUPERUSER_CONFIGDUMP", "getConfigDump"),
        ("FEATURE_MAILING", "requestRecoveryEmail"),
        ("FEATURE_APP_SPECIFIC_TOKENS", "createAppToken"),
        ("FEATURE_SUPER_USERS", "listAllUsers"),
    ],
)
def test_what_is_off_is_left_out(make_api: ApiMaker, key: str, ident: str) -> None:
    api = make_api(**(EVERYTHING | {key: False}))

    assert ident not in operations(described(api, internal=True))


@pytest.mark.parametrize("internal", [False, True])
def test_the_description_is_valid_openapi(everything: ApiWorld, internal: bool) -> None:
    errors = list(OpenAPIV31SpecValidator(described(everything, internal=internal)).iter_errors())

    assert errors == []


def test_the_description_names_the_address_that_was_asked(everything: ApiWorld) -> None:
    document = described(everything)

    assert document["servers"] == [{"url": "http://registry.test"}]
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    assert flows["implicit"]["authorizationUrl"] == "http://registry.test/oauth/authorize"
    assert "base.invalid" not in json.dumps(document)


def test_every_answer_with_a_body_has_a_schema(description: dict[str, Any]) -> None:
    bare = [
        f"{ident} {status}"
        for ident, one in operations(description).items()
        for status, answer in one["responses"].items()
        if status == "200"
        and "application/json" not in answer.get("content", {})
        and not answer.get("content")
    ]

    # Their body is empty.
    assert set(bare) <= {"logout 200"}
