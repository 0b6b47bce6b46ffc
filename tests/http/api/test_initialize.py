"""The first user of a registry, made over the API."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from api_client import PASSWORD, ApiMaker, ApiWorld, Caller
from person_answers import is_signed_in, kinds, plain

from quayframe.data.tables import Account, Token
from quayframe.data.tenancy import OauthApplication
from quayframe.services.clock import now_ms

FIRST = {"username": "quayadmin", "password": PASSWORD, "email": "quayadmin@example.com"}
ALL_SCOPES = {
    "repo:read", "repo:write", "repo:admin", "repo:create", "user:read", "user:admin", "org:admin",
    "super:user",
}  # fmt: skip


@pytest.fixture
def empty(make_api: ApiMaker) -> ApiWorld:
    """A registry without any user."""
    return make_api(FEATURE_USER_INITIALIZE=True, SUPER_USERS=["quayadmin"])


def test_it_makes_a_verified_user_and_signs_it_in(empty: ApiWorld) -> None:
    caller = Caller(empty.app, session=True)
    result = caller.post("user/initialize", FIRST)

    assert result.status_code == 200
    assert set(result.json) == {"username", "email", "encrypted_password"}
    assert (result.json["username"], result.json["email"]) == ("quayadmin", "quayadmin@example.com")
    assert result.headers["x-next-csrf-token"] == caller.csrf
    body = caller.get("user/").json
    assert (body["username"], body["verified"], body["super_user"]) == ("quayadmin", True, True)
    logins = empty.registry.logins
    assert logins.basic("quayadmin", result.json["encrypted_password"], "10.0.0.1").name == "quayadmin"
    assert "user_create" in kinds(empty)


def test_the_token_is_of_an_application_of_the_users_own(empty: ApiWorld) -> None:
    result = empty.bare.post("user/initialize", FIRST | {"access_token": True})
    token = empty.bearer(result.json["access_token"])

    assert len(result.json["access_token"]) == 40
    assert token.get("user/").json["super_user"] is True
    name, client_id, text = empty.registry.db.rows(
        OauthApplication.select(
            OauthApplication.name, OauthApplication.client_id, OauthApplication.description
        )
    )[0]
    assert (name, client_id) == ("automation", "quayadmin")
    assert text == "Application token generated via /api/v1/user/initialize"
    scope, expires = empty.registry.db.rows(Token.select(Token.scope, Token.expires_ms))[0]
    assert set(scope.split()) == ALL_SCOPES
    assert abs(expires - now_ms() - 9_000_000) < 60_000


def test_an_address_is_optional_without_mail(empty: ApiWorld) -> None:
    result = empty.bare.post("user/initialize", {"username": "quayadmin", "password": PASSWORD})

    assert (result.status_code, result.json["email"]) == (200, None)


def test_it_needs_no_session_but_works_once(empty: ApiWorld) -> None:
    assert empty.bare.post("user/initialize", FIRST).status_code == 200
    again = empty.bare.post("user/initialize", {"username": "second", "password": PASSWORD})

    assert plain(again) == "Cannot initialize user in a non-empty database"
    assert empty.registry.accounts.find("second") is None


def test_a_deleted_first_user_opens_the_door_for_nobody(empty: ApiWorld) -> None:
    caller = Caller(empty.app, session=True)
    caller.post("user/initialize", FIRST)
    assert caller.delete("user/").status_code == 204
    assert not is_signed_in(caller)

    assert plain(empty.bare.post("user/initialize", {"username": "second", "password": PASSWORD}))


def test_of_several_at_once_one_is_the_first(empty: ApiWorld) -> None:
    statuses: list[int] = []

    def initialize(name: str) -> None:
        body = {"username": name, "password": PASSWORD}
        statuses.append(Caller(empty.app).post("user/initialize", body).status_code)
        empty.registry.db.close()

    threads = [threading.Thread(target=initialize, args=(f"user{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(statuses) == [200, 400, 400, 400]
    assert len(empty.registry.db.rows(Account.select(Account.id).where(Account.kind == "user"))) == 1


def test_what_stands_in_the_way_is_told_before_the_body_is_read(api: ApiWorld) -> None:
    bad: Any = {"nonsense": True}

    expected = "Cannot initialize user, FEATURE_USER_INITIALIZE is False"
    assert plain(api.bare.post("user/initialize", bad)) == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "Quay Admin"}, "Invalid namespace Quay Admin: Namespace must match"),
        ({"username": "a"}, "Invalid namespace a: Namespace must be between 2 and 255"),
        ({"password": "short"}, "Invalid password, password must be at least 8 characters"),
        ({"email": "x" * 256}, "Invalid email address"),
    ],
)
def test_a_bad_value_is_a_plain_400_with_its_reason(
    empty: ApiWorld, change: dict[str, str], reason: str
) -> None:
    text = plain(empty.bare.post("user/initialize", FIRST | change))

    assert text.startswith(f"Failed to initialize user: {reason}")
    assert not empty.registry.accounts.any_user()
    assert empty.bare.post("user/initialize", FIRST).status_code == 200


def test_with_mail_the_address_has_the_form_of_one(make_api: ApiMaker) -> None:
    empty = make_api(FEATURE_USER_INITIALIZE=True, FEATURE_MAILING=True)

    text = plain(empty.bare.post("user/initialize", {"username": "quayadmin", "password": PASSWORD}))
    assert text == "Failed to initialize user: Invalid email address: None"
    assert empty.bare.post("user/initialize", FIRST).status_code == 200


def test_what_cannot_be_read_is_a_400(empty: ApiWorld) -> None:
    bodies: list[Any] = [{}, {"username": "x"}, {"password": PASSWORD}, [], FIRST | {"access_token": "yes"}]
    for body in bodies:
        assert empty.bare.post("user/initialize", body).status_code == 400
    broken = empty.bare.post("user/initialize", headers={"Content-Type": "application/json"})
    assert plain(broken)


def test_there_is_nothing_to_get(empty: ApiWorld) -> None:
    result = empty.bare.get("user/initialize")

    assert plain(result, 405)
    assert "POST" in result.headers["allow"]
