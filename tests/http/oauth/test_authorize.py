"""The provider's page: who may agree to what, and where the user is sent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from api_client import ApiMaker
from oauth_world import CALLBACK, LOCAL, OauthWorld, basic, parts

from quayframe.data.tables import Token

LIFE = "315576000"


# -- asking -----------------------------------------------------------------------------------------


def test_the_page_says_who_asks_for_what_and_leaves_nothing_unescaped(world: OauthWorld) -> None:
    answer = world.authorize(scope="repo:read org:admin", state="a&b")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "my &lt;app&gt;" in answer.text
    assert "<app>" not in answer.text
    assert "Administer Organization" in answer.text
    assert 'name="state" value="a&amp;b"' in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://app.example.com;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_the_json_has_what_clients_read(world: OauthWorld) -> None:
    answer = world.authorize(scope="repo:read,org:admin", state="xyz", format="json")

    assert answer.status_code == 200
    body = answer.json
    assert {scope["scope"] for scope in body["scopes"]} == {"repo:read", "org:admin"}
    assert body["has_dangerous_scopes"] is True
    assert set(body["application"]) == {"name", "description", "url", "avatar", "organization"}
    assert body["application"]["url"] == "https://app.example.com"
    assert json.loads(body["application"]["avatar"])["kind"] == "app"
    assert body["application"]["organization"]["name"] == "acme"
    assert json.loads(body["application"]["organization"]["avatar"])["kind"] == "org"
    assert (body["response_type"], body["redirect_uri"]) == ("code", CALLBACK)
    assert (body["scope"], body["state"], body["assignment_uuid"]) == ("repo:read,org:admin", "xyz", None)
    assert body["csrf_token_val"] == world.owner.csrf
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope"])
def test_a_missing_parameter_is_named(world: OauthWorld, name: str) -> None:
    answer = world.authorize(**{name: None})

    assert (answer.status_code, answer.json) == (400, {"error": f"Required param: {name}"})


def test_the_first_missing_parameter_is_named(world: OauthWorld) -> None:
    answer = world.owner.get("/oauth/authorize")

    assert answer.json == {"error": "Required param: client_id"}


def test_nobody_is_not_sent_to_a_log_in(world: OauthWorld) -> None:
    for caller in (world.api.bare, world.api.anonymous, world.api.oauth("owner", "org:admin user:admin")):
        answer = world.authorize(caller)
        assert answer.status_code == 401
        assert set(answer.json) == {"error"}
        assert "www-authenticate" not in answer.headers


def test_a_user_comes_by_basic_header_too_and_gets_a_session_for_the_form(world: OauthWorld) -> None:
    answer = world.authorize(world.api.bare, headers=basic("owner"), format="json")

    assert answer.status_code == 200
    assert len(answer.json["csrf_token_val"]) == 64
    assert "set-cookie" in answer.headers
    assert world.authorize(world.api.bare, headers=basic("owner", "wrong")).status_code == 401


def test_a_token_that_logs_in_as_the_user_cannot_make_others(world: OauthWorld) -> None:
    app_token = world.owner.post("user/apptoken", {"title": "t"}).json["token"]["token_code"]
    path = f"organization/acme/applications/{world.app['client_id']}/tokens"
    oauth = world.owner.post(path, {"name": "t", "scope": "org:admin"}).json["token"]

    for name, token in (("$app", app_token), ("$oauthtoken", oauth)):
        answer = world.authorize(world.api.bare, headers=basic(name, token), scope="super:user")
        assert answer.status_code in (401, 403)


def test_an_unknown_application_is_not_found(world: OauthWorld) -> None:
    answer = world.authorize(client_id="NOSUCH")

    assert (answer.status_code, set(answer.json)) == (404, {"error"})


def test_only_admins_of_the_application_s_organization_may_agree(world: OauthWorld) -> None:
    other = world.api.user("other")

    assert world.authorize(other).status_code == 403
    assert world.authorize(other, redirect_uri="https://evil.example.com/").status_code == 403
    assert world.agree(other).status_code == 403


@pytest.mark.parametrize("scope", ["nosuch", "repo:read nosuch", "direct_user_login", " "])
def test_an_unknown_scope_is_not_found_and_no_redirect(world: OauthWorld, scope: str) -> None:
    answer = world.authorize(scope=scope)

    assert (answer.status_code, set(answer.json)) == (404, {"error"})


def test_without_superusers_there_is_no_such_scope(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api(FEATURE_SUPER_USERS=False))

    assert world.authorize(scope="super:user").status_code == 404


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.com/cb",
        "http://app.example.com/cb",
        "https://app.example.com:444/cb",
        "https://app.example.com/other",
        "https://app.example.com/cb/../other",
        "https://app.example.com/cb/%2e%2e/other",
        "https://app.example.com/cb?next=%2f",
        "https://app.example.com/cb@evil.example.com",
        "https://app.example.com@evil.example.com/cb",
        "https://user@app.example.com/cb",
        "https://app.example.com.evil.example.com/cb",
        "https://app.example.com\\@evil.example.com/cb",
        "//app.example.com/cb",
        "/cb",
        "javascript:alert(1)",
        "https://app.example.com/cb#fragment",
        "https://app.example.com/cb\r\nX-Evil: 1",
        "https://registry.test/oauth/localapp",
        "http://registry.test/oauth/localapp/",
        "http://evil.example.com/oauth/localapp",
    ],
)
@pytest.mark.parametrize("form", [None, "json"])
def test_no_address_but_the_registered_one_is_led_to(world: OauthWorld, uri: str, form: str | None) -> None:
    answer = world.authorize(redirect_uri=uri, format=form, state="s")

    assert answer.status_code == 302
    assert answer.headers["location"] == f"{CALLBACK}?error=redirect_uri_mismatch"
    agreed = world.agree(redirect_uri=uri)
    assert (agreed.status_code, agreed.json) == (400, {"error": "invalid_request"})
    assert agreed.headers["content-type"] == "application/json;charset=UTF-8"
    assert agreed.headers["cache-control"] == "no-store"
    assert world.send("/oauth/denyapp", redirect_uri=uri).status_code == 400


@pytest.mark.parametrize("uri", [f"{CALLBACK}/below", f"{CALLBACK}?own=1", f"{CALLBACK}back", LOCAL])
def test_what_begins_with_the_registered_address_is_led_to(world: OauthWorld, uri: str) -> None:
    assert world.authorize(redirect_uri=uri).status_code == 200
    assert world.agree(redirect_uri=uri).headers["location"].startswith(uri)


def test_without_a_registered_address_nobody_is_sent_anywhere(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api(), redirect_uri="")

    answer = world.authorize(redirect_uri="https://evil.example.com/")

    assert (answer.status_code, answer.json) == (400, {"error": "redirect_uri_mismatch"})
    assert world.authorize(redirect_uri=LOCAL).status_code == 200


def test_the_registry_s_own_page_is_where_the_operator_says(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api(SERVER_HOSTNAME="registry.example.com"))
    own = "http://registry.example.com/oauth/localapp"
    games = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}

    for uri in ("https://evil.example.com/oauth/localapp", "http://evil.example.com/oauth/localapp"):
        answer = world.authorize(redirect_uri=uri, headers=games)
        assert answer.headers["location"] == f"{CALLBACK}?error=redirect_uri_mismatch"
    assert world.authorize(redirect_uri=own, headers=games).status_code == 200


def test_a_parameter_twice_is_refused(world: OauthWorld) -> None:
    query = f"client_id={world.app['client_id']}&redirect_uri={CALLBACK}&redirect_uri=https://e.com&scope=a"

    assert world.owner.get(f"/oauth/authorize?{query}").status_code == 400


# -- agreeing ---------------------------------------------------------------------------------------


def test_the_user_is_sent_back_with_a_code(world: OauthWorld) -> None:
    answer = world.agree(scope="repo:read user:read", state="a b")

    where, query, fragment = parts(answer)
    assert (where, fragment) == (CALLBACK, [])
    assert query[:2] == [("scope", "repo:read user:read"), ("state", "a b")]
    assert [name for name, _ in query] == ["scope", "state", "code"]
    assert re.fullmatch("[A-Z0-9]{40}", query[2][1])
    assert answer.headers["location"].startswith(f"{CALLBACK}?scope=repo%3Aread+user%3Aread&state=a+b&code=")
    assert answer.content == b""


def test_a_token_comes_behind_the_hash(world: OauthWorld) -> None:
    answer = world.agree(scope="user:read", state="s", response_type="token", redirect_uri=LOCAL)

    where, query, fragment = parts(answer)
    assert (where, query) == (LOCAL, [("scope", "user:read"), ("state", "s")])
    (name, token), *rest = fragment
    assert (name, rest) == ("access_token", [("token_type", "Bearer"), ("expires_in", LIFE)])
    assert world.api.bearer(token).get("user/").json["username"] == "owner"


def test_the_address_s_own_query_stays(world: OauthWorld) -> None:
    answer = world.agree(redirect_uri=f"{CALLBACK}?own=1")

    assert answer.headers["location"].startswith(f"{CALLBACK}?own=1&scope=repo%3Aread&code=")


def test_without_the_session_s_csrf_token_nothing_is_agreed(world: OauthWorld) -> None:
    for path in ("/oauth/authorizeapp", "/oauth/denyapp"):
        wrongs: list[dict[str, Any]] = [{}, {"_csrf_token": "x" * 64}]
        for wrong in wrongs:
            answer = world.send(path, csrf=False, **wrong)
            assert answer.status_code == 403
            assert answer.json["error"].startswith("CSRF token was invalid or missing.")
        assert world.send(path, world.api.anonymous).status_code == 401


def test_a_basic_header_needs_the_csrf_token_too(world: OauthWorld) -> None:
    answer = world.send("/oauth/authorizeapp", world.api.bare, headers=basic("owner"))

    assert answer.status_code == 403


def test_but_not_for_applications_that_the_operator_lists(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api(DIRECT_OAUTH_CLIENTID_WHITELIST=["first"]))
    user, registry = world.api.user("first"), world.api.registry
    account = registry.accounts.get("first").id
    # The one application whose client id is known beforehand.
    registry.db.write(lambda tx: registry.tenancy.applications.add_first(tx, account, "first"))
    asked: dict[str, Any] = {
        "client_id": "first",
        "redirect_uri": LOCAL,
        "response_type": "token",
        "scope": "user:read",
    }

    direct = world.send("/oauth/authorizeapp", world.api.bare, headers=basic("first"), **asked)

    token = parts(direct)[2][0][1]
    assert world.api.bearer(token).get("user/").json["username"] == "first"
    # Nor is it for browsers' sessions, or for other applications.
    assert world.send("/oauth/authorizeapp", user, csrf=False, **asked).status_code == 403
    assert world.send("/oauth/authorizeapp", world.api.bare, headers=basic("owner")).status_code == 403


def test_errors_that_the_application_is_told(world: OauthWorld) -> None:
    unknown = world.agree(scope="nosuch")
    other = world.agree(response_type="nosuch")
    asked = world.authorize(response_type="nosuch")

    assert unknown.headers["location"] == f"{CALLBACK}?error=invalid_scope"
    assert other.headers["location"] == f"{CALLBACK}?error=unsupported_response_type"
    assert asked.headers["location"] == f"{CALLBACK}?error=unsupported_response_type"


def test_who_does_not_agree_is_sent_back_without_state(world: OauthWorld) -> None:
    answer = world.send("/oauth/denyapp", state="s")

    assert answer.status_code == 302
    assert answer.headers["location"] == f"{CALLBACK}?error=authorization_denied"


def test_who_agreed_before_is_not_asked_again_and_gets_a_new_token_each_time(world: OauthWorld) -> None:
    _, _, fragment = parts(world.agree(response_type="token", scope="repo:write"))

    again = [world.authorize(response_type="token", format=form) for form in (None, "json")]

    tokens = {fragment[0][1]} | {parts(answer)[2][0][1] for answer in again}
    assert len(tokens) == 3
    assert again[0].headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert world.authorize(scope="repo:read user:read").status_code == 200
    assert len(world.owner.get("user/authorizations").json["authorizations"]) == 3


def test_an_expired_token_is_no_agreement(world: OauthWorld) -> None:
    world.agree(response_type="token")
    world.api.registry.db.write(lambda tx: tx.run(Token.update(expires_ms=1).where(Token.kind == "oauth")))

    assert world.authorize(response_type="token").status_code == 200


def test_a_read_only_registry_makes_no_tokens(make_api: ApiMaker) -> None:
    world = OauthWorld(make_api())
    world.agree(response_type="token")
    settings = world.api.registry.settings
    object.__setattr__(settings, "REGISTRY_STATE", "readonly")

    assert world.agree().status_code == 503
    assert world.authorize().status_code == 503


# -- the page for one's own token -------------------------------------------------------------------


def test_the_page_for_a_token_runs_its_own_script_alone(world: OauthWorld) -> None:
    answers = [world.api.bare.get("/oauth/localapp", params={"scope": "<script>"}) for _ in range(2)]

    nonces = set()
    for answer in answers:
        assert answer.status_code == 200
        found = re.search(r"script-src 'nonce-([\w-]+)'", answer.headers["content-security-policy"])
        assert found is not None
        assert f'<script nonce="{found[1]}">' in answer.text
        assert answer.text.count("<script") == 1
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        nonces.add(found[1])
    assert len(nonces) == 2
