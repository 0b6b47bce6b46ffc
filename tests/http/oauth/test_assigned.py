"""Tokens that an organization's admin offers a user."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, Caller, Result
from oauth_world import LOCAL, OauthWorld, parts

NEW = {"response_type": "token", "redirect_uri": LOCAL, "scope": "user:read,repo:read"}


def assign(world: OauthWorld, caller: Caller | None = None, **changes: str | None) -> Result:
    query = world.query(**{**NEW, "username": "user", "format": "json", "state": "s", **changes})
    return (caller or world.owner).post("/oauth/authorize/assignuser", params=query)


@pytest.fixture
def offer(world: OauthWorld) -> dict[str, Any]:
    """What the user `user` is offered."""
    user = world.api.user("user")
    answer = assign(world)
    assert (answer.status_code, answer.json) == (200, {"message": "Token assigned successfully"})
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    (found,) = user.get("user/assignedauthorization").json["authorizations"]
    return dict(found)


def test_the_user_sees_what_is_offered(world: OauthWorld, offer: dict[str, Any]) -> None:
    assert set(offer) == {"application", "uuid", "redirectUri", "scopes", "responseType"}
    assert set(offer["application"]) == {
        "name", "clientId", "description", "url", "avatar", "organization",
    }  # fmt: skip
    assert offer["application"]["clientId"] == world.app["client_id"]
    assert (offer["redirectUri"], offer["responseType"]) == (LOCAL, "token")
    assert {scope["scope"] for scope in offer["scopes"]} == {"user:read", "repo:read"}
    assert world.owner.get("user/assignedauthorization").json == {"authorizations": []}


def test_the_user_agrees_once_in_its_own_name(world: OauthWorld, offer: dict[str, Any]) -> None:
    user = world.api.user("user")
    asked: dict[str, Any] = NEW | {"assignment_uuid": offer["uuid"]}
    assert world.authorize(user, **asked).status_code == 200

    _, _, fragment = parts(world.agree(user, **asked))

    assert world.api.bearer(fragment[0][1]).get("user/").json["username"] == "user"
    assert user.get("user/assignedauthorization").json == {"authorizations": []}
    assert world.agree(user, **asked).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "user:admin"},
        {"scope": "user:read repo:read repo:write"},
        {"redirect_uri": "https://app.example.com/cb"},
        {"response_type": "code"},
        {"assignment_uuid": "nonsense"},
    ],
)
def test_the_user_agrees_to_no_more_than_is_offered(
    world: OauthWorld, offer: dict[str, Any], changes: dict[str, str]
) -> None:
    asked: dict[str, Any] = NEW | {"assignment_uuid": offer["uuid"]} | changes

    assert world.authorize(world.api.user("user"), **asked).status_code == 403
    assert world.agree(world.api.user("user"), **asked).status_code == 403


def test_an_offer_is_one_user_s_and_one_application_s(world: OauthWorld, offer: dict[str, Any]) -> None:
    other = world.owner.post("organization/acme/applications", {"name": "other"}).json
    asked: dict[str, Any] = NEW | {"assignment_uuid": offer["uuid"]}

    assert world.agree(world.api.user("stranger"), **asked).status_code == 403
    assert world.agree(world.api.user("user"), **asked, client_id=other["client_id"]).status_code == 403


def test_an_offer_can_be_refused(world: OauthWorld, offer: dict[str, Any]) -> None:
    user, path = world.api.user("user"), f"user/assignedauthorization/{offer['uuid']}"
    assert world.api.user("stranger").delete(path).status_code == 404

    assert user.delete(path).status_code == 204

    assert user.delete(path).status_code == 404
    asked: dict[str, Any] = NEW | {"assignment_uuid": offer["uuid"]}
    assert world.agree(user, **asked).status_code == 403


def test_only_admins_offer_and_only_to_users_who_are_there(world: OauthWorld) -> None:
    user = world.api.user("user")

    assert assign(world, user).status_code == 403
    assert assign(world, world.api.anonymous).status_code == 401
    assert assign(world, username="nobody").status_code == 404
    assert assign(world, username="acme").status_code == 404
    assert assign(world, username=None).status_code == 404
    assert assign(world, redirect_uri="https://evil.example.com/").status_code == 400
    assert assign(world, scope="nosuch").status_code == 404
    assert assign(world, response_type="code").status_code == 400
    assert user.get("user/assignedauthorization").json == {"authorizations": []}


def test_an_offer_needs_the_csrf_token(world: OauthWorld) -> None:
    world.api.user("user")
    world.owner.csrf = "wrong"

    assert assign(world).status_code == 403


def test_without_the_feature_nothing_is_offered(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api(FEATURE_ASSIGN_OAUTH_TOKEN=False))
    world.api.user("user")

    assert assign(world).status_code == 404
    listed = world.owner.get("user/assignedauthorization")
    assert (listed.status_code, listed.json["error_type"]) == (404, "not_found")
