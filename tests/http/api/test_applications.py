"""Applications of organizations and the tokens that admins make for them, over the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller

from quayframe.data.tables import Token

APP = {
    "name", "description", "application_uri", "client_id", "client_secret", "redirect_uri", "avatar_email",
}  # fmt: skip
TOK = {"uuid", "name", "scope", "expires_at", "created", "created_by", "last_accessed"}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch
URL = "https://app.example.com/cb"


@pytest.fixture
def owner(api: ApiWorld) -> Caller:
    """The admin of the organization `acme`."""
    owner = api.user("owner")
    assert owner.post("organization/", {"name": "acme"}).status_code == 201
    return owner


def make(owner: Caller, name: str = "app", **said: Any) -> dict[str, Any]:
    result = owner.post("organization/acme/applications", {"name": name, "redirect_uri": URL, **said})
    assert result.status_code == 200, result.json
    return dict(result.json)


def make_token(owner: Caller, app: dict[str, Any], scope: str = "repo:read", **said: Any) -> dict[str, Any]:
    path = f"organization/acme/applications/{app['client_id']}/tokens"
    result = owner.post(path, {"name": "ci", "scope": scope, **said})
    assert result.status_code == 200, result.json
    return dict(result.json)


def test_a_new_application_has_a_client_id_and_a_secret(owner: Caller) -> None:
    result = owner.post("organization/acme/applications", {"name": "app"})

    assert result.status_code == 200
    app = result.json
    assert set(app) == APP
    assert re.fullmatch("[A-Z0-9]{20}", app["client_id"])
    assert re.fullmatch("[A-Z0-9]{40}", app["client_secret"])
    unset = {"description": "", "application_uri": "", "redirect_uri": "", "avatar_email": None}
    assert {name: app[name] for name in unset} == unset


def test_applications_are_listed_as_they_were_made_with_their_secrets(owner: Caller) -> None:
    made = [make(owner, name) for name in ("b", "a", "c")]

    assert owner.get("organization/acme/applications").json == {"applications": made}


def test_a_change_is_a_full_replacement_that_keeps_id_and_secret(owner: Caller) -> None:
    app = make(owner, description="old", avatar_email="a@example.com")
    path = f"organization/acme/applications/{app['client_id']}"

    result = owner.put(path, {"name": "new", "redirect_uri": URL, "application_uri": "https://x"})

    assert result.status_code == 200
    new = app | {"name": "new", "application_uri": "https://x", "description": "", "avatar_email": None}
    assert result.json == new
    assert owner.get(path).json == new


@pytest.mark.parametrize("missing", ["name", "redirect_uri", "application_uri"])
def test_a_change_needs_name_and_both_addresses(owner: Caller, missing: str) -> None:
    app = make(owner)
    body = {"name": "new", "redirect_uri": URL, "application_uri": "https://x"}
    del body[missing]

    result = owner.put(f"organization/acme/applications/{app['client_id']}", body)

    assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
    assert result.json["detail"] == f"'{missing}' is a required property"


def test_a_new_secret_replaces_the_old_one(owner: Caller) -> None:
    app = make(owner)

    result = owner.post(f"organization/acme/applications/{app['client_id']}/resetclientsecret")

    assert result.status_code == 200
    assert set(result.json) == APP
    assert result.json["client_secret"] != app["client_secret"]
    assert {**result.json, "client_secret": ""} == {**app, "client_secret": ""}


def test_a_deleted_application_is_gone_with_its_tokens(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    bearer = api.bearer(make_token(owner, app, "user:read")["token"])
    path = f"organization/acme/applications/{app['client_id']}"
    assert bearer.get("user/").status_code == 200

    assert owner.delete(path).status_code == 204

    assert bearer.get("user/").status_code == 401
    for result in (owner.delete(path), owner.get(path), owner.get(f"app/{app['client_id']}")):
        assert (result.status_code, result.json["error_type"]) == (404, "not_found")


def test_an_application_of_another_organization_is_not_found(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    other = api.user("other")
    other.post("organization/", {"name": "umbrella"})

    path = f"organization/umbrella/applications/{app['client_id']}"
    assert other.get(path).status_code == 404
    assert other.delete(path).status_code == 404
    assert other.post(f"{path}/resetclientsecret").status_code == 404
    assert other.get(f"{path}/tokens").status_code == 404
    assert other.get(f"organization/acme/applications/{app['client_id']}").status_code == 403


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "https://u@host/cb", "https://host/a b", "cb"])
def test_what_no_user_can_be_sent_back_to_is_not_registered(owner: Caller, uri: str) -> None:
    result = owner.post("organization/acme/applications", {"name": "app", "redirect_uri": uri})

    assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")


def test_everybody_may_know_what_an_application_is(api: ApiWorld, owner: Caller) -> None:
    app = make(owner, application_uri="https://app.example.com", description="of ours")

    seen = api.bare.get(f"app/{app['client_id']}").json
    by_owner = owner.get(f"app/{app['client_id']}").json

    assert set(seen) == {"name", "description", "uri", "avatar", "organization"}
    assert (seen["name"], seen["uri"], seen["description"]) == ("app", "https://app.example.com", "of ours")
    assert seen["avatar"]["kind"] == "app"
    assert seen["avatar"]["hash"] == seen["organization"]["avatar"]["hash"]
    assert seen["organization"]["email"] == ""
    assert (seen["organization"]["teams"], seen["organization"]["ordered_teams"]) == ({}, [])
    assert by_owner["organization"]["is_admin"] is True
    assert by_owner["organization"]["teams"] == {}
    assert "tag_expiration_s" in by_owner["organization"]


def test_an_application_s_own_address_makes_its_avatar(api: ApiWorld, owner: Caller) -> None:
    app = make(owner, avatar_email=" Me@Example.com ")
    other = make(owner, "other", avatar_email="me@example.com")

    hashes = {api.bare.get(f"app/{one['client_id']}").json["avatar"]["hash"] for one in (app, other)}
    assert len(hashes) == 1


# -- tokens of an application -----------------------------------------------------------------------


def test_a_token_is_shown_once(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    made = make_token(owner, app, "repo:read, user:read")

    assert set(made) == TOK | {"token"}
    assert re.fullmatch("[A-Za-z0-9]{40}", made["token"])
    assert (made["name"], made["scope"], made["created_by"]) == ("ci", "repo:read, user:read", "owner")
    assert made["last_accessed"] is None
    assert ISO(made["created"])
    assert ISO(made["expires_at"])
    shown = {name: value for name, value in made.items() if name != "token"}
    listed = owner.get(f"organization/acme/applications/{app['client_id']}/tokens")
    assert (listed.status_code, listed.json) == (200, {"tokens": [shown]})
    stored = api.registry.db.one(Token.select(Token.lookup, Token.secret).where(Token.uuid == made["uuid"]))
    assert stored is not None
    assert made["token"] not in str(stored)


def test_a_token_acts_for_its_maker_within_its_scopes(api: ApiWorld, owner: Caller) -> None:
    bearer = api.bearer(make_token(owner, make(owner), "user:read")["token"])

    assert bearer.get("user/").json["username"] == "owner"
    result = bearer.get("organization/acme/applications")
    assert (result.status_code, result.json["error_type"]) == (403, "insufficient_scope")


def test_its_use_is_noted_but_not_each_time(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    bearer = api.bearer(make_token(owner, app, "user:read")["token"])
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    bearer.get("user/")
    first = owner.get(path).json["tokens"][0]["last_accessed"]
    bearer.get("user/")

    assert ISO(first)
    assert owner.get(path).json["tokens"][0]["last_accessed"] == first


def test_a_token_s_life_is_what_was_asked_for(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    made = make_token(owner, app, "user:read", expiration=1)
    assert api.bearer(made["token"]).get("user/").status_code == 200

    past = Token.update(expires_ms=1).where(Token.uuid == made["uuid"])
    api.registry.db.write(lambda tx: tx.run(past))

    assert api.bearer(made["token"]).get("user/").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "repo:read"},
        {"name": "ci"},
        {"name": "", "scope": "repo:read"},
        {"name": " ", "scope": "repo:read"},
        {"name": "x" * 256, "scope": "repo:read"},
        {"name": "ci", "scope": ""},
        {"name": "ci", "scope": "repo:read nosuch"},
        {"name": "ci", "scope": "direct_user_login"},
        {"name": "ci", "scope": "repo:read", "expiration": 0},
        {"name": "ci", "scope": "repo:read", "expiration": 1e30},
        {"name": "ci", "scope": "repo:read", "expiration": "1"},
    ],
)
def test_what_makes_no_token(owner: Caller, body: dict[str, Any]) -> None:
    app = make(owner)
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    result = owner.post(path, body)

    assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
    assert owner.get(path).json == {"tokens": []}


def test_a_token_makes_no_token_that_may_more(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    bearer = api.bearer(make_token(owner, app, "org:admin repo:write")["token"])
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    for scope in ("super:user", "user:admin", "org:admin user:admin", "repo:admin"):
        refused = bearer.post(path, {"name": "more", "scope": scope})
        assert (refused.status_code, refused.json["error_type"]) == (403, "insufficient_scope")
    assert bearer.post(path, {"name": "less", "scope": "repo:read"}).status_code == 200


def test_a_deleted_token_is_refused_at_once(api: ApiWorld, owner: Caller) -> None:
    app = make(owner)
    made = make_token(owner, app, "user:read")
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    assert owner.delete(f"{path}/{made['uuid']}").status_code == 204

    assert api.bearer(made["token"]).get("user/").status_code == 401
    for uuid in (made["uuid"], "nonsense"):
        assert owner.delete(f"{path}/{uuid}").status_code == 404


def test_a_token_is_deleted_by_its_own_application_only(owner: Caller) -> None:
    app, other = make(owner), make(owner, "other")
    made = make_token(owner, app)

    path = f"organization/acme/applications/{other['client_id']}/tokens/{made['uuid']}"
    assert owner.delete(path).status_code == 404


def test_there_are_no_more_tokens_than_the_operator_allows(make_api: ApiMaker) -> None:
    api = make_api(OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT=2)
    owner = api.user("owner")
    owner.post("organization/", {"name": "acme"})
    app = make(owner)
    first = make_token(owner, app)
    make_token(owner, app)
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    refused = owner.post(path, {"name": "third", "scope": "repo:read"})
    assert (refused.status_code, refused.json["error_type"]) == (400, "invalid_request")

    owner.delete(f"{path}/{first['uuid']}")
    assert owner.post(path, {"name": "third", "scope": "repo:read"}).status_code == 200


def test_many_tokens_come_page_by_page(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quayframe.http.api.application_tokens.PAGE", 2)
    app = make(owner)
    made = [make_token(owner, app)["uuid"] for _ in range(5)]
    path = f"organization/acme/applications/{app['client_id']}/tokens"

    found, page = [], owner.get(path).json
    while True:
        found += [token["uuid"] for token in page["tokens"]]
        if "next_page" not in page:
            break
        page = owner.get(path, params={"next_page": page["next_page"]}).json

    assert found == made


def test_a_token_of_a_disabled_user_is_nobody(api: ApiWorld, owner: Caller) -> None:
    bearer = api.bearer(make_token(owner, make(owner), "user:read")["token"])

    api.admin.put("superuser/users/owner", {"enabled": False})

    assert bearer.get("user/").status_code == 401


def test_a_token_of_a_deleted_organization_is_nobody(api: ApiWorld, owner: Caller) -> None:
    bearer = api.bearer(make_token(owner, make(owner), "user:read")["token"])

    assert owner.delete("organization/acme").status_code == 204

    assert bearer.get("user/").status_code == 401


# -- what the user sees of it -----------------------------------------------------------------------


def test_the_user_sees_and_takes_back_what_acts_in_its_name(api: ApiWorld, owner: Caller) -> None:
    app = make(owner, application_uri="https://app.example.com")
    made = make_token(owner, app, "repo:read,org:admin")

    listed = owner.get("user/authorizations").json["authorizations"]

    assert [one["uuid"] for one in listed] == [made["uuid"]]
    (one,) = listed
    assert set(one) == {"application", "scopes", "uuid"}
    assert set(one["application"]) == {"name", "description", "url", "avatar", "organization"}
    assert one["application"]["organization"]["avatar"]["kind"] == "org"
    assert {scope["scope"]: scope["dangerous"] for scope in one["scopes"]} == {
        "repo:read": False,
        "org:admin": True,
    }
    assert all(s["description"].startswith("This application will be able to ") for s in one["scopes"])
    assert owner.get(f"user/authorizations/{made['uuid']}").json == one
    other = api.user("other")
    assert other.get("user/authorizations").json == {"authorizations": []}
    assert other.get(f"user/authorizations/{made['uuid']}").status_code == 404
    assert other.delete(f"user/authorizations/{made['uuid']}").status_code == 404

    assert owner.delete(f"user/authorizations/{made['uuid']}").status_code == 204

    assert owner.delete(f"user/authorizations/{made['uuid']}").status_code == 404
    assert api.bearer(made["token"]).get("organization/acme/applications").status_code == 401
