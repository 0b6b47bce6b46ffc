"""Users as superusers see, make, change and delete them."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any

import bcrypt
import pytest
from api_client import ApiMaker, ApiWorld, Caller
from api_faults import FORBIDDEN, MISSING, NOBODY, kind, plain, typed

from quayframe.data.tables import Account, EventRow, Job
from quayframe.services.principal import SYSTEM

ITEM = {
    "kind", "name", "username", "email", "verified", "avatar", "super_user", "global_readonly_super_user",
    "enabled",
}  # fmt: skip
GRAMMAR = "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"
LENGTH = "Namespace must be between 2 and 255 characters in length"


@pytest.fixture
def root(api: ApiWorld) -> Caller:
    """The superuser; `ann` and `bob` are users."""
    api.user("ann")
    api.user("bob")
    return api.admin


def names(result: Any) -> list[str]:
    assert result.status_code == 200, result.text
    return [user["name"] for user in result.json["users"]]


# -- reading ------------------------------------------------------------------------------------------


def test_all_users_come_in_one_list(api: ApiWorld, root: Caller) -> None:
    api.user("boss").post("organization/", {"name": "org"})
    root.put("user/robots/bot")
    result = root.get("superuser/users/")

    assert names(result) == ["ann", "bob", "admin", "boss"]
    assert set(result.json) == {"users"}
    assert all(set(user) == ITEM for user in result.json["users"])


def test_a_user_is_shown(api: ApiWorld, root: Caller) -> None:
    shown = root.get("superuser/users/ann").json
    avatar = shown.pop("avatar")

    assert shown == {
        "kind": "user",
        "name": "ann",
        "username": "ann",
        "email": "ann@example.com",
        "verified": True,
        "super_user": False,
        "global_readonly_super_user": False,
        "enabled": True,
    }
    assert (avatar["name"], avatar["kind"]) == ("ann", "user")
    assert root.get("superuser/users/admin").json["super_user"] is True
    assert kind(root.get("superuser/users/nobody")) == MISSING


@pytest.mark.parametrize("path", ["superuser/users/", "superuser/organizations/"])
def test_a_list_with_a_limit_comes_in_pages(api: ApiWorld, root: Caller, path: str) -> None:
    for name in ("org-a", "org-b", "org-c"):
        api.user("ann").post("organization/", {"name": name})
    key = "users" if "users" in path else "organizations"
    first = root.get(path, params={"limit": "2"}).json
    last = root.get(path, params={"limit": "2", "next_page": first["next_page"]}).json

    assert (len(first[key]), len(last[key])) == (2, 1)
    assert "next_page" not in last
    assert "next_page" not in root.get(path, params={"limit": "3"}).json
    text = "Page limit cannot be above 100"
    assert typed(root.get(path, params={"limit": "101"})) == (400, "invalid_request", text)
    assert kind(root.get(path, params={"limit": "0"})) == (400, "invalid_request")
    assert root.get(path, params={"limit": "x"}).status_code == 400


def test_the_next_page_of_users_is_no_page_of_organizations(root: Caller) -> None:
    token = root.get("superuser/users/", params={"limit": "1"}).json["next_page"]
    other = root.get("superuser/organizations/", params={"limit": "1", "next_page": token})

    assert kind(other) == (400, "invalid_request")


def test_who_is_switched_off_can_be_left_out(root: Caller) -> None:
    root.put("superuser/users/bob", {"enabled": False})

    assert names(root.get("superuser/users/")) == ["ann", "bob", "admin"]
    assert names(root.get("superuser/users/", params={"disabled": "false"})) == ["ann", "admin"]


def test_only_superusers_are_let_in(api: ApiWorld, root: Caller) -> None:
    assert typed(api.user("ann").get("superuser/users/")) == FORBIDDEN
    assert typed(api.anonymous.get("superuser/users/")) == NOBODY
    assert typed(api.oauth("admin", "user:admin org:admin").get("superuser/users/")) == FORBIDDEN
    assert names(api.oauth("admin", "super:user").get("superuser/users/")) == ["ann", "bob", "admin"]


def test_a_read_only_superuser_reads(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])
    auditor = api.user("auditor")

    assert auditor.get("superuser/users/").json["users"][0]["global_readonly_super_user"] is True
    assert typed(auditor.post("superuser/users/", {"username": "new"})) == FORBIDDEN
    assert typed(auditor.put("superuser/users/auditor", {"enabled": False})) == FORBIDDEN
    assert typed(auditor.delete("superuser/users/auditor")) == FORBIDDEN


def test_without_superusers_there_is_no_such_path(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_SUPER_USERS=False)

    assert kind(api.admin.get("superuser/users/")) == MISSING


# -- making -------------------------------------------------------------------------------------------


def test_a_user_is_made_with_a_password_that_works(api: ApiWorld, root: Caller) -> None:
    made = root.post("superuser/users/", {"username": "new", "email": "new@example.com"})

    assert made.status_code == 200
    assert set(made.json) == {"username", "email", "password", "encrypted_password"}
    assert (made.json["username"], made.json["email"]) == ("new", "new@example.com")
    assert re.fullmatch("[A-Z0-9]{32}", made.json["password"])
    for password in (made.json["password"], made.json["encrypted_password"]):
        basic = base64.b64encode(f"new:{password}".encode()).decode()
        assert api.bare.get("/v2/auth", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert root.get("superuser/users/new").json["verified"] is True


def test_a_user_without_an_address_has_a_random_one(root: Caller) -> None:
    assert root.post("superuser/users/", {"username": "new"}).json["email"] is None

    shown = root.get("superuser/users/new").json["email"]
    assert str(uuid.UUID(shown)) == shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ann", "Username has already been taken by user cannot be reused: ann"),
        ("New", f"Invalid namespace New: {GRAMMAR}"),
        ("a__b", f"Invalid namespace a__b: {GRAMMAR}"),
        ("x", f"Invalid namespace x: {LENGTH}"),
    ],
)
def test_a_bad_name_is_told_plainly(root: Caller, name: str, text: str) -> None:
    assert plain(root.post("superuser/users/", {"username": name})) == (400, text)


@pytest.mark.parametrize(("length", "status"), [(2, 200), (255, 200), (256, 400)])
def test_the_borders_of_a_names_length(root: Caller, length: int, status: int) -> None:
    assert root.post("superuser/users/", {"username": "x" * length}).status_code == status


def test_the_name_of_a_deleted_user_stays_taken(root: Caller) -> None:
    root.delete("superuser/users/bob")
    text = "Username has already been taken by user cannot be reused: bob"

    assert plain(root.post("superuser/users/", {"username": "bob"})) == (400, text)


def test_an_address_in_use_is_told_plainly(root: Caller) -> None:
    taken = root.post("superuser/users/", {"username": "new", "email": "ann@example.com"})

    assert plain(taken) == (400, "E-mail address already used")


@pytest.mark.parametrize("body", [[], {}, {"username": 5}, {"username": "new", "email": 5}])
def test_a_bad_body_is_told(root: Caller, body: Any) -> None:
    assert kind(root.post("superuser/users/", body)) == (400, "invalid_request")


def test_with_mail_a_new_user_confirms_the_address_first(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True)
    missing = api.admin.post("superuser/users/", {"username": "new"})
    assert plain(missing) == (400, "Invalid email address: None")
    made = api.admin.post("superuser/users/", {"username": "new", "email": "new@example.com"})

    assert made.status_code == 200
    assert api.admin.get("superuser/users/new").json["verified"] is False
    assert [k for (k,) in api.registry.db.rows(Job.select(Job.kind))] == ["mail"]
    basic = base64.b64encode(f"new:{made.json['password']}".encode()).decode()
    assert api.bare.get("/v2/auth", headers={"Authorization": f"Basic {basic}"}).status_code == 401


def test_with_metadata_a_new_user_is_asked_for_names(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_USER_METADATA=True)
    api.admin.post("superuser/users/", {"username": "new"})

    assert api.session("new").get("user/").json["prompts"] == ["enter_name", "enter_company"]


# -- changes ------------------------------------------------------------------------------------------


def test_nothing_is_changed_by_an_empty_body(root: Caller) -> None:
    before = root.get("superuser/users/ann").json
    result = root.put("superuser/users/ann", {})

    assert (result.status_code, result.json) == (200, before)


def test_an_address_is_changed_without_asking(root: Caller) -> None:
    old = root.get("superuser/users/ann").json["avatar"]["hash"]
    result = root.put("superuser/users/ann", {"email": "new@example.com"}).json

    assert (result["email"], result["verified"]) == ("new@example.com", True)
    assert result["avatar"]["hash"] != old
    assert "encrypted_password" not in result
    taken = root.put("superuser/users/ann", {"email": "bob@example.com"})
    assert plain(taken) == (400, "E-mail address already used")


def test_a_new_password_ends_sessions(api: ApiWorld, root: Caller) -> None:
    ann = api.user("ann")
    result = root.put("superuser/users/ann", {"password": "another-horse"})

    assert (result.status_code, set(result.json)) == (200, ITEM | {"encrypted_password"})
    assert ann.get("user/").status_code == 401
    for password, status in (("another-horse", 200), ("correct-horse", 401)):
        basic = base64.b64encode(f"ann:{password}".encode()).decode()
        assert api.bare.get("/v2/auth", headers={"Authorization": f"Basic {basic}"}).status_code == status


def test_a_rehearsal_does_not_hold_the_database_for_a_hash(
    root: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []

    def hashpw(password: bytes, salt: bytes) -> bytes:
        hashed.append(password)
        return b"x"

    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    made = root.post("superuser/users/?dry_run=1", {"username": "new", "email": "new@x.org"})
    changed = root.put("superuser/users/ann?dry_run=1", {"password": "another-horse"})

    assert (made.status_code, changed.status_code) == (200, 200)
    assert hashed == []


@pytest.mark.parametrize("password", ["short", "with blank in it", ""])
def test_a_bad_password_is_told_plainly(root: Caller, password: str) -> None:
    text = "Invalid password, password must be at least 8 characters and contain no whitespace."

    assert plain(root.put("superuser/users/ann", {"password": password})) == (400, text)


def test_who_is_switched_off_is_out_at_once(api: ApiWorld, root: Caller) -> None:
    ann, token = api.user("ann"), api.oauth("ann", "user:read user:admin")
    ann.put("user/robots/bot")
    assert root.put("superuser/users/ann", {"enabled": False}).json["enabled"] is False

    assert ann.get("user/").status_code == 401
    assert token.get("user/").status_code == 401
    root.put("superuser/users/ann", {"enabled": True})
    assert api.session("ann").get("user/").status_code == 200
    assert ann.get("user/").status_code == 401


@pytest.mark.parametrize("body", [{"enabled": "no"}, {"password": 5}, {"email": []}])
def test_a_wrong_type_is_told(root: Caller, body: Any) -> None:
    assert kind(root.put("superuser/users/ann", body)) == (400, "invalid_request")


def test_superusers_are_not_to_be_touched(api: ApiWorld, make_api: ApiMaker) -> None:
    api = make_api(SUPER_USERS=["admin", "root"])
    api.user("root")
    for name in ("admin", "root"):
        changed = api.admin.put(f"superuser/users/{name}", {"enabled": False})
        assert typed(changed) == (400, "invalid_request", "Cannot update a superuser")
        deleted = api.admin.delete(f"superuser/users/{name}")
        assert typed(deleted) == (400, "invalid_request", "Cannot delete a superuser")


def test_who_is_not_there_is_not_found(root: Caller) -> None:
    assert kind(root.put("superuser/users/nobody", {})) == MISSING
    assert kind(root.delete("superuser/users/nobody")) == MISSING


def test_a_deleted_user_is_gone_at_once(api: ApiWorld, root: Caller) -> None:
    ann = api.user("ann")
    ann.post("repository", {"repository": "app", "visibility": "public", "description": ""})
    assert root.delete("superuser/users/ann").status_code == 204

    assert names(root.get("superuser/users/")) == ["bob", "admin"]
    assert ann.get("user/").status_code == 401
    assert api.anonymous.get("users/ann").status_code == 404
    assert api.anonymous.get("repository", params={"public": "true"}).json["repositories"] == []


def test_what_superusers_do_is_in_the_log_of_the_user(api: ApiWorld, root: Caller) -> None:
    root.put("superuser/users/ann", {"password": "another-horse", "email": "new@x.org", "enabled": False})
    account = api.registry.accounts.get("ann")
    done = EventRow.select(EventRow.kind, EventRow.performer).where(EventRow.namespace == account.id)
    by_admin = [k for k, who in api.registry.db.rows(done) if who == api.registry.accounts.get("admin").id]

    assert by_admin == ["user_change_password", "user_change_email", "user_disable"]


# -- recovery -----------------------------------------------------------------------------------------


def test_a_mail_of_recovery_is_sent(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True)
    api.user("ann")
    result = api.admin.post("superusers/users/ann/sendrecovery")

    assert (result.status_code, result.json) == (200, {"email": "ann@example.com"})
    assert [k for (k,) in api.registry.db.rows(Job.select(Job.kind))] == ["mail"]
    assert kind(api.admin.post("superusers/users/nobody/sendrecovery")) == MISSING
    assert kind(api.admin.post("superusers/users/admin/sendrecovery")) == (400, "invalid_request")
    api.registry.accounts.create_user(SYSTEM, "new", None)
    assert kind(api.admin.post("superusers/users/new/sendrecovery")) == (400, "invalid_request")


def test_without_mail_there_is_no_recovery(root: Caller) -> None:
    assert kind(root.post("superusers/users/ann/sendrecovery")) == MISSING


def test_a_dry_run_makes_nobody(api: ApiWorld, root: Caller) -> None:
    told = root.post("superuser/users/", {"username": "new"}, params={"dry_run": "1"}).json

    assert [event["kind"] for event in told["events"]] == ["user_create"]
    assert api.registry.db.one(Account.select(Account.id).where(Account.name == "new")) is None
