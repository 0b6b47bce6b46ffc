"""Default permissions over the API: statuses, shapes and texts that clients know."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result

from quayframe.data.tables import Account, Permission
from quayframe.oci.names import RepositoryName

PATH = "organization/org/prototypes"
FORBIDDEN = (403, "insufficient_scope", "Unauthorized")
MISSING = (404, "not_found", "Not Found")


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `org`; `user` is in no team of it."""
    return made(api)


def made(api: ApiWorld) -> Caller:
    boss = api.user("boss")
    assert boss.post("organization/", {"name": "org"}).status_code == 201
    api.user("user")
    return boss


def typed(result: Result) -> tuple[int, str, str]:
    return result.status_code, result.json["error_type"], result.json["detail"]


def to(name: str, kind: str = "user", role: str = "read", **more: Any) -> dict[str, Any]:
    return {"role": role, "delegate": {"kind": kind, "name": name}} | more


def test_one_for_a_user_shows_who_it_is(boss: Caller) -> None:
    assert boss.get(PATH).json == {"prototypes": []}
    result = boss.post(PATH, to("user", activating_user={"name": "boss"}))

    assert result.status_code == 200
    assert set(result.json) == {"id", "activating_user", "delegate", "role"}
    by, whom = result.json["activating_user"], result.json["delegate"]
    for shown, name, inside in ((by, "boss", True), (whom, "user", False)):
        assert shown.pop("avatar")["kind"] == "user"
        assert shown == {"name": name, "is_robot": False, "kind": "user", "is_org_member": inside}


def test_one_for_a_team_shows_its_name(boss: Caller) -> None:
    made = boss.post(PATH, to("owners", "team", "admin")).json

    assert made["activating_user"] is None
    assert made["delegate"].pop("avatar")["kind"] == "team"
    assert (made["role"], made["delegate"]) == ("admin", {"name": "owners", "kind": "team"})


def test_they_are_listed_in_order_changed_and_deleted(boss: Caller) -> None:
    first, second = (boss.post(PATH, to(*whom)).json for whom in (("user",), ("owners", "team")))
    changed = boss.put(f"{PATH}/{first['id']}", {"role": "write"})
    assert changed.status_code == 200
    assert changed.json == first | {"role": "write"}
    assert boss.get(PATH).json == {"prototypes": [changed.json, second]}
    assert boss.delete(f"{PATH}/{first['id']}").status_code == 204

    assert boss.get(PATH).json == {"prototypes": [second]}
    assert typed(boss.delete(f"{PATH}/{first['id']}")) == MISSING
    assert typed(boss.put(f"{PATH}/{first['id']}", {"role": "read"})) == MISSING
    assert typed(boss.put(f"{PATH}/%E2%82%AC", {"role": "read"})) == MISSING


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "'role' is a required property"),
        ({"role": "read"}, "'delegate' is a required property"),
        ({"delegate": {"kind": "user", "name": "user"}}, "'role' is a required property"),
        (to("user", role="owner"), "'owner' is not one of ['read', 'write', 'admin']"),
        (to("user", "robot"), "'robot' is not one of ['user', 'team']"),
        ({"role": "read", "delegate": {"kind": "user"}}, "'name' is a required property"),
        ({"role": "read", "delegate": "user"}, "'user' is not of type 'object'"),
        (to("nobody"), "Missing delegate user or team"),
        (to("org"), "Missing delegate user or team"),
        (to("user", activating_user={"name": "nobody"}), "Unknown activating user"),
        (to("user", activating_user={}), "'name' is a required property"),
    ],
)
def test_a_bad_body_is_refused(boss: Caller, body: Any, detail: str) -> None:
    assert typed(boss.post(PATH, body)) == (400, "invalid_request", detail)
    assert boss.get(PATH).json == {"prototypes": []}


def test_an_unknown_team_is_a_plain_error(boss: Caller) -> None:
    result = boss.post(PATH, to("none", "team"))

    assert (result.status_code, result.json) == (400, {"message": "Team does not exist: org/none"})


def test_a_changed_role_must_be_one(boss: Caller) -> None:
    ident = boss.post(PATH, to("user")).json["id"]

    assert typed(boss.put(f"{PATH}/{ident}", {}))[2] == "'role' is a required property"
    assert typed(boss.put(f"{PATH}/{ident}", {"role": "none"}))[0] == 400


def test_only_admins_have_to_do_with_them(api: ApiWorld, boss: Caller) -> None:
    ident = boss.post(PATH, to("user")).json["id"]
    boss.put("organization/org/team/dev", {"role": "creator"})
    boss.put("organization/org/team/dev/members/user")
    for who in (api.user("user"), api.user("stranger"), api.admin, api.oauth("boss", "repo:admin")):
        assert typed(who.get(PATH)) == FORBIDDEN
        assert typed(who.post(PATH, to("user", role="admin"))) == FORBIDDEN
        assert typed(who.put(f"{PATH}/{ident}", {"role": "admin"})) == FORBIDDEN
        assert typed(who.delete(f"{PATH}/{ident}")) == FORBIDDEN
    assert api.bare.get(PATH).status_code == 401
    assert api.oauth("boss", "org:admin").get(PATH).status_code == 200


def test_one_organizations_admin_cannot_touch_anothers(api: ApiWorld, boss: Caller) -> None:
    ident = boss.post(PATH, to("user")).json["id"]
    api.user("other").post("organization/", {"name": "second"})
    foreign = f"organization/second/prototypes/{ident}"

    assert typed(api.user("other").put(foreign, {"role": "admin"})) == MISSING
    assert typed(api.user("other").delete(foreign)) == MISSING
    assert boss.get(PATH).json["prototypes"][0]["role"] == "read"


def test_who_reads_everything_reads_them(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])
    boss = made(api)
    boss.post(PATH, to("user"))

    assert len(api.user("auditor").get(PATH).json["prototypes"]) == 1
    assert typed(api.user("auditor").post(PATH, to("user"))) == FORBIDDEN


def roles(api: ApiWorld) -> dict[str, str]:
    rows = api.registry.db.rows(
        Permission.select(Account.name, Permission.role).join(Account, on=(Account.id == Permission.account))
    )
    return dict(rows)


def test_a_repository_made_here_gives_them(api: ApiWorld, boss: Caller) -> None:
    boss.post(PATH, to("user", role="write"))
    accounts = api.registry.accounts
    acting = accounts.principal(accounts.get("boss"))
    api.registry.repositories.create(acting, RepositoryName("org", "app"), "private")

    assert roles(api) == {"boss": "admin", "user": "write"}
