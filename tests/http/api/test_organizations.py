"""Organizations over the API: statuses, shapes and texts that clients know."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result

from quayframe.data.tables import Account, Permission, Repository
from quayframe.oci.names import RepositoryName

PUBLIC = {"name", "email", "avatar", "is_admin", "is_member"}
OF_MEMBERS = PUBLIC | {"teams", "ordered_teams"}
OF_ADMINS = OF_MEMBERS | {"invoice_email", "invoice_email_address", "tag_expiration_s", "is_free_account"}


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `org`."""
    return made(api)


def made(api: ApiWorld) -> Caller:
    boss = api.user("boss")
    assert boss.post("organization/", {"name": "org", "email": "org@example.com"}).status_code == 201
    return boss


def typed(result: Result) -> tuple[int, str, str]:
    return result.status_code, result.json["error_type"], result.json["detail"]


def plain(result: Result) -> tuple[int, Any]:
    assert set(result.json) == {"message"}
    return result.status_code, result.json["message"]


FORBIDDEN = (403, "insufficient_scope", "Unauthorized")
MISSING = (404, "not_found", "Not Found")


def avatar(name: str, kind: str, seed: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "hash": hashlib.sha256(seed.encode()).hexdigest()}


def without_color(shown: dict[str, Any]) -> dict[str, Any]:
    assert shown["color"].startswith("#")
    return {key: value for key, value in shown.items() if key != "color"}


# -- making -------------------------------------------------------------------------------------------


def test_a_new_organization_is_created_and_has_its_owners(api: ApiWorld) -> None:
    result = api.user("boss").post("organization/", {"name": "org", "unknown": 1})

    assert (result.status_code, result.json) == (201, "Created")
    assert "location" not in result.headers
    body = api.user("boss").get("organization/org").json
    assert set(body) == OF_ADMINS
    owners = body["teams"]["owners"]
    assert without_color(owners.pop("avatar")) == avatar("owners", "team", "owners")
    assert body["teams"] == {
        "owners": {
            "name": "owners",
            "description": "",
            "role": "admin",
            "can_view": True,
            "repo_count": 0,
            "member_count": 1,
            "is_synced": False,
        }
    }
    assert body["ordered_teams"] == ["owners"]
    assert (body["is_admin"], body["is_member"], body["is_free_account"]) == (True, True, True)
    assert (body["invoice_email"], body["invoice_email_address"]) == (False, None)
    assert body["tag_expiration_s"] == 1209600


@pytest.mark.parametrize("name", ["ab", "a" * 255, "a.b-c_d"])
def test_names_up_to_the_borders_are_taken(api: ApiWorld, name: str) -> None:
    assert api.user("boss").post("organization/", {"name": name}).status_code == 201


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Org", "match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("o__g", "match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("", "match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("o", "be between 2 and 255 characters in length"),
        ("o" * 256, "be between 2 and 255 characters in length"),
    ],
)
def test_a_bad_name_is_refused_with_its_rule(api: ApiWorld, name: str, rule: str) -> None:
    status, kind, detail = typed(api.user("boss").post("organization/", {"name": name}))

    assert (status, kind) == (400, "invalid_request")
    assert detail.startswith("Invalid namespace ")
    assert detail.endswith(f": Namespace must {rule}")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "'name' is a required property"),
        ({"name": 5}, "5 is not of type 'string'"),
        ({"name": "new", "email": "nobody"}, "Invalid email address"),
        ({"name": "new", "email": None}, "None is not of type 'string'"),
        ([], "[] is not of type 'object'"),
        ({"name": "org"}, "A user or organization with this name already exists"),
        ({"name": "boss"}, "A user or organization with this name already exists"),
    ],
)
def test_a_bad_body_is_refused(boss: Caller, body: Any, detail: str) -> None:
    assert typed(boss.post("organization/", body)) == (400, "invalid_request", detail)


def test_an_address_may_be_shared(boss: Caller) -> None:
    assert boss.post("organization/", {"name": "two", "email": "org@example.com"}).status_code == 201


