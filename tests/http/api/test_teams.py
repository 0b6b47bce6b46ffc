"""Teams and invitations over the API: statuses, shapes and texts that clients know."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result

from quayframe.data.tables import Account, Job, Permission, Repository, Team
from quayframe.data.tenancy import TeamInvite

TEAM = "organization/org/team"
FORBIDDEN = (403, "insufficient_scope", "Unauthorized")
MISSING = (404, "not_found", "Not Found")


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `org` with the team `dev`."""
    return made(api)


@pytest.fixture
def mailing(make_api: ApiMaker) -> ApiWorld:
    """A registry with mail, in which `boss` has the organization `org` with the team `dev`."""
    api = make_api(FEATURE_MAILING=True)
    made(api)
    return api


def made(api: ApiWorld) -> Caller:
    boss = api.user("boss")
    assert boss.post("organization/", {"name": "org"}).status_code == 201
    assert boss.put(f"{TEAM}/dev", {"role": "member", "description": "they write"}).status_code == 200
    return boss


def typed(result: Result) -> tuple[int, str, str]:
    return result.status_code, result.json["error_type"], result.json["detail"]


def plain(result: Result) -> tuple[int, Any]:
    assert set(result.json) == {"message"}
    return result.status_code, result.json["message"]


def members(caller: Caller, team: str = "dev", **params: str) -> list[Any]:
    shown = caller.get(f"{TEAM}/{team}/members", params=params).json["members"]
    return [member.get("name", member.get("email")) for member in shown]


# -- the team -----------------------------------------------------------------------------------------


def test_a_teams_description_is_no_longer_than_a_list_can_bear(boss: Caller) -> None:
    for team in ("dev", "new"):
        result = boss.put(f"{TEAM}/{team}", {"role": "member", "description": "x" * 25_001})
        assert typed(result) == (400, "invalid_request", "a description has at most 25000 characters")
    assert boss.put(f"{TEAM}/dev", {"role": "member", "description": "x" * 25_000}).status_code == 200


def test_a_team_is_made_and_changed_by_the_same_request(boss: Caller) -> None:
    result = boss.put(f"{TEAM}/ops", {"role": "member"})
    body = result.json
    color = body["avatar"].pop("color")

    assert (result.status_code, color[0]) == (200, "#")
    assert body == {
        "name": "ops",
        "description": "",
        "can_view": True,
        "role": "member",
        "avatar": {"name": "ops", "kind": "team", "hash": hashlib.sha256(b"ops").hexdigest()},
        "new_team": True,
    }
    changed = boss.put(f"{TEAM}/dev", {"role": "creator"})
    assert (changed.status_code, changed.json["new_team"]) == (200, False)
    assert (changed.json["role"], changed.json["description"]) == ("creator", "they write")
    assert boss.get("organization/org").json["ordered_teams"] == ["owners", "dev", "ops"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Ops", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("o%20s", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("o", "Team must be between 2 and 255 characters in length"),
        ("o" * 256, "Team must be between 2 and 255 characters in length"),
    ],
)
def test_a_bad_name_is_a_plain_error(boss: Caller, name: str, rule: str) -> None:
    status, message = plain(boss.put(f"{TEAM}/{name}", {"role": "member"}))

    assert status == 400
    assert message.startswith("Invalid team name ")
    assert message.endswith(f": {rule}")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "'role' is a required property"),
        ({"role": "owner"}, "'owner' is not one of ['member', 'creator', 'admin']"),
        ({"role": None}, "None is not one of ['member', 'creator', 'admin']"),
        ({"role": "member", "description": 5}, "5 is not of type 'string'"),
    ],
)
def test_a_bad_body_is_refused(boss: Caller, body: Any, detail: str) -> None:
    assert typed(boss.put(f"{TEAM}/ops", body)) == (400, "invalid_request", detail)


