"""Sessions: signing in and out, wrong passwords, recovery, and the pages to which mails lead."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from api_client import PASSWORD, ApiMaker, ApiWorld, Caller
from person_answers import (
    forget_failures,
    is_signed_in,
    kinds,
    make_failures_weigh,
    plain,
    sign_in,
    typed,
    visitor,
)

from quayframe.data.tables import Account, LoginFailure
from quayframe.data.tenancy import EndedSession
from quayframe.services.principal import SYSTEM

WRONG = {
    "needsEmailVerification": False,
    "invalidCredentials": True,
    "message": "Invalid Username or Password",
}


# -- signing in -------------------------------------------------------------------------------------


def test_a_sign_in_gives_a_session_and_a_new_csrf_token(api: ApiWorld) -> None:
    api.user("alice")
    caller = visitor(api)
    before = caller.csrf
    result = sign_in(caller)

    assert (result.status_code, result.json) == (200, {"success": True})
    assert result.headers["x-next-csrf-token"] == caller.csrf != before
    cookie = result.headers["set-cookie"]
    for part in ("HttpOnly", "Path=/", "SameSite=Lax", "Expires="):
        assert part in cookie
    assert is_signed_in(caller)
    assert "login_success" in kinds(api)


def test_a_sign_in_needs_the_sessions_token(api: ApiWorld) -> None:
    api.user("alice")
    body = {"username": "alice", "password": PASSWORD}
    for caller, headers in ((api.bare, {}), (visitor(api), {"X-CSRF-Token": "x"})):
        result = caller.post("signin", body, headers=headers)
        assert (result.status_code, set(result.json)) == (403, {"error"})


def test_an_address_signs_in_as_a_name_does(api: ApiWorld) -> None:
    api.user("alice", "alice+b@example.com")
    caller = visitor(api)

    assert sign_in(caller, "alice+b@example.com").status_code == 200
    assert caller.get("user/").json["username"] == "alice"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong-password"),
        ("nobody", PASSWORD),
        ("", ""),
        ("alice", ""),
        ("acme", PASSWORD),
        ("a b", "x"),
    ],
)
def test_whatever_is_wrong_is_told_alike(api: ApiWorld, name: str, password: str) -> None:
    api.user("alice")
    principal = api.registry.accounts.principal(api.registry.accounts.get("alice"))
    api.registry.tenancy.organizations.create(principal, "acme")
    result = sign_in(visitor(api), name, password)

    assert (result.status_code, result.json) == (403, WRONG)


@pytest.mark.parametrize(
    "body", [{}, {"username": "alice"}, {"password": "x"}, {"username": None, "password": "x"}]
)
def test_a_missing_field_is_typed(api: ApiWorld, body: Any) -> None:
    typed(visitor(api).post("signin", body))


def test_a_disabled_user_does_not_sign_in_and_its_sessions_are_over(api: ApiWorld) -> None:
    alice = api.user("alice")
    api.registry.accounts.set_enabled(SYSTEM, "alice", False)

    assert sign_in(visitor(api)).json == WRONG
    assert not is_signed_in(alice)


def test_a_sign_in_that_is_off_is_not_there(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_DIRECT_LOGIN=False)

    typed(sign_in(visitor(api)), 404, "not_found")


def test_an_unknown_name_and_a_wrong_password_take_the_same_time(api: ApiWorld) -> None:
    api.user("alice")
    caller = visitor(api)

    def took(name: str) -> float:
        api.registry.db.write(lambda tx: tx.run(LoginFailure.delete()))
        start = time.perf_counter()
        assert sign_in(caller, name, "wrong-password").status_code == 403
        return time.perf_counter() - start

    known, unknown = (min(took(name) for _ in range(3)) for name in ("alice", "nobody"))
    # Without a hash for unknown names these differ by a factor of a hundred.
    assert 0.4 < known / unknown < 2.5


# -- the back-off -----------------------------------------------------------------------------------


def test_a_wrong_password_makes_even_the_right_one_wait(api: ApiWorld) -> None:
    api.user("alice")
    caller = visitor(api)
    sign_in(caller, password="wrong-password")
    make_failures_weigh(api)
    result = sign_in(caller)

    assert "login" in plain(result, 429)
    assert int(result.headers["retry-after"]) >= 1
    assert result.headers["access-control-allow-origin"] == "*"
    assert not is_signed_in(caller)

    forget_failures(api)
    assert sign_in(caller).status_code == 200
    sign_in(caller, password="wrong-password")
    counted = api.registry.db.rows(LoginFailure.select(LoginFailure.failures).order_by(LoginFailure.id))
    # The account's count began anew; the address remembers both.
    assert sorted(n for (n,) in counted) == [1, 11]


def test_another_name_from_the_same_address_does_not_wait(api: ApiWorld) -> None:
    api.user("alice")
    caller = visitor(api)
    sign_in(caller, password="wrong-password")

    assert sign_in(caller, "nobody").status_code == 403
    assert sign_in(caller, "admin", "wrong-password").status_code == 403


def test_the_count_is_one_for_every_way_to_show_a_password(api: ApiWorld) -> None:
    alice = api.user("alice")
    assert alice.post("signin/verify", {"password": "wrong-password"}).status_code == 403
    make_failures_weigh(api)

    for path, body in (
        ("signin/verify", {"password": PASSWORD}),
        ("signin", {"username": "alice", "password": PASSWORD}),
        ("user/clientkey", {"password": PASSWORD}),
        ("user/convert", {"adminUser": "alice", "adminPassword": PASSWORD}),
    ):
        plain(alice.post(path, body), 429)


# -- verify and sign-out ----------------------------------------------------------------------------


def test_showing_the_password_again_makes_the_log_in_fresh(make_api: ApiMaker) -> None:
    api = make_api(FRESH_LOGIN_TIMEOUT="0s")
    alice = api.user("alice")
    _age(api, alice)
    typed(alice.put("user/", {"invoice_email": True}), 401, "fresh_login_required")

    result = alice.post("signin/verify", {"password": PASSWORD})
    assert (result.status_code, result.json) == (200, {"success": True})
    assert result.headers["x-next-csrf-token"] == alice.csrf


def _age(api: ApiWorld, caller: Caller) -> None:
    """As if the caller had signed in long ago."""
    assert caller.cookie is not None
    name, _, value = caller.cookie.partition("=")
    session = api.registry.tenancy.sessions.open(value)
    assert session is not None
    aged = dataclasses.replace(session, fresh_s=session.fresh_s - 86_400)
    caller.cookie = f"{name}={api.registry.tenancy.sessions.seal(aged)}"


def test_a_wrong_password_does_not_verify(api: ApiWorld) -> None:
    result = api.user("alice").post("signin/verify", {"password": "wrong-password"})

    assert result.status_code == 403
    assert result.json == {"message": "Invalid Username or Password", "invalidCredentials": True}


def test_a_verified_session_leaves_the_old_one_behind(api: ApiWorld) -> None:
    alice = api.user("alice")
    stolen = Caller(api.app, session=True)
    stolen.cookie, stolen.csrf = alice.cookie, alice.csrf
    alice.post("signin/verify", {"password": PASSWORD})

    assert is_signed_in(alice)
    assert not is_signed_in(stolen)


def test_a_sign_out_ends_the_session_wherever_its_cookie_is(api: ApiWorld) -> None:
    alice = api.user("alice")
    copy = Caller(api.app, session=True)
    copy.cookie, copy.csrf = alice.cookie, alice.csrf
    result = alice.post("signout")

    assert (result.status_code, result.json) == (200, {"success": True})
    assert "Expires" not in result.headers["set-cookie"]
    assert typed(alice.get("user/"), 401, "invalid_token")
    assert alice.get("user/").json["session_required"] is False
    assert not is_signed_in(copy)
    assert "logout_success" in kinds(api)


def test_nobody_who_signs_out_is_noted(api: ApiWorld) -> None:
    caller = visitor(api)
    for _ in range(3):
        assert caller.post("signout").status_code == 200
        caller.csrf = caller.get("/csrf_token").json["csrf_token"]

    assert api.registry.db.rows(EndedSession.select(EndedSession.id)) == []


@pytest.mark.parametrize("path", ["signin", "signin/verify", "signout", "user/clientkey"])
def test_acts_on_the_own_session_have_no_dry_run(api: ApiWorld, path: str) -> None:
    body = {"password": PASSWORD} | ({"username": "alice"} if path == "signin" else {})

    assert "dry run" in typed(
        api.user("alice").post(f"{path}?dry_run=1", None if path == "signout" else body)
    )
    assert is_signed_in(api.user("alice"))


# -- log-ins elsewhere ------------------------------------------------------------------------------


def test_a_log_in_service_that_is_not_installed_is_a_typed_404(api: ApiWorld) -> None:
    typed(visitor(api).post("externallogin/github", {"kind": "login"}), 404, "not_found")
    typed(api.user("alice").post("detachexternal/github"), 404, "not_found")
    typed(visitor(api).post("externallogin/github", {"kind": "steal"}))


def test_a_user_without_a_password_never_signs_in(api: ApiWorld) -> None:
    api.registry.accounts.create_user(SYSTEM, "carol", None)
    assert api.registry.db.value(Account.select(Account.password_hash).where(Account.name == "carol")) is None

    for password in ("", "None", "null"):
        forget_failures(api)
        assert sign_in(visitor(api), "carol", password).status_code == 403
