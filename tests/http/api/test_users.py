"""Users over the API: their own account and others'."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import PASSWORD, ApiMaker, ApiWorld
from mails import last
from person_answers import is_signed_in, kinds, plain, typed

PLAIN = {
    "logins": [],
    "invoice_email": False,
    "invoice_email_address": None,
    "preferred_namespace": False,
    "prompts": [],
    "company": None,
    "family_name": None,
    "given_name": None,
    "location": None,
    "is_free_account": True,
    "tag_expiration_s": 1209600,
    "has_password_set": True,
    "organizations": [],
    "can_create_repo": True,
    "is_me": True,
    "verified": True,
    "anonymous": False,
}
NAME_RULE = "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"
LENGTH_RULE = "Namespace must be between 2 and 255 characters in length"
PASSWORD_RULE = "Invalid password, password must be at least 8 characters and contain no whitespace."


# -- reading ----------------------------------------------------------------------------------------


def test_a_plain_user_has_the_defaults(api: ApiWorld) -> None:
    body = api.user("alice").get("user/").json

    assert {key: body[key] for key in PLAIN} == PLAIN
    assert set(body) == {*PLAIN, "username", "avatar", "email"}
    assert body["email"] == "alice@example.com"
    assert set(body["avatar"]) == {"name", "hash", "color", "kind"}


def test_only_superusers_are_told_that_they_are(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])

    assert api.admin.get("user/").json["super_user"] is True
    assert api.user("auditor").get("user/").json["global_readonly_super_user"] is True
    assert "super_user" not in api.user("alice").get("user/").json


def test_nobody_is_told_that_there_is_no_session(api: ApiWorld) -> None:
    for caller in (api.bare, api.anonymous, api.bearer("x" * 40), api.oauth("alice", "repo:read")):
        result = caller.get("user/")
        assert typed(result, 401, "invalid_token") == "Requires authentication"
        assert result.json["session_required"] is False


def test_the_organizations_of_a_user_say_what_he_may_do_there(api: ApiWorld) -> None:
    alice = api.user("alice")
    api.user("bob")
    principal = api.registry.accounts.principal(api.registry.accounts.get("alice"))
    api.registry.tenancy.organizations.create(principal, "acme", "acme@example.com")
    (own,) = alice.get("user/").json["organizations"]

    assert own["avatar"]["kind"] == "org"
    own.pop("avatar")
    assert own == {
        "name": "acme",
        "can_create_repo": True,
        "public": False,
        "is_org_admin": True,
        "preferred_namespace": False,
    }
    assert api.user("bob").get("user/").json["organizations"] == []


def test_a_token_that_reads_users_shows_no_details(api: ApiWorld) -> None:
    reader = api.oauth("alice", "user:read").get("user/").json
    admin = api.oauth("alice", "user:admin").get("user/").json

    assert set(reader) == {"anonymous", "username", "avatar", "organizations"}
    assert admin["email"] == "alice@example.com"


def test_others_are_seen_by_name_and_picture(api: ApiWorld) -> None:
    api.user("bob")
    for caller in (api.bare, api.user("alice"), api.admin):
        body = caller.get("users/bob").json
        assert set(body) == {"anonymous", "username", "avatar"}
        assert body["anonymous"] is False
    assert api.user("bob").get("users/bob").json["email"] == "bob@example.com"


@pytest.mark.parametrize("name", ["nobody", "acme", "alice+bot", "%00", "a%2Fb"])
def test_who_is_no_user_is_a_plain_404(api: ApiWorld, name: str) -> None:
    alice = api.user("alice")
    principal = api.registry.accounts.principal(api.registry.accounts.get("alice"))
    api.registry.tenancy.organizations.create(principal, "acme")
    alice.put("user/robots/bot")
    result = api.bare.get(f"users/{name}")

    assert result.status_code in (400, 404)
    if name in ("nobody", "acme", "alice+bot"):
        assert "not found" in plain(result, 404)


# -- signing up -------------------------------------------------------------------------------------


def test_a_sign_up_signs_in_at_once_without_mail(api: ApiWorld) -> None:
    caller = api.user("alice")
    result = caller.post("user/", {"username": "carol", "password": PASSWORD})

    assert result.status_code == 200
    assert result.json["username"] == "carol"
    assert "-" in result.json["email"]
    assert result.json["tag_expiration_s"] == 1209600
    assert result.headers["x-next-csrf-token"]
    assert caller.get("user/").json["username"] == "carol"


def test_a_sign_up_waits_for_the_address_with_mail(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True)
    caller = api.anonymous
    new = {"username": "carol", "password": PASSWORD, "email": "carol@mail.test"}
    result = caller.post("user/", new)

    assert (result.status_code, result.json) == (200, {"awaiting_verification": True})
    assert "x-next-csrf-token" not in result.headers
    assert not is_signed_in(caller)
    refused = caller.post("signin", {"username": "carol", "password": PASSWORD})
    assert refused.status_code == 403
    assert refused.json == {"needsEmailVerification": True, "invalidCredentials": False, "message": None}
    page = api.bare.get("/confirm", params={"code": last(api.registry).code})
    assert page.status_code == 200
    assert caller.post("signin", {"username": "carol", "password": PASSWORD}).status_code == 200
    assert is_signed_in(caller)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", LENGTH_RULE),
        ("a", LENGTH_RULE),
        ("a" * 256, LENGTH_RULE),
        ("Alice", NAME_RULE),
        ("al ice", NAME_RULE),
        ("alice+bot", NAME_RULE),
        ("al..ice", NAME_RULE),
        ("al--ice", NAME_RULE),
        ("-alice", NAME_RULE),
        ("alice-", NAME_RULE),
        ("älice", NAME_RULE),
        ("alice\n", NAME_RULE),
        ("../etc", NAME_RULE),
    ],
)
def test_a_name_that_no_user_may_have_is_refused(api: ApiWorld, name: str, rule: str) -> None:
    text = typed(api.anonymous.post("user/", {"username": name, "password": PASSWORD}))

    assert text.startswith("Invalid namespace ")
    # The empty name breaks both rules.
    assert rule in text or name == ""


@pytest.mark.parametrize("name", ["ab", "a" * 255, "a.b-c_d", "0a", "123"])
def test_a_name_at_the_border_is_taken(api: ApiWorld, name: str) -> None:
    result = api.anonymous.post("user/", {"username": name, "password": PASSWORD})

    assert (result.status_code, result.json["username"]) == (200, name)


@pytest.mark.parametrize("password", ["", "1234567", "with space", "tab\tinside", "line\nbreak"])
def test_a_password_that_is_none_is_refused(api: ApiWorld, password: str) -> None:
    text = typed(api.anonymous.post("user/", {"username": "carol", "password": password}))

    assert text == PASSWORD_RULE


def test_names_and_addresses_in_use_are_refused(api: ApiWorld) -> None:
    api.user("alice")
    principal = api.registry.accounts.principal(api.registry.accounts.get("alice"))
    api.registry.tenancy.organizations.create(principal, "acme")
    for name in ("alice", "acme"):
        taken = api.anonymous.post("user/", {"username": name, "password": PASSWORD})
        assert typed(taken) == "The username already exists"
    new = {"username": "carol", "password": PASSWORD, "email": "alice@example.com"}
    assert typed(api.anonymous.post("user/", new)) == "E-mail address already used"


def test_with_mail_an_address_is_needed(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True)
    new: dict[str, Any] = {"username": "carol", "password": PASSWORD}

    assert typed(api.anonymous.post("user/", new)) == "Email address is required"
    assert "email" in typed(api.anonymous.post("user/", {**new, "email": "no address"})).lower()


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "carol"}, {"password": PASSWORD}, {"username": 5, "password": PASSWORD}, [], "x"],
)
def test_a_body_that_is_not_one_is_a_typed_400(api: ApiWorld, body: Any) -> None:
    typed(api.anonymous.post("user/", body))


def test_a_sign_up_that_is_off_is_not_there(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_USER_CREATION=False)
    result = api.anonymous.post("user/", {"username": "carol", "password": PASSWORD})

    typed(result, 404, "not_found")


def test_a_rehearsed_sign_up_makes_and_signs_in_nobody(api: ApiWorld) -> None:
    alice = api.user("alice")
    result = alice.post("user/?dry_run=1", {"username": "carol", "password": PASSWORD})

    assert [event["kind"] for event in result.json["events"]] == ["user_create"]
    assert alice.get("user/").json["username"] == "alice"
    assert api.registry.accounts.find("carol") is None


# -- changing ---------------------------------------------------------------------------------------


def test_a_new_password_keeps_the_caller_and_ends_all_other_sessions(api: ApiWorld) -> None:
    here, there = api.user("alice"), api.session("alice")
    old_csrf = here.csrf
    result = here.put("user/", {"password": "battery-staple"})

    assert result.status_code == 200
    assert result.headers["x-next-csrf-token"] != old_csrf
    assert is_signed_in(here)
    assert not is_signed_in(there)
    stale = here.put("user/", {"invoice_email": True}, headers={"X-CSRF-Token": old_csrf or ""})
    assert (stale.status_code, stale.json["error"][:24]) == (403, "CSRF token was invalid o")
    assert "account_change_password" in kinds(api)


def test_details_are_changed_and_told(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_USER_METADATA=True)
    wanted = {
        "invoice_email": True,
        "invoice_email_address": "bills@example.com",
        "tag_expiration_s": 86400,
        "given_name": "Alice",
        "family_name": "Liddell",
        "company": "Wonderland",
        "location": "Oxford",
        "email": "alice@wonderland.test",
    }
    body = api.user("alice").put("user/", wanted).json

    assert {key: body[key] for key in wanted} == wanted
    assert body["avatar"]["name"] == "alice"
    assert [kind for kind in kinds(api) if kind.startswith("user_change")] == [
        "user_change_email",
        "user_change_invoicing",
        "user_change_invoicing",
        "user_change_tag_expiration",
        "user_change_metadata",
    ]
    assert api.user("alice").put("user/", {"company": None}).json["company"] is None


def test_what_is_switched_off_is_passed_over(api: ApiWorld) -> None:
    wanted = {"given_name": "Alice", "username": "alison", "company": "x", "nonsense": 1}
    body = api.user("alice").put("user/", wanted).json

    assert (body["username"], body["given_name"], body["company"]) == ("alice", None, None)


def test_a_rename_answers_with_the_new_name_and_the_session_goes_on(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_USER_RENAME=True)
    alice = api.user("alice")

    assert alice.put("user/", {"username": "alison"}).json["username"] == "alison"
    assert alice.get("user/").json["username"] == "alison"
    assert plain(alice.put("user/", {"username": "Alison"})).startswith("Invalid username Alison: ")
    assert plain(alice.put("user/", {"username": "admin"}))
    api.user("bob")
    assert plain(alice.put("user/", {"username": "bob"}))


def test_the_window_stays_where_the_operator_lets_nobody_choose_it(make_api: ApiMaker) -> None:
    alice = make_api(FEATURE_CHANGE_TAG_EXPIRATION=False).user("alice")
    for seconds in (86400, 5):
        result = alice.put("user/", {"tag_expiration_s": seconds, "company": "Acme"})
        assert (result.status_code, result.json["tag_expiration_s"]) == (200, 1209600)


def test_each_fault_of_a_change_has_its_shape(api: ApiWorld) -> None:
    alice, _ = api.user("alice"), api.user("bob")

    assert typed(alice.put("user/", {"email": "bob@example.com"})) == "E-mail address already used"
    assert typed(alice.put("user/", {"password": "short"})) == PASSWORD_RULE
    assert plain(alice.put("user/", {"tag_expiration_s": 5})) == "Invalid tag expiration option"
    for body in (
        {"tag_expiration_s": -1},
        {"tag_expiration_s": "1d"},
        {"invoice_email": "yes"},
        {"company": 5},
    ):
        typed(alice.put("user/", body))
    typed(alice.put("user/", {"invoice_email_address": "x" * 256}))
    assert alice.get("user/").json["email"] == "alice@example.com"


def test_with_mail_the_old_address_is_shown_until_the_new_one_is_confirmed(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True)
    alice = api.user("alice")

    assert alice.put("user/", {"email": "new@mail.test"}).json["email"] == "alice@example.com"
    page = api.bare.get("/confirm", params={"code": last(api.registry).code})
    assert "new@mail.test" in page.text
    assert alice.get("user/").json["email"] == "new@mail.test"
    assert api.bare.get("/confirm", params={"code": "x"}).status_code == 400