def test_the_last_admin_team_stays(boss: Caller) -> None:
    assert plain(boss.delete(f"{TEAM}/owners")) == (
        400,
        "Deleting team 'owners' would remove admin ability for user 'boss' in organization 'org'",
    )
    assert plain(boss.put(f"{TEAM}/owners", {"role": "member"})) == (
        400,
        "Cannot remove admin from team 'owners' because calling user would no longer have admin on org 'org'",
    )
    assert plain(boss.delete(f"{TEAM}/owners/members/boss")) == (
        400,
        "User cannot remove themselves from their only admin team.",
    )


def test_a_team_is_deleted_once(boss: Caller) -> None:
    assert boss.delete(f"{TEAM}/dev").status_code == 204
    assert plain(boss.delete(f"{TEAM}/dev")) == (400, "Team 'dev' is not a team in org 'org'")


def test_only_admins_change_teams(api: ApiWorld, boss: Caller) -> None:
    api.user("member")
    boss.put(f"{TEAM}/dev/members/member")
    boss.put(f"{TEAM}/dev", {"role": "creator"})
    for who in (api.user("member"), api.user("stranger"), api.admin, api.oauth("boss", "user:admin")):
        assert typed(who.put(f"{TEAM}/dev", {"role": "admin"})) == FORBIDDEN
        assert typed(who.delete(f"{TEAM}/dev")) == FORBIDDEN
        assert typed(who.put(f"{TEAM}/dev/members/stranger")) == FORBIDDEN
        assert typed(who.delete(f"{TEAM}/dev/members/member")) == FORBIDDEN
        assert typed(who.get(f"{TEAM}/dev/permissions")) == FORBIDDEN
    assert api.anonymous.put(f"{TEAM}/dev", {"role": "admin"}).status_code == 401
    assert api.bare.put(f"{TEAM}/dev", {"role": "admin"}).status_code == 403
    assert api.oauth("boss", "org:admin").put(f"{TEAM}/dev", {"role": "admin"}).status_code == 200


# -- members ------------------------------------------------------------------------------------------


def robot(api: ApiWorld, name: str) -> None:
    accounts = api.registry.accounts
    owner = accounts.get(name.partition("+")[0])
    db = api.registry.db
    row = {"uuid": name, "name": name, "kind": "robot", "owner": owner.id, "created_ms": 1}
    db.write(lambda tx: tx.insert(Account, **row))


def test_members_join_at_once_where_nobody_is_invited(api: ApiWorld, boss: Caller) -> None:
    api.user("user")
    robot(api, "org+bot")
    result = boss.put(f"{TEAM}/dev/members/user")
    assert result.status_code == 200
    assert set(result.json) == {"name", "kind", "is_robot", "avatar", "invited"}
    assert (result.json["kind"], result.json["is_robot"], result.json["invited"]) == ("user", False, False)
    bot = boss.put(f"{TEAM}/dev/members/org+bot").json
    assert (bot["kind"], bot["is_robot"], bot["avatar"]["kind"]) == ("user", True, "robot")
    body = boss.get(f"{TEAM}/dev/members").json

    assert {key: value for key, value in body.items() if key != "members"} == {
        "name": "dev",
        "can_edit": True,
    }
    assert body["members"] == [result.json, bot]
    seen = api.user("user").get(f"{TEAM}/dev/members").json
    assert (seen["members"], seen["can_edit"]) == (body["members"], False)
    assert plain(boss.put(f"{TEAM}/dev/members/user")) == (400, "User user is already a member of team dev")


def test_who_cannot_be_added_is_refused(api: ApiWorld, boss: Caller) -> None:
    api.user("user")
    robot(api, "user+bot")
    unknown = (400, "invalid_request", "Unknown user")
    for name in ("nobody", "org", "org+none"):
        assert typed(boss.put(f"{TEAM}/dev/members/{name}")) == unknown
    assert typed(boss.put(f"{TEAM}/dev/members/user+bot"))[:2] == (400, "invalid_request")
    assert typed(boss.put(f"{TEAM}/none/members/user")) == MISSING