def test_who_may_make_organizations(api: ApiWorld, make_api: ApiMaker) -> None:
    body = {"name": "new"}
    assert api.anonymous.post("organization/", body).status_code == 401
    assert typed(api.oauth("user", "org:admin repo:create").post("organization/", body)) == FORBIDDEN
    assert api.oauth("user", "user:admin").post("organization/", body).status_code == 201
    only = make_api(FEATURE_SUPERUSERS_ORG_CREATION_ONLY=True)
    assert typed(only.user("user").post("organization/", body)) == FORBIDDEN
    assert only.admin.post("organization/", body).status_code == 201
    restricted = make_api(FEATURE_RESTRICTED_USERS=True, RESTRICTED_USERS_WHITELIST=["free"])
    assert typed(restricted.user("user").post("organization/", body)) == FORBIDDEN
    assert restricted.user("free").post("organization/", body).status_code == 201


# -- seeing -------------------------------------------------------------------------------------------


def test_each_viewer_sees_what_is_for_them(api: ApiWorld, boss: Caller) -> None:
    boss.put("organization/org/team/dev", {"role": "member"})
    boss.put("organization/org/team/dev/members/member")
    api.user("member")
    boss.put("organization/org/team/dev/members/member")
    for viewer in (api.bare, api.anonymous, api.user("stranger"), api.admin, api.oauth("boss", "repo:read")):
        body = viewer.get("organization/org").json
        assert set(body) == PUBLIC
        assert (body["email"], body["is_admin"], body["is_member"]) == ("", False, False)
        assert without_color(body["avatar"]) == avatar("org", "org", "org@example.com")
    member = api.user("member").get("organization/org").json
    assert set(member) == OF_MEMBERS
    assert (member["email"], member["is_admin"], member["is_member"]) == ("", False, True)
    assert member["ordered_teams"] == ["owners", "dev"]
    assert [member["teams"][team]["can_view"] for team in member["ordered_teams"]] == [False, True]
    assert set(api.oauth("boss", "org:admin").get("organization/org").json) == OF_ADMINS
    assert boss.get("organization/org").json["email"] == "org@example.com"


def test_who_reads_or_acts_everywhere_sees_what_admins_see(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_SUPERUSERS_FULL_ACCESS=True, GLOBAL_READONLY_SUPER_USERS=["auditor"])
    made(api)
    for name, admin in (("admin", True), ("auditor", False)):
        body = api.user(name).get("organization/org").json
        assert (set(body), body["is_admin"], body["email"]) == (OF_ADMINS, admin, "org@example.com")
        assert api.user(name).get("organization/org/members").status_code == 200
    assert typed(api.user("auditor").put("organization/org", {"invoice_email": True})) == FORBIDDEN
    assert typed(api.user("auditor").delete("organization/org")) == FORBIDDEN
    assert api.admin.put("organization/org", {"invoice_email": True}).status_code == 200


def test_what_is_no_organization_is_not_found(api: ApiWorld, boss: Caller) -> None:
    for name in ("none", "boss", "ORG"):
        assert typed(boss.get(f"organization/{name}")) == MISSING
        assert typed(api.admin.put(f"organization/{name}", {})) == FORBIDDEN
        assert typed(api.admin.delete(f"organization/{name}")) == FORBIDDEN
        assert typed(boss.get(f"organization/{name}/members")) == FORBIDDEN
    assert api.bare.get("organization/none/members").status_code == 401


# -- changing -----------------------------------------------------------------------------------------


def test_a_change_answers_with_the_new_state_and_keeps_the_rest(api: ApiWorld, boss: Caller) -> None:
    api.user("other", "other@example.com")
    first = boss.put("organization/org", {"email": "other@example.com", "tag_expiration_s": 86400})
    assert first.status_code == 200
    assert set(first.json) == OF_ADMINS
    second = boss.put("organization/org", {"invoice_email": True, "invoice_email_address": "i@example.com"})

    assert second.json == boss.get("organization/org").json
    assert (second.json["email"], second.json["tag_expiration_s"]) == ("other@example.com", 86400)
    assert (second.json["invoice_email"], second.json["invoice_email_address"]) == (True, "i@example.com")
    assert without_color(second.json["avatar"]) == avatar("org", "org", "other@example.com")
    assert boss.put("organization/org", {"invoice_email_address": None}).json["invoice_email_address"] is None
    assert boss.put("organization/org", {}).status_code == 200


