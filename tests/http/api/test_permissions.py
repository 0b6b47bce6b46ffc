"""Roles on a repository over the API: shapes, statuses, guards."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller

from quayframe.data.tables import Account, EventRow
from quayframe.oci.names import RepositoryName
from quayframe.services.principal import SYSTEM

BASE = "repository/acme/app/nested/permissions"


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `acme` with `acme/app/nested`, the robot `acme+ci` and the team `crew`,
    in which `hand` is; `guest` is in no team."""
    boss = api.user("boss")
    for name in ("hand", "guest"):
        api.user(name)
    assert boss.post("organization/", {"name": "acme"}).status_code == 201
    assert boss.put("organization/acme/robots/ci").status_code == 201
    assert boss.put("organization/acme/team/crew", {"role": "member"}).status_code == 200
    assert boss.put("organization/acme/team/crew/members/hand").status_code == 200
    api.registry.repositories.create(SYSTEM, RepositoryName("acme", "app/nested"), "private")
    api.registry.repositories.create(SYSTEM, RepositoryName("boss", "own"), "private")
    return boss


def _typed(result: Any) -> tuple[int, str | None, str]:
    return result.status_code, result.json.get("error_type"), result.json.get("detail", "")


def _plain(result: Any) -> tuple[int, Any]:
    return result.status_code, result.json


def test_a_users_entry_is_the_same_everywhere(boss: Caller) -> None:
    made = boss.put(f"{BASE}/user/guest", {"role": "read"})

    assert made.status_code == 200
    entry = made.json
    assert set(entry) == {"role", "name", "is_robot", "avatar", "is_org_member"}
    assert (entry["role"], entry["name"], entry["is_robot"], entry["is_org_member"]) == (
        "read", "guest", False, False,
    )  # fmt: skip
    assert entry["avatar"]["kind"] == "user"
    assert boss.get(f"{BASE}/user/guest").json == entry
    assert boss.get(f"{BASE}/user/").json == {"permissions": {"guest": entry}}


def test_the_list_is_in_the_order_of_granting_and_knows_members(boss: Caller) -> None:
    for name in ("guest", "acme+ci", "hand"):
        boss.put(f"{BASE}/user/{name}", {"role": "read"})
    boss.put(f"{BASE}/user/guest", {"role": "admin"})

    found = boss.get(f"{BASE}/user/").json["permissions"]
    assert list(found) == ["guest", "acme+ci", "hand"]
    assert [entry["is_org_member"] for entry in found.values()] == [False, True, True]
    assert [entry["is_robot"] for entry in found.values()] == [False, True, False]
    assert found["guest"]["role"] == "admin"
    assert found["acme+ci"]["avatar"]["kind"] == "robot"


def test_a_users_own_repository_knows_no_members(boss: Caller) -> None:
    entry = boss.put("repository/boss/own/permissions/user/guest", {"role": "read"}).json

    assert set(entry) == {"role", "name", "is_robot", "avatar"}


def test_a_role_is_taken_away_once(boss: Caller) -> None:
    boss.put(f"{BASE}/user/guest", {"role": "read"})

    assert boss.delete(f"{BASE}/user/guest").status_code == 204
    told = "User does not have permission for repo."
    assert _typed(boss.delete(f"{BASE}/user/guest")) == (400, "invalid_request", told)
    for name in ("guest", "nobody", "NO-NAME"):
        assert _plain(boss.get(f"{BASE}/user/{name}")) == (400, {"message": told})
        assert _typed(boss.delete(f"{BASE}/user/{name}")) == (400, "invalid_request", told)


@pytest.mark.parametrize("name", ["nobody", "acme", "acme+nobody", "NO-NAME", "x" * 300, "+", "a+b+c"])
def test_nobody_else_than_users_and_robots_is_given_a_role(boss: Caller, name: str) -> None:
    status, kind, text = _typed(boss.put(f"{BASE}/user/{name}", {"role": "read"}))

    assert (status, kind) == (400, "invalid_request")
    assert text.startswith("Invalid username: ")


def test_a_robot_stays_in_its_namespace(boss: Caller) -> None:
    boss.put("user/robots/mine")

    assert _typed(boss.put(f"{BASE}/user/boss+mine", {"role": "read"})) == (
        400, "invalid_request", "Cannot add robot boss+mine under namespace acme",
    )  # fmt: skip


def test_the_owner_of_a_namespace_stays_admin(boss: Caller) -> None:
    told = (400, "invalid_request", "Namespace owner must always be admin.")

    assert _typed(boss.put("repository/boss/own/permissions/user/boss", {"role": "read"})) == told
    assert _typed(boss.delete("repository/boss/own/permissions/user/boss")) == told


@pytest.mark.parametrize("body", [{}, {"role": "owner"}, {"role": None}, {"role": 5}, [], "read"])
@pytest.mark.parametrize("whom", ["user/guest", "team/crew"])
def test_a_bad_role_is_refused(boss: Caller, whom: str, body: Any) -> None:
    assert _typed(boss.put(f"{BASE}/{whom}", body))[:2] == (400, "invalid_request")


