"""App-specific tokens over the API."""

from __future__ import annotations

import re

import pytest
from api_client import ApiMaker, ApiWorld

from quayframe.data.tables import Token
from quayframe.services.clock import now_ms

KEYS = {"uuid", "title", "last_accessed", "created", "expiration"}
RFC2822 = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d -0000").fullmatch


def expire(api: ApiWorld, uuid: str, at_ms: int) -> None:
    """Lets a token end then."""
    change = Token.update(expires_ms=at_ms).where(Token.uuid == uuid)
    api.registry.db.write(lambda tx: tx.run(change))


def test_a_token_is_shown_when_it_is_made_and_alone(api: ApiWorld) -> None:
    user = api.user("user")

    made = user.post("user/apptoken", {"title": "laptop"})

    assert made.status_code == 200
    token = made.json["token"]
    assert set(token) == KEYS | {"token_code"}
    assert re.fullmatch("[A-Z0-9]{120}", token["token_code"])
    assert (token["title"], token["last_accessed"], token["expiration"]) == ("laptop", None, None)
    assert RFC2822(token["created"])
    assert user.get(f"user/apptoken/{token['uuid']}").json == {"token": token}
    listed = user.get("user/apptoken").json
    assert listed == {"tokens": [{name: token[name] for name in KEYS}], "only_expiring": None}


def test_a_title_may_be_empty_but_not_missing_or_too_long(api: ApiWorld) -> None:
    user = api.user("user")

    assert user.post("user/apptoken", {"title": ""}).status_code == 200
    assert user.post("user/apptoken", {"title": "x" * 255}).status_code == 200
    for body in ({}, {"title": "x" * 256}, {"title": 5}):
        result = user.post("user/apptoken", body)
        assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")


def test_another_user_s_token_is_not_found(api: ApiWorld) -> None:
    uuid = api.user("user").post("user/apptoken", {"title": "mine"}).json["token"]["uuid"]
    other = api.user("other")

    for method in ("GET", "DELETE"):
        for ident in (uuid, "nonsense"):
            result = other.do(method, f"user/apptoken/{ident}")
            assert (result.status_code, result.json["error_type"]) == (404, "not_found")
    assert other.get("user/apptoken").json["tokens"] == []


def test_a_revoked_token_is_gone(api: ApiWorld) -> None:
    user = api.user("user")
    uuid = user.post("user/apptoken", {"title": "laptop"}).json["token"]["uuid"]

    assert user.delete(f"user/apptoken/{uuid}").status_code == 204

    assert user.delete(f"user/apptoken/{uuid}").status_code == 404
    assert user.get(f"user/apptoken/{uuid}").status_code == 404


def test_an_oauth_token_manages_them_with_user_admin_alone(api: ApiWorld) -> None:
    token = api.oauth("user", "user:admin")

    uuid = token.post("user/apptoken", {"title": "t"}).json["token"]["uuid"]
    assert token.get(f"user/apptoken/{uuid}").status_code == 200
    assert token.delete(f"user/apptoken/{uuid}").status_code == 204
    refused = api.oauth("user", "user:read org:admin").post("user/apptoken", {"title": "t"})
    assert refused.status_code == 403


def test_those_that_expire_soon_are_listed_alone(make_api: ApiMaker) -> None:
    api = make_api(APP_SPECIFIC_TOKEN_EXPIRATION="10d")
    user = api.user("user")
    uuids = [user.post("user/apptoken", {"title": t}).json["token"]["uuid"] for t in ("a", "b", "c")]
    hour = 3_600_000
    for uuid, at in zip(uuids, (now_ms() + 23 * hour, now_ms() + 25 * hour, now_ms() - hour), strict=True):
        expire(api, uuid, at)

    soon = user.get("user/apptoken", params={"expiring": "true"}).json
    every = user.get("user/apptoken", params={"expiring": "false"}).json

    assert (soon["only_expiring"], [t["title"] for t in soon["tokens"]]) == (True, ["a"])
    assert (every["only_expiring"], len(every["tokens"])) == (False, 3)


def test_expired_ones_are_swept_after_their_time(make_api: ApiMaker) -> None:
    api = make_api(APP_SPECIFIC_TOKEN_EXPIRATION="10d", EXPIRED_APP_SPECIFIC_TOKEN_GC="1h")
    user = api.user("user")
    uuids = [user.post("user/apptoken", {"title": t}).json["token"]["uuid"] for t in ("old", "fresh", "good")]
    for uuid, at in zip(uuids, (now_ms() - 3_700_000, now_ms() - 3_500_000), strict=False):
        expire(api, uuid, at)

    assert api.registry.tenancy.app_tokens.sweep() == 1

    assert [t["title"] for t in user.get("user/apptoken").json["tokens"]] == ["fresh", "good"]


def test_only_who_sees_everything_sees_everybody_s(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])
    api.user("user").post("user/apptoken", {"title": "laptop"})

    listed = api.user("auditor").get("superuser/apptokens")

    assert listed.status_code == 200
    assert [set(token) for token in listed.json["tokens"]] == [KEYS]
    for caller in (api.admin, api.user("user")):
        refused = caller.get("superuser/apptokens")
        assert (refused.status_code, refused.json["error_type"]) == (403, "insufficient_scope")
    full = make_api(FEATURE_SUPERUSERS_FULL_ACCESS=True)
    assert full.admin.get("superuser/apptokens").json == {"tokens": [], "only_expiring": None}


@pytest.mark.parametrize("path", ["user/apptoken", "user/apptoken/x", "superuser/apptokens"])
def test_without_the_feature_there_is_no_such_path(make_api: ApiMaker, path: str) -> None:
    api = make_api(FEATURE_APP_SPECIFIC_TOKENS=False, FEATURE_SUPERUSERS_FULL_ACCESS=True)

    result = api.admin.get(path)

    assert (result.status_code, result.json["error_type"]) == (404, "not_found")
