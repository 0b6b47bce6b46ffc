"""Organizations as superusers list, rename, delete them and take them over."""

from __future__ import annotations

import uuid

import pytest
from api_client import ApiMaker, ApiWorld, Caller
from api_faults import FORBIDDEN, MISSING, kind, plain, typed
from repository_world import create

from quayframe.data.tables import Account, EventRow


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `org`, which has a repository and a robot."""
    boss = api.user("boss")
    boss.post("organization/", {"name": "org", "email": "org@example.com"})
    create(boss, namespace="org")
    assert boss.put("organization/org/robots/bot").status_code == 201
    return boss


def test_organizations_are_listed(api: ApiWorld, boss: Caller) -> None:
    boss.post("organization/", {"name": "bare"})
    first, second = api.admin.get("superuser/organizations/").json["organizations"]

    assert set(first) == {"name", "email", "avatar"}
    assert (first["name"], first["email"], first["avatar"]["kind"]) == ("org", "org@example.com", "org")
    assert str(uuid.UUID(second["email"])) == second["email"]
    assert typed(boss.get("superuser/organizations/")) == FORBIDDEN


# -- renaming -----------------------------------------------------------------------------------------


def test_an_organization_is_renamed_with_its_robots(api: ApiWorld, boss: Caller) -> None:
    token = boss.get("organization/org/robots/bot").json["token"]
    result = api.admin.put("superuser/organizations/org", {"name": "new-org"})

    assert result.status_code == 200
    assert set(result.json) == {"name", "email", "avatar"}
    assert (result.json["name"], result.json["email"]) == ("new-org", "org@example.com")
    assert boss.get("repository/new-org/app").status_code == 200
    assert kind(boss.get("repository/org/app")) == (403, "insufficient_scope")
    robot = boss.get("organization/new-org/robots/bot").json
    assert (robot["name"], robot["token"]) == ("new-org+bot", token)
    assert boss.get("organization/org").status_code == 404


def test_tokens_that_name_the_old_name_end(api: ApiWorld, boss: Caller) -> None:
    robot = api.registry.accounts.get("org+bot")
    before = robot.epoch
    api.admin.put("superuser/organizations/org", {"name": "new-org"})

    assert api.registry.accounts.get("new-org+bot").epoch > before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("boss", "Username has already been taken by user cannot be reused: boss"),
        ("No", "Invalid username No: Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("x", "Invalid username x: Namespace must be between 2 and 255 characters in length"),
    ],
)
def test_a_name_that_cannot_be_had_is_told(api: ApiWorld, boss: Caller, name: str, text: str) -> None:
    assert plain(api.admin.put("superuser/organizations/org", {"name": name})) == (400, text)
    assert boss.get("organization/org").status_code == 200


def test_a_name_that_makes_robots_too_long_is_refused(api: ApiWorld, boss: Caller) -> None:
    assert api.admin.put("superuser/organizations/org", {"name": "x" * 252}).status_code == 400
    assert api.admin.put("superuser/organizations/org", {"name": "x" * 251}).status_code == 200


def test_what_is_not_there_is_not_renamed(api: ApiWorld, boss: Caller) -> None:
    for name in ("nowhere", "boss", "org+bot"):
        assert kind(api.admin.put(f"superuser/organizations/{name}", {"name": "other"})) == MISSING


def test_without_a_name_nothing_changes(api: ApiWorld, boss: Caller) -> None:
    assert api.admin.put("superuser/organizations/org", {}).json["name"] == "org"
    assert api.admin.put("superuser/organizations/org", {"name": "org"}).json["name"] == "org"


def test_a_rename_is_in_the_log(api: ApiWorld, boss: Caller) -> None:
    told = api.admin.put("superuser/organizations/org", {"name": "new"}, params={"dry_run": "1"}).json
    (event,) = told["events"]

    assert event["kind"] == "org_change_name"
    assert event["metadata"] == {"old_name": "org", "new_name": "new", "superuser": "admin"}
    assert boss.get("organization/org").status_code == 200


# -- deleting -----------------------------------------------------------------------------------------


def test_an_organization_is_deleted(api: ApiWorld, boss: Caller) -> None:
    assert api.admin.delete("superuser/organizations/org").status_code == 204

    assert boss.get("organization/org").status_code == 404
    assert api.admin.get("superuser/organizations/").json == {"organizations": []}
    assert kind(api.admin.delete("superuser/organizations/org")) == MISSING
    assert kind(api.admin.delete("superuser/organizations/boss")) == MISSING
    assert typed(boss.delete("superuser/organizations/org")) == FORBIDDEN


# -- taking over --------------------------------------------------------------------------------------


def test_a_superuser_joins_the_owners_of_an_organization(api: ApiWorld, boss: Caller) -> None:
    assert kind(api.admin.get("repository/org/app")) == (403, "insufficient_scope")
    result = api.admin.post("superuser/takeownership/org")

    assert (result.status_code, result.json) == (200, {"namespace": "org"})
    members = boss.get("organization/org/team/owners/members").json["members"]
    assert [member["name"] for member in members] == ["boss", "admin"]
    assert api.admin.get("repository/org/app").json["can_admin"] is True
    # Once more is the same.
    assert api.admin.post("superuser/takeownership/org").status_code == 200


def test_a_users_account_becomes_an_organization(api: ApiWorld) -> None:
    ann = api.user("ann")
    create(ann)
    assert api.admin.post("superuser/takeownership/ann").json == {"namespace": "ann"}

    assert ann.get("user/").status_code == 401
    assert api.admin.get("organization/ann").json["is_admin"] is True
    assert api.admin.get("repository/ann/app").json["is_organization"] is True
    kinds = [k for (k,) in api.registry.db.rows(EventRow.select(EventRow.kind))]
    assert "take_ownership" in kinds


def test_nobody_takes_a_superusers_account(make_api: ApiMaker) -> None:
    api = make_api(SUPER_USERS=["admin", "root"])
    api.user("root")
    for name in ("admin", "root"):
        result = api.admin.post(f"superuser/takeownership/{name}")
        assert typed(result) == (400, "invalid_request", "Cannot take ownership of a superuser")


def test_what_is_not_there_is_not_taken(api: ApiWorld, boss: Caller) -> None:
    for name in ("nowhere", "org+bot"):
        assert kind(api.admin.post(f"superuser/takeownership/{name}")) == MISSING
    assert typed(boss.post("superuser/takeownership/org")) == FORBIDDEN


def test_an_organization_without_admins_gets_a_team(api: ApiWorld) -> None:
    """Its last admin was deleted by a superuser."""
    api.user("boss").post("organization/", {"name": "org"})
    api.user("boss").put("organization/org/team/others", {"role": "member"})
    from quayframe.data.tables import Team, TeamMember

    api.registry.db.write(lambda tx: tx.run(TeamMember.delete()))
    api.registry.db.write(lambda tx: tx.run(Team.update(role="member")))
    assert api.admin.post("superuser/takeownership/org").status_code == 200

    assert api.admin.get("organization/org").json["is_admin"] is True
    assert api.registry.db.value(Account.select(Account.kind).where(Account.name == "org")) == "organization"