def test_members_leave(api: ApiWorld, boss: Caller) -> None:
    api.user("user")
    boss.put(f"{TEAM}/dev/members/user")
    assert boss.delete(f"{TEAM}/dev/members/user").status_code == 204
    assert boss.delete(f"{TEAM}/dev/members/user").status_code == 204
    assert members(boss) == []
    assert typed(boss.delete(f"{TEAM}/dev/members/nobody")) == MISSING
    assert typed(boss.delete(f"{TEAM}/none/members/user")) == MISSING


def test_who_may_see_a_teams_members(api: ApiWorld, make_api: ApiMaker, boss: Caller) -> None:
    api.user("user")
    boss.put(f"{TEAM}/dev/members/user")
    for who, path, status in (
        (api.user("user"), "dev", 200),
        (api.user("user"), "owners", 403),
        (api.user("user"), "none", 403),
        (api.user("stranger"), "dev", 403),
        (api.admin, "dev", 403),
        (api.bare, "dev", 401),
        (boss, "none", 404),
        (api.oauth("user", "org:admin"), "dev", 200),
        (api.oauth("user", "repo:read"), "dev", 403),
    ):
        assert who.get(f"{TEAM}/{path}/members").status_code == status
    wide = make_api(FEATURE_SUPERUSERS_FULL_ACCESS=True, GLOBAL_READONLY_SUPER_USERS=["auditor"])
    made(wide)
    for name, edits in (("admin", True), ("auditor", False)):
        assert wide.user(name).get(f"{TEAM}/dev/members").json["can_edit"] is edits


def test_permissions_are_empty_or_name_repositories_without_namespace(api: ApiWorld, boss: Caller) -> None:
    assert boss.get(f"{TEAM}/dev/permissions").json == {"permissions": []}
    assert typed(boss.get(f"{TEAM}/none/permissions")) == MISSING
    grant_team(api, "some/app", "dev")

    assert boss.get(f"{TEAM}/dev/permissions").json == {
        "permissions": [{"repository": {"name": "some/app", "is_public": True}, "role": "write"}]
    }


def grant_team(api: ApiWorld, name: str, team: str) -> None:
    db = api.registry.db
    found = db.rows(Team.select(Team.id, Team.organization).where(Team.name == team))
    team_id, organization = found[0]
    row = {"uuid": name, "namespace": organization, "name": name, "visibility": "public", "created_ms": 1}
    repository = db.write(lambda tx: tx.insert(Repository, **row))
    db.write(lambda tx: tx.insert(Permission, repository=repository, team=team_id, role="write"))


# -- invitations --------------------------------------------------------------------------------------


def codes(api: ApiWorld) -> list[str]:
    box = api.registry.tenancy.ground.box
    rows = api.registry.db.rows(TeamInvite.select(TeamInvite.code).order_by(TeamInvite.id))
    return [box.decrypt(code) or "" for (code,) in rows]


def test_an_outsider_is_invited_and_seen_when_asked_for(mailing: ApiWorld) -> None:
    boss = mailing.user("boss")
    mailing.user("user")
    for _ in range(2):
        result = boss.put(f"{TEAM}/dev/members/user")
        assert (result.status_code, result.json["invited"]) == (200, True)
        assert set(result.json) == {"name", "kind", "is_robot", "avatar", "invited"}
    invite = boss.put(f"{TEAM}/dev/invite/a@example.com")
    shown = invite.json
    assert invite.status_code == 200
    assert shown["avatar"].pop("color")
    hashed = hashlib.sha256(b"a@example.com").hexdigest()
    assert shown == {
        "email": "a@example.com",
        "kind": "invite",
        "avatar": {"name": "a@example.com", "kind": "user", "hash": hashed},
        "invited": True,
    }

    assert members(boss) == []
    assert members(boss, includePending="false") == []
    assert members(boss, includePending="true") == ["user", "a@example.com"]
    mails = mailing.registry.db.rows(Job.select(Job.payload).where(Job.kind == "mail").order_by(Job.id))
    assert len(mails) == 3
    assert '"a@example.com"' in mails[2][0]