def test_a_teams_entry_is_short_when_it_is_asked_for_alone(boss: Caller) -> None:
    made = boss.put(f"{BASE}/team/crew", {"role": "write"})

    assert made.status_code == 200
    assert set(made.json) == {"role", "name", "avatar"}
    assert (made.json["role"], made.json["avatar"]["kind"]) == ("write", "team")
    assert boss.get(f"{BASE}/team/").json == {"permissions": {"crew": made.json}}
    assert boss.get(f"{BASE}/team/crew").json == {"role": "write"}
    assert boss.delete(f"{BASE}/team/crew").status_code == 204
    told = "Team does not have permission for repo."
    assert _plain(boss.get(f"{BASE}/team/crew")) == (400, {"message": told})
    assert _typed(boss.delete(f"{BASE}/team/crew")) == (400, "invalid_request", told)
    assert boss.get(f"{BASE}/team/").json == {"permissions": {}}


def test_a_team_must_be_the_namespaces(boss: Caller) -> None:
    assert _typed(boss.put(f"{BASE}/team/nosuch", {"role": "read"})) == (
        400, "invalid_request", "No team nosuch in organization acme",
    )  # fmt: skip
    assert _typed(boss.put("repository/boss/own/permissions/team/crew", {"role": "read"})) == (
        400, "invalid_request", "No team crew in organization boss",
    )  # fmt: skip


def test_transitive_tells_direct_roles_and_those_of_teams(boss: Caller) -> None:
    boss.put(f"{BASE}/team/crew", {"role": "write"})

    assert boss.get(f"{BASE}/user/hand/transitive").json == {"permissions": [{"role": "write"}]}
    boss.put(f"{BASE}/user/hand", {"role": "read"})
    both = boss.get(f"{BASE}/user/hand/transitive")
    assert both.status_code == 200
    assert both.json == {"permissions": [{"role": "write"}, {"role": "read"}]}
    assert boss.get(f"{BASE}/user/guest/transitive").json == {"permissions": []}
    unknown = boss.get(f"{BASE}/user/nobody/transitive")
    assert _typed(unknown)[:2] == (404, "not_found")


def test_only_admins_of_the_repository_see_and_change_roles(api: ApiWorld, boss: Caller) -> None:
    for name, role in (("hand", "write"), ("guest", "admin")):
        boss.put(f"{BASE}/user/{name}", {"role": role})

    for caller, status in ((api.user("hand"), 403), (api.user("stranger"), 403), (api.user("guest"), 200)):
        for path in ("user/", "team/", "user/hand", "user/hand/transitive"):
            assert caller.get(f"{BASE}/{path}").status_code == status
        assert caller.put(f"{BASE}/user/hand", {"role": "write"}).status_code == status
    assert api.bare.get(f"{BASE}/user/").status_code == 401
    assert api.oauth("boss", "repo:write").get(f"{BASE}/user/").status_code == 403
    assert boss.get("repository/acme/nosuch/permissions/user/").status_code == 404
    assert api.user("guest").get("repository/acme/nosuch/permissions/user/").status_code == 403


def test_who_may_read_everything_changes_nothing(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])
    api.user("boss")
    api.registry.repositories.create(SYSTEM, RepositoryName("boss", "own"), "private")
    auditor = api.user("auditor")
    base = "repository/boss/own/permissions"

    for path in ("user/", "team/", "user/boss/transitive"):
        assert auditor.get(f"{base}/{path}").status_code == 200
    assert auditor.put(f"{base}/user/auditor", {"role": "admin"}).status_code == 403
    assert auditor.delete(f"{base}/user/auditor").status_code == 403


def _epoch(api: ApiWorld, name: str) -> int:
    return int(api.registry.db.value(Account.select(Account.auth_epoch).where(Account.name == name)))


def test_a_lowered_role_ends_tokens_and_a_raised_one_does_not(api: ApiWorld, boss: Caller) -> None:
    for whom, name in (("user/guest", "guest"), ("team/crew", "hand"), ("user/acme+ci", "acme+ci")):
        before = _epoch(api, name)
        for role in ("read", "write", "write", "admin"):
            boss.put(f"{BASE}/{whom}", {"role": role})
        assert _epoch(api, name) == before
        boss.put(f"{BASE}/{whom}", {"role": "read"})
        assert _epoch(api, name) == before + 1
        boss.delete(f"{BASE}/{whom}")
        assert _epoch(api, name) == before + 2


def test_what_was_done_is_in_the_log(api: ApiWorld, boss: Caller) -> None:
    for whom in ("user/guest", "team/crew"):
        boss.put(f"{BASE}/{whom}", {"role": "read"})
        boss.delete(f"{BASE}/{whom}")
    rows = api.registry.db.rows(
        EventRow.select(EventRow.kind, EventRow.data)
        .where(EventRow.kind.contains("repo_permission"))
        .order_by(EventRow.id)
    )

    assert [kind for kind, _ in rows] == ["change_repo_permission", "delete_repo_permission"] * 2
    assert '"username":"guest","team":null,"role":"read"' in rows[0][1]
    assert '"username":null,"team":"crew","role":"read"' in rows[2][1]
    assert all('"namespace":"acme","repository":"app/nested","performer":"boss"' in d for _, d in rows)


def test_a_dry_run_changes_no_role_and_ends_no_token(api: ApiWorld, boss: Caller) -> None:
    boss.put(f"{BASE}/user/guest", {"role": "write"})
    before = _epoch(api, "guest")
    told = boss.put(f"{BASE}/user/guest", {"role": "read"}, params={"dry_run": "1"})

    assert [event["kind"] for event in told.json["events"]] == ["change_repo_permission"]
    assert boss.get(f"{BASE}/user/guest").json["role"] == "write"
    assert _epoch(api, "guest") == before