@pytest.mark.parametrize("seconds", [1, 86401, 10**12])
def test_a_window_that_is_none_of_the_options_is_a_plain_error(boss: Caller, seconds: int) -> None:
    result = boss.put("organization/org", {"tag_expiration_s": seconds})

    assert plain(result) == (400, "Invalid tag expiration option")


def test_the_window_stays_where_the_operator_lets_nobody_choose_it(make_api: ApiMaker) -> None:
    boss = make_api(FEATURE_CHANGE_TAG_EXPIRATION=False).user("boss")
    boss.post("organization/", {"name": "org"})
    for seconds in (86400, 5):
        result = boss.put("organization/org", {"tag_expiration_s": seconds, "invoice_email": True})
        assert (result.status_code, result.json["tag_expiration_s"]) == (200, 1209600)
        assert result.json["invoice_email"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"email": 5},
        {"email": "nobody"},
        {"invoice_email": "yes"},
        {"tag_expiration_s": -1},
        {"tag_expiration_s": "1d"},
        {"tag_expiration_s": 86400.5},
        {"contact_email": "c" * 256},
        {"invoice_email_address": "c" * 256},
        {"invoice_email_address": "a\0b"},
    ],
)
def test_a_change_that_is_none_is_refused(boss: Caller, body: Any) -> None:
    before = boss.get("organization/org").json
    status, kind, _ = typed(boss.put("organization/org", body))

    assert (status, kind) == (400, "invalid_request")
    assert boss.get("organization/org").json == before


def test_only_its_admins_change_and_delete_it(api: ApiWorld, boss: Caller) -> None:
    api.user("member")
    boss.put("organization/org/team/dev", {"role": "creator"})
    boss.put("organization/org/team/dev/members/member")
    for who in (
        api.user("member"),
        api.user("stranger"),
        api.admin,
        api.oauth("boss", "user:admin repo:admin"),
    ):
        assert typed(who.put("organization/org", {"invoice_email": True})) == FORBIDDEN
        assert typed(who.delete("organization/org")) == FORBIDDEN


def test_a_dry_run_changes_nothing_and_says_what_it_would(boss: Caller) -> None:
    before = boss.get("organization/org").json
    result = boss.put("organization/org", {"email": "new@example.com"}, params={"dry_run": "1"})

    assert [event["kind"] for event in result.json["events"]] == ["org_change_email"]
    assert boss.get("organization/org").json == before
    assert boss.delete("organization/org", params={"dry_run": "1"}).status_code == 200
    assert boss.get("organization/org").status_code == 200


def test_a_deleted_organization_is_gone_at_once_and_its_name_stays_taken(api: ApiWorld, boss: Caller) -> None:
    result = boss.delete("organization/org")

    assert (result.status_code, result.content) == (204, b"")
    for who in (boss, api.bare):
        assert typed(who.get("organization/org")) == MISSING
    assert typed(boss.get("organization/org/members")) == FORBIDDEN
    assert typed(boss.put("organization/org/team/new", {"role": "member"})) == FORBIDDEN
    assert typed(boss.post("organization/", {"name": "org"}))[0] == 400


# -- people -------------------------------------------------------------------------------------------


def email_of(api: ApiWorld, name: str) -> str:
    db = api.registry.db
    return str(db.value(Account.select(Account.email).where(Account.name == name)))


