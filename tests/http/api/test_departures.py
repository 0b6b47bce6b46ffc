"""Users who leave or become organizations, and their encrypted passwords, over the API."""

from __future__ import annotations

from api_client import PASSWORD, ApiWorld
from person_answers import is_signed_in, kinds, make_failures_weigh, typed

from quayframe.services.principal import SYSTEM

# -- leaving ----------------------------------------------------------------------------------------


def test_a_deleted_account_is_gone_at_once(api: ApiWorld) -> None:
    alice, token, elsewhere = api.user("alice"), api.oauth("alice", "user:read"), api.session("alice")
    result = alice.delete("user/")

    assert (result.status_code, result.content) == (204, b"")
    for caller in (alice, token, elsewhere):
        typed(caller.get("user/"), 401, "invalid_token")
    assert api.bare.get("users/alice").status_code == 404


def test_a_rehearsed_deletion_deletes_nothing_and_signs_nobody_out(api: ApiWorld) -> None:
    alice = api.user("alice")
    result = alice.delete("user/?dry_run=1")

    assert [event["kind"] for event in result.json["events"]] == ["user_delete"]
    assert is_signed_in(alice)


def test_an_only_admin_is_told_which_organizations_would_be_orphans(api: ApiWorld) -> None:
    alice = api.user("alice")
    principal = api.registry.accounts.principal(api.registry.accounts.get("alice"))
    api.registry.tenancy.organizations.create(principal, "acme")
    result = alice.delete("user/")

    assert "acme" in typed(result)
    assert result.json["organizations"] == ["acme"]
    assert is_signed_in(alice)


def test_a_conversion_signs_in_as_the_admin(api: ApiWorld) -> None:
    alice, _ = api.user("alice"), api.user("bob")
    result = alice.post("user/convert", {"adminUser": "bob", "adminPassword": PASSWORD})

    assert (result.status_code, result.json) == (200, {"success": True})
    assert result.headers["x-next-csrf-token"]
    assert alice.get("user/").json["username"] == "bob"
    assert [o["name"] for o in alice.get("user/").json["organizations"]] == ["alice"]
    assert alice.get("organization/alice").json["email"] == "alice@example.com"
    assert "account_convert" in kinds(api)


def test_a_conversion_checks_the_admin_first(api: ApiWorld) -> None:
    alice = api.user("alice")
    own = alice.post("user/convert", {"adminUser": "alice", "adminPassword": PASSWORD})
    wrong = alice.post("user/convert", {"adminUser": "alice", "adminPassword": "wrong-password"})
    make_failures_weigh(api)

    assert typed(own) == "The admin user is not valid"
    assert typed(wrong) == "The admin user credentials are not valid"
    assert own.json["reason"] == wrong.json["reason"] == "invaliduser"
    assert alice.post("user/convert", {"adminUser": "alice", "adminPassword": PASSWORD}).status_code == 429


def test_a_conversion_has_no_dry_run_which_would_be_a_way_to_guess_a_password(api: ApiWorld) -> None:
    alice, _ = api.user("alice"), api.user("bob")
    told = [
        typed(alice.post("user/convert?dry_run=1", {"adminUser": "bob", "adminPassword": password}))
        for password in (PASSWORD, "wrong-password")
    ]

    assert told[0] == told[1]
    assert alice.get("user/").json["username"] == "alice"


# -- encrypted passwords ----------------------------------------------------------------------------


def test_a_client_key_logs_in_at_the_registry(api: ApiWorld) -> None:
    alice = api.user("alice")
    result = alice.post("user/clientkey", {"password": PASSWORD})

    assert (result.status_code, set(result.json)) == (200, {"key"})
    assert api.registry.logins.basic("alice", result.json["key"], "10.0.0.1").name == "alice"
    assert "user_generate_client_key" in kinds(api)


def test_a_wrong_password_makes_no_client_key_and_counts(api: ApiWorld) -> None:
    alice = api.user("alice")
    result = alice.post("user/clientkey", {"password": "wrong-password"})

    assert typed(result) == "Invalid Username or Password"
    make_failures_weigh(api)
    assert alice.post("user/clientkey", {"password": PASSWORD}).status_code == 429
    assert typed(alice.post("user/clientkey?dry_run=1", {"password": PASSWORD}))


def test_the_command_lines_new_password_ends_sessions_too(api: ApiWorld) -> None:
    alice = api.user("alice")
    api.registry.accounts.set_password(SYSTEM, "alice", "battery-staple")

    assert not is_signed_in(alice)