def test_an_invitation_is_accepted_once(mailing: ApiWorld) -> None:
    boss, user, thief = (mailing.user(name) for name in ("boss", "user", "thief"))
    boss.put(f"{TEAM}/dev/members/user")
    (code,) = codes(mailing)
    other = plain(thief.put(f"teaminvite/{code}"))
    assert other == (
        400,
        f'This invite is intended for user "user".\n{" " * 17}Please login to that account and try again.',
    )
    result = user.put(f"teaminvite/{code}")

    assert (result.status_code, result.json) == (200, {"org": "org", "team": "dev"})
    assert members(boss) == ["user"]
    for act in (user.put, user.delete):
        assert plain(act(f"teaminvite/{code}")) == (400, "Invalid confirmation code.")


def test_an_invitation_is_declined(mailing: ApiWorld) -> None:
    boss, user = mailing.user("boss"), mailing.user("user")
    boss.put(f"{TEAM}/dev/members/user")
    (code,) = codes(mailing)
    assert user.delete(f"teaminvite/{code}").status_code == 204

    assert plain(user.put(f"teaminvite/{code}")) == (400, "Invalid confirmation code.")
    assert boss.delete(f"{TEAM}/dev/members/user").status_code == 204
    assert members(boss, includePending="true") == []


def test_an_invitation_by_address_is_for_who_has_the_code(mailing: ApiWorld) -> None:
    boss, user = mailing.user("boss"), mailing.user("user")
    boss.put(f"{TEAM}/dev/invite/somebody@example.com")
    assert user.put(f"teaminvite/{codes(mailing)[0]}").json == {"org": "org", "team": "dev"}
    assert members(boss) == ["user"]


def test_an_invitation_by_address_is_taken_back(mailing: ApiWorld) -> None:
    boss = mailing.user("boss")
    boss.put(f"{TEAM}/dev/invite/a@example.com")
    assert boss.delete(f"{TEAM}/dev/invite/a@example.com").status_code == 204
    assert typed(boss.delete(f"{TEAM}/dev/invite/a@example.com")) == MISSING
    assert typed(boss.put(f"{TEAM}/none/invite/a@example.com")) == MISSING
    for text in ("nobody", "a@b", "a%20b@example.com"):
        assert typed(boss.put(f"{TEAM}/dev/invite/{text}"))[:2] == (400, "invalid_request")
    for who in (mailing.user("user"), mailing.admin):
        assert typed(who.put(f"{TEAM}/dev/invite/a@example.com")) == FORBIDDEN


def test_answers_need_a_user_who_may_change_itself(mailing: ApiWorld) -> None:
    mailing.user("user")
    mailing.user("boss").put(f"{TEAM}/dev/members/user")
    (code,) = codes(mailing)
    assert mailing.anonymous.put(f"teaminvite/{code}").status_code == 401
    assert typed(mailing.oauth("user", "org:admin").put(f"teaminvite/{code}")) == FORBIDDEN
    assert mailing.oauth("user", "user:admin").put(f"teaminvite/{code}").status_code == 200


def test_without_mail_there_are_no_invitations(api: ApiWorld, boss: Caller) -> None:
    for act in (boss.put, boss.delete):
        assert typed(act(f"{TEAM}/dev/invite/a@example.com"))[:2] == (404, "not_found")
        assert typed(act("teaminvite/x"))[:2] == (404, "not_found")


def test_invitations_may_be_off_while_mail_is_on(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_MAILING=True, FEATURE_REQUIRE_TEAM_INVITE=False)
    boss = made(api)
    api.user("user")

    assert boss.put(f"{TEAM}/dev/members/user").json["invited"] is False
    assert boss.put(f"{TEAM}/dev/invite/a@example.com").json["invited"] is True
