"""A code becomes a token: once, for its application, with what was granted."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from oauth_world import CALLBACK, OauthWorld, basic

from quayframe.data.tenancy import OauthCode

NO_CACHE = "no-cache, no-store, must-revalidate"


def test_a_code_becomes_a_token_once(world: OauthWorld) -> None:
    code = world.code(scope="user:read")

    answer = world.exchange(code, scope="user:read")

    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert re.fullmatch("[A-Za-z0-9]{40}", answer.json["access_token"])
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 315_576_000)
    assert answer.json["refresh_token"] is None
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["cache-control"] == NO_CACHE
    assert world.api.bearer(answer.json["access_token"]).get("user/").json["username"] == "owner"
    again = world.exchange(code, scope="user:read")
    assert (again.status_code, again.json) == (400, {"error": "invalid_grant"})
    assert again.headers["cache-control"] == NO_CACHE


def test_of_many_who_bring_a_code_at_once_one_gets_the_token(world: OauthWorld) -> None:
    code = world.code()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: world.exchange(code).status_code, range(8)))

    assert statuses == [200] + [400] * 7


def test_a_wrong_secret_does_not_use_the_code_up(world: OauthWorld) -> None:
    code = world.code()

    for changes in ({"client_secret": "wrong"}, {"client_secret": None}, {"client_id": "NOSUCH"}):
        answer = world.exchange(code, **changes)
        assert (answer.status_code, answer.json) == (400, {"error": "invalid_client"})
    assert world.exchange(code).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"code": "A" * 40}, "invalid_grant"),
        ({"redirect_uri": f"{CALLBACK}/other"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example.com/"}, "invalid_request"),
        ({"scope": "repo:write"}, "invalid_grant"),
        ({"scope": "nosuch"}, "invalid_scope"),
    ],
)
def test_a_code_is_good_for_what_was_granted_alone(
    world: OauthWorld, changes: dict[str, str], error: str
) -> None:
    code = world.code()

    answer = world.exchange(**{"code": code, **changes})

    assert (answer.status_code, answer.json) == (400, {"error": error})


def test_a_code_of_another_application_is_no_grant(world: OauthWorld) -> None:
    code = world.code()
    said = {"name": "other", "redirect_uri": CALLBACK}
    other = world.owner.post("organization/acme/applications", said).json

    answer = world.exchange(code, client_id=other["client_id"], client_secret=other["client_secret"])

    assert answer.json == {"error": "invalid_grant"}
    assert world.exchange(code).status_code == 200


def test_a_code_lives_ten_minutes(world: OauthWorld) -> None:
    code = world.code()
    left = OauthCode.update(expires_ms=OauthCode.expires_ms - 600_000)
    world.api.registry.db.write(lambda tx: tx.run(left))

    assert world.exchange(code).json == {"error": "invalid_grant"}


def test_a_code_of_a_disabled_user_is_no_grant(world: OauthWorld) -> None:
    code = world.code()
    world.api.admin.put("superuser/users/owner", {"enabled": False})

    assert world.exchange(code).json == {"error": "invalid_grant"}


def test_the_secret_may_come_by_basic_header(world: OauthWorld) -> None:
    for name, secret, status in (
        (world.app["client_id"], world.app["client_secret"], 200),
        ("NOSUCH", world.app["client_secret"], 400),
        (world.app["client_id"], "wrong", 400),
        ("\xff", "\xff", 400),
    ):
        query = world.query(grant_type="authorization_code", code=world.code())
        answer = world.api.bare.do(
            "POST", "/oauth/access_token", params=query, headers=basic(name, secret), raw=""
        )
        assert answer.status_code == status


def test_a_missing_parameter_is_named(world: OauthWorld) -> None:
    answer = world.exchange("X", client_id=None, redirect_uri=None, scope=None)

    assert (answer.status_code, answer.json) == (400, {"error": "Required param: client_id"})
    for name in ("grant_type", "redirect_uri", "code", "scope"):
        given: dict[str, Any] = {"code": "X", name: None}
        assert world.exchange(**given).json == {"error": f"Required param: {name}"}


def test_an_old_secret_is_refused_after_a_new_one_was_made(world: OauthWorld) -> None:
    code = world.code()
    world.owner.post(f"organization/acme/applications/{world.app['client_id']}/resetclientsecret")

    assert world.exchange(code).json == {"error": "invalid_client"}
