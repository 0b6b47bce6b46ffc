"""Immutability policies over the API: of an organization and of a repository."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld

from quayframe.data.tables import EventRow

PATHS = ["organization/acme/immutabilitypolicy/", "repository/acme/app/immutabilitypolicy/"]


@pytest.fixture
def api(make_api: ApiMaker) -> ApiWorld:
    made = make_api(FEATURE_IMMUTABLE_TAGS=True)
    boss = made.user("boss")
    assert boss.post("organization/", {"name": "acme", "email": "acme@example.com"}).status_code == 201
    body = {"namespace": "acme", "repository": "app", "visibility": "private", "description": ""}
    assert boss.post("repository", body).status_code == 201
    return made


@pytest.mark.parametrize("path", PATHS)
def test_policies_are_made_listed_changed_and_taken_away(api: ApiWorld, path: str) -> None:
    boss = api.user("boss")
    first = boss.post(path, {"tagPattern": "^v"})
    second = boss.post(path, {"tagPattern": "^v", "tagPatternMatches": False})
    assert (first.status_code, set(first.json), second.status_code) == (201, {"uuid"}, 201)

    one = {"uuid": first.json["uuid"], "tagPattern": "^v", "tagPatternMatches": True}
    assert boss.get(path).json["policies"] == [
        one,
        one | {"uuid": second.json["uuid"], "tagPatternMatches": False},
    ]
    assert boss.get(path + one["uuid"]).json == one
    changed = boss.put(path + one["uuid"], {"tagPattern": "^w"})
    assert (changed.status_code, changed.content) == (204, b"")
    assert boss.get(path + one["uuid"]).json == one | {"tagPattern": "^w"}
    gone = boss.delete(path + one["uuid"])
    assert (gone.status_code, gone.json) == (200, {"uuid": one["uuid"]})
    again = boss.delete(path + one["uuid"])
    assert (again.status_code, again.json["error_type"]) == (404, "not_found")
    assert boss.put(path + one["uuid"], {"tagPattern": "^w"}).status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"tagPattern": "^taken"}, "A policy with the same tag_pattern already exists"),
        ({"tagPattern": "[a"}, "Invalid regex pattern: missing ]: [a"),
        ({"tagPattern": ""}, "Invalid regex pattern: it is empty"),
        ({}, "'tagPattern' is a required property"),
        ({"tagPatternMatches": True}, "'tagPattern' is a required property"),
        ({"tagPattern": 5}, "5 is not of type 'string'"),
    ],
)
def test_what_is_no_policy_is_refused(api: ApiWorld, path: str, body: dict[str, Any], text: str) -> None:
    boss = api.user("boss")
    boss.post(path, {"tagPattern": "^taken"})
    other = boss.post(path, {"tagPattern": "^other"}).json["uuid"]

    for result in (boss.post(path, body), boss.put(path + other, body)):
        assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
        assert result.json["error_message"] == text


def test_each_change_is_an_event(api: ApiWorld) -> None:
    boss = api.user("boss")
    for path in PATHS:
        ident = boss.post(path, {"tagPattern": "^v"}).json["uuid"]
        boss.put(path + ident, {"tagPattern": "^w"})
        boss.delete(path + ident)

    rows = api.registry.db.rows(EventRow.select(EventRow.kind).order_by(EventRow.id))
    kinds = [kind for (kind,) in rows if "policy" in kind]
    assert kinds == [f"{verb}_immutability_policy" for verb in ("create", "update", "delete")] * 2


def test_the_paths_are_not_there_with_the_feature_off(make_api: ApiMaker) -> None:
    boss = make_api().user("boss")
    boss.post("organization/", {"name": "acme", "email": "acme@example.com"})

    assert boss.get(PATHS[0]).status_code == 404