def test_members_have_teams_and_direct_repositories(api: ApiWorld, boss: Caller) -> None:
    api.user("member")
    for team in ("dev", "ops"):
        boss.put(f"organization/org/team/{team}", {"role": "member"})
        boss.put(f"organization/org/team/{team}/members/member")
    body = boss.get("organization/org/members").json

    assert set(body) == {"members"}
    first, second = body["members"]
    assert (first["name"], first["kind"], [t["name"] for t in first["teams"]]) == ("boss", "user", ["owners"])
    assert set(second) == {"name", "kind", "avatar", "teams", "repositories"}
    assert [t["name"] for t in second["teams"]] == ["dev", "ops"]
    assert without_color(second["teams"][0]["avatar"]) == avatar("dev", "team", "dev")
    assert without_color(second["avatar"]) == avatar("member", "user", email_of(api, "member"))
    assert second["repositories"] == []
    assert boss.get("organization/org/members/member").json == second
    assert boss.get("organization/org/collaborators").json == {"collaborators": []}


def test_a_collaborator_is_shown_with_its_repositories(api: ApiWorld, boss: Caller) -> None:
    api.user("outside")
    grant(api, "team/app", "outside")
    (shown,) = boss.get("organization/org/collaborators").json["collaborators"]

    assert set(shown) == {"kind", "name", "avatar", "repositories"}
    assert (shown["kind"], shown["name"], shown["repositories"]) == ("user", "outside", ["team/app"])
    assert boss.delete("organization/org/members/outside").status_code == 204
    assert boss.get("organization/org/collaborators").json == {"collaborators": []}


def grant(api: ApiWorld, name: str, who: str) -> None:
    """Makes a repository of `org` and gives somebody a role on it."""
    accounts, db = api.registry.accounts, api.registry.db
    boss = accounts.principal(accounts.get("boss"))
    api.registry.repositories.create(boss, RepositoryName("org", name), "private")
    repository = db.value(Repository.select(Repository.id).where(Repository.name == name))
    row = {"repository": repository, "account": accounts.get(who).id, "role": "read"}
    db.write(lambda tx: tx.insert(Permission, **row))


def test_who_is_not_in_it_is_no_member(api: ApiWorld, boss: Caller) -> None:
    api.user("stranger")
    for name in ("stranger", "nobody"):
        assert typed(boss.get(f"organization/org/members/{name}")) == MISSING
        assert typed(boss.delete(f"organization/org/members/{name}")) == MISSING


def test_who_is_removed_sees_what_strangers_see_at_once(api: ApiWorld, boss: Caller) -> None:
    member = api.user("member")
    boss.put("organization/org/team/owners/members/member")
    assert set(member.get("organization/org").json) == OF_ADMINS
    assert boss.delete("organization/org/members/member").status_code == 204

    assert set(member.get("organization/org").json) == PUBLIC
    assert typed(member.get("organization/org/members")) == FORBIDDEN


def test_the_only_admin_cannot_be_removed(boss: Caller) -> None:
    status, message = plain(boss.delete("organization/org/members/boss"))

    assert status == 400
    assert "only admin" in message


def test_only_admins_see_the_people(api: ApiWorld, boss: Caller) -> None:
    api.user("member")
    boss.put("organization/org/team/dev", {"role": "creator"})
    boss.put("organization/org/team/dev/members/member")
    for path in ("members", "members/member", "collaborators"):
        assert api.user("member").get(f"organization/org/{path}").status_code == 403
        assert api.user("stranger").get(f"organization/org/{path}").status_code == 403
        assert api.bare.get(f"organization/org/{path}").status_code == 401
        assert api.oauth("boss", "repo:admin").get(f"organization/org/{path}").status_code == 403
        assert api.oauth("boss", "org:admin").get(f"organization/org/{path}").status_code == 200
    assert api.user("member").delete("organization/org/members/member").status_code == 403


def test_a_deletion_needs_a_fresh_login(make_api: ApiMaker) -> None:
    api = make_api(FRESH_LOGIN_TIMEOUT="0s")
    boss = made(api)
    result = boss.delete("organization/org")

    assert (result.status_code, result.json["error_type"]) == (401, "fresh_login_required")
    assert boss.get("organization/org").status_code == 200
