"""Teams: who is in them, who may change them, and that an organization never loses its last admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from organization_world import OrganizationWorld, at_once

from quayframe.data import migrations, tables
from quayframe.data.db import Database
from quayframe.data.tenancy import TeamInvite
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn, Refused
from quayframe.services.principal import ANONYMOUS


@pytest.fixture
def world(database: Database) -> OrganizationWorld:
    return OrganizationWorld(database)


@pytest.fixture
def inviting(database: Database) -> OrganizationWorld:
    return OrganizationWorld(database, invite=True)


@pytest.fixture
def here(sqlite: str, open_database: Callable[..., Database]) -> OrganizationWorld:
    """For rules that no database has a part in."""
    made = open_database(sqlite)
    migrations.migrate(made)
    return OrganizationWorld(made, invite=True)


def test_a_team_is_made_and_then_changed(world: OrganizationWorld) -> None:
    made, new = world.teams.put(world.boss, "org", "dev", "member", "they write")
    assert (made.role, made.description, new) == ("member", "they write", True)
    kept, new = world.teams.put(world.boss, "org", "dev", "creator")
    assert (kept.role, kept.description, new) == ("creator", "they write", False)
    emptied, _ = world.teams.put(world.boss, "org", "dev", "creator", "")

    assert emptied.description == ""
    kinds = ("org_create_team", "org_set_team_role", "org_set_team_description")
    assert [e["kind"] for e in world.events(*kinds)] == list(kinds)


@pytest.mark.parametrize("name", ["a", "Dev", "dev--ops", "-dev", "dev ops", "", "d" * 256, "dév", "dev\n"])
def test_a_bad_name_is_refused(here: OrganizationWorld, name: str) -> None:
    with pytest.raises(Refused, match="Invalid team name"):
        here.teams.put(here.boss, "org", name, "member")


@pytest.mark.parametrize("name", ["ab", "d" * 255, "a.b-c_d"])
def test_names_up_to_the_borders_are_taken(here: OrganizationWorld, name: str) -> None:
    assert here.teams.put(here.boss, "org", name, "member")[1]


def test_what_is_too_short_is_told_by_length(world: OrganizationWorld) -> None:
    with pytest.raises(Refused, match="Invalid team name a: Team must be between 2 and 255 characters"):
        world.teams.put(world.boss, "org", "a", "member")


def test_only_admins_change_teams(world: OrganizationWorld) -> None:
    stranger, member = world.account("stranger"), world.account("member")
    world.teams.put(world.boss, "org", "dev", "creator")
    world.join("dev", member)
    for who in (stranger, member):
        with pytest.raises(InsufficientScope):
            world.teams.put(who, "org", "dev", "admin")
        with pytest.raises(InsufficientScope):
            world.teams.delete(who, "org", "dev")
        with pytest.raises(InsufficientScope):
            world.teams.add_member(who, "org", "dev", "stranger")
        with pytest.raises(InsufficientScope):
            world.teams.remove_member(who, "org", "dev", "member")
        with pytest.raises(InsufficientScope):
            world.teams.permissions(who, "org", "dev")
    with pytest.raises(NotSignedIn):
        world.teams.put(ANONYMOUS, "org", "dev", "admin")
    with pytest.raises(InsufficientScope):
        world.teams.put(world.boss, "nowhere", "dev", "admin")
    with pytest.raises(InsufficientScope):
        world.teams.put(world.boss, "boss", "dev", "admin")


def test_a_teams_members_see_it_and_nobody_else(world: OrganizationWorld) -> None:
    member, other = world.account("member"), world.account("other")
    world.teams.put(world.boss, "org", "dev", "member")
    world.teams.put(world.boss, "org", "ops", "member")
    world.join("dev", member)
    world.join("ops", other)

    seen = world.teams.members(member, "org", "dev")
    assert ([p.name for p in seen.people], seen.can_edit) == (["member"], False)
    assert world.teams.members(world.boss, "org", "dev").can_edit
    for who in (other, world.account("stranger")):
        with pytest.raises(InsufficientScope):
            world.teams.members(who, "org", "dev")
    with pytest.raises(InsufficientScope):
        world.teams.members(member, "org", "none")
    with pytest.raises(NotFound):
        world.teams.members(world.boss, "org", "none")


def test_users_and_own_robots_join_at_once_when_nobody_is_invited(world: OrganizationWorld) -> None:
    world.account("user")
    world.robot("bot")
    for name in ("user", "org+bot"):
        assert world.teams.add_member(world.boss, "org", "owners", name)[1] is False

    assert world.people("owners") == ["boss", "user", "org+bot"]
    assert [e["member"] for e in world.events("org_add_team_member")] == ["user", "org+bot"]
    with pytest.raises(Refused, match="User user is already a member of team owners"):
        world.teams.add_member(world.boss, "org", "owners", "user")


def test_who_cannot_be_a_member_is_refused(world: OrganizationWorld) -> None:
    world.organizations.create(world.boss, "other")
    world.account("boss+bot", "robot", owner=world.boss.account_id)
    world.account("gone", deleted_ms=1)
    for name in ("nobody", "other", "org", "boss+bot", "gone"):
        with pytest.raises(InvalidRequest):
            world.teams.add_member(world.boss, "org", "owners", name)
    with pytest.raises(NotFound):
        world.teams.add_member(world.boss, "org", "none", "boss")

    assert world.people("owners") == ["boss"]


def test_leaving_and_lower_roles_end_tokens_and_higher_ones_do_not(world: OrganizationWorld) -> None:
    user = world.account("user")
    world.teams.put(world.boss, "org", "dev", "member")
    world.teams.add_member(world.boss, "org", "dev", "user")
    world.teams.put(world.boss, "org", "dev", "admin")
    assert world.epoch(user) == 0
    world.teams.put(world.boss, "org", "dev", "creator")
    assert world.epoch(user) == 1
    world.teams.remove_member(world.boss, "org", "dev", "user")
    assert world.epoch(user) == 2
    world.teams.remove_member(world.boss, "org", "dev", "user")
    assert world.epoch(user) == 2
    world.teams.add_member(world.boss, "org", "dev", "user")
    world.teams.delete(world.boss, "org", "dev")
    assert world.epoch(user) == 3


def test_a_deleted_team_takes_along_what_hangs_on_it(inviting: OrganizationWorld) -> None:
    world = inviting
    world.account("user")
    world.teams.put(world.boss, "org", "dev", "member")
    world.teams.add_member(world.boss, "org", "dev", "user")
    world.teams.add_member(world.boss, "org", "dev", "boss")
    world.prototypes.create(world.boss, "org", "read", "team", "dev")
    team = world.db.value(tables.Team.select(tables.Team.id).where(tables.Team.name == "dev"))
    world.insert(tables.Permission, repository=world.repository("app"), team=team, role="read")
    world.teams.delete(world.boss, "org", "dev")

    assert world.prototypes.all(world.boss, "org") == []
    for table in (TeamInvite, tables.Permission):
        assert world.db.rows(table.select(table.id)) == []
    with pytest.raises(Refused, match="Team 'dev' is not a team in org 'org'"):
        world.teams.delete(world.boss, "org", "dev")


def test_deleted_repositories_are_in_no_list_of_permissions(world: OrganizationWorld) -> None:
    world.teams.put(world.boss, "org", "dev", "member")
    team = world.db.value(tables.Team.select(tables.Team.id).where(tables.Team.name == "dev"))
    for name, deleted in (("app/one", False), ("gone", True)):
        repository = world.repository(name, deleted=deleted)
        world.insert(tables.Permission, repository=repository, team=team, role="write")

    found = world.teams.permissions(world.boss, "org", "dev")
    assert [(p.name, p.is_public, p.role) for p in found] == [("app/one", False, "write")]


# -- the last admin -----------------------------------------------------------------------------------


def test_nobody_takes_the_admin_role_from_oneself(world: OrganizationWorld) -> None:
    world.admin("second")
    with pytest.raises(Refused, match="Deleting team 'owners' would remove admin ability for user 'boss'"):
        world.teams.delete(world.boss, "org", "owners")
    with pytest.raises(Refused, match="Cannot remove admin from team 'owners'"):
        world.teams.put(world.boss, "org", "owners", "member")
    with pytest.raises(Refused, match="User cannot remove themselves from their only admin team"):
        world.teams.remove_member(world.boss, "org", "owners", "boss")

    assert world.people("owners") == ["boss", "second"]


def test_with_a_second_admin_team_the_first_may_go(world: OrganizationWorld) -> None:
    world.teams.put(world.boss, "org", "chiefs", "admin")
    world.teams.add_member(world.boss, "org", "chiefs", "boss")
    world.teams.remove_member(world.boss, "org", "owners", "boss")
    world.teams.delete(world.boss, "org", "owners")

    assert world.access.may_admin_namespace(world.boss, world.org)


def test_a_superuser_leaves_one_admin_too(database: Database) -> None:
    world = OrganizationWorld(database, full_superusers=True)
    root = world.account("root", superuser=True)
    world.join("owners", world.robot("bot"))
    with pytest.raises(Refused):
        world.teams.delete(root, "org", "owners")
    with pytest.raises(Refused):
        world.teams.put(root, "org", "owners", "creator")
    with pytest.raises(Refused):
        world.teams.remove_member(root, "org", "owners", "boss")
    with pytest.raises(Refused):
        world.members.remove(root, "org", "boss")

    assert world.people("owners") == ["boss", "org+bot"]


def test_two_admins_who_remove_each_other_at_once_leave_one(world: OrganizationWorld) -> None:
    second = world.admin("second")
    told = at_once(
        lambda: world.teams.remove_member(world.boss, "org", "owners", "second"),
        lambda: world.teams.remove_member(second, "org", "owners", "boss"),
    )

    assert sorted(map(type, told), key=str) == sorted([type(None), InsufficientScope], key=str)
    assert world.people("owners") in (["boss"], ["second"])


def test_two_admins_who_demote_each_others_team_at_once_leave_one(world: OrganizationWorld) -> None:
    second = world.account("second")
    world.teams.put(world.boss, "org", "chiefs", "admin")
    world.join("chiefs", second)
    told = at_once(
        lambda: world.teams.put(world.boss, "org", "chiefs", "member"),
        lambda: world.teams.put(second, "org", "owners", "member"),
    )

    assert [type(error) for error in told].count(InsufficientScope) == 1
    left = [world.access.may_admin_namespace(who, world.org) for who in (world.boss, second)]
    assert sorted(left) == [False, True]


def test_two_admins_who_leave_at_once_leave_one(world: OrganizationWorld) -> None:
    second = world.admin("second")
    third = world.admin("third")
    told = at_once(
        *[lambda who=w: world.members.remove(who, "org", who.name) for w in (world.boss, second, third)]
    )

    assert sum(isinstance(error, Refused) for error in told) == 1, told
    assert len(world.people("owners")) == 1


def test_one_team_is_made_by_two_at_once(world: OrganizationWorld) -> None:
    told = at_once(*[lambda: world.teams.put(world.boss, "org", "dev", "member")] * 4)

    assert sorted(new for _, new in told) == [False, False, False, True]


# -- invitations --------------------------------------------------------------------------------------


def test_an_outsider_is_invited_and_a_robot_or_a_member_joins(inviting: OrganizationWorld) -> None:
    world = inviting
    member = world.account("member")
    world.account("outsider", email="outsider@example.com")
    world.robot("bot")
    world.teams.put(world.boss, "org", "dev", "member")
    world.join("dev", member)
    asked = {
        n: world.teams.add_member(world.boss, "org", "owners", n)[1]
        for n in ("member", "outsider", "org+bot")
    }

    assert asked == {"member": False, "outsider": True, "org+bot": False}
    assert world.people("owners") == ["boss", "member", "org+bot"]
    shown = world.teams.members(world.boss, "org", "owners", pending=True)
    assert [p.person and p.person.name for p in shown.pending] == ["outsider"]
    assert world.teams.members(world.boss, "org", "owners").pending == ()
    plain = world.account("plain")
    world.join("dev", plain)
    world.teams.add_member(world.boss, "org", "dev", "outsider")
    assert world.teams.members(plain, "org", "dev", pending=True).pending == ()


def test_who_is_invited_twice_has_one_invitation_with_one_code(inviting: OrganizationWorld) -> None:
    world = inviting
    world.account("user", email="user@example.com")
    told = at_once(*[lambda: world.teams.add_member(world.boss, "org", "owners", "user")] * 3)

    assert [invited for _, invited in told] == [True] * 3
    (code,) = world.codes()
    assert code.startswith("urn:teaminvite:")
    mails = world.mails()
    assert [to for to, _ in mails] == ["user@example.com"] * 3
    assert all(code.rpartition(":")[2] in text for _, text in mails)


def test_accepting_joins_every_team_to_which_one_is_invited(inviting: OrganizationWorld) -> None:
    world = inviting
    user = world.account("user", email="user@example.com")
    for team in ("dev", "ops"):
        world.teams.put(world.boss, "org", team, "member")
    world.teams.add_member(world.boss, "org", "dev", "user")
    world.invites.invite_email(world.boss, "org", "dev", "user@example.com")
    world.invites.invite_email(world.boss, "org", "ops", "user@example.com")
    world.invites.invite_email(world.boss, "org", "owners", "other@example.com")
    first = world.codes()[0]
    assert world.invites.accept(user, first) == ("org", "dev")

    assert world.people("dev") == world.people("ops") == ["user"]
    assert world.people("owners") == ["boss"]
    assert len(world.codes()) == 1
    assert [e["team"] for e in world.events("org_team_member_invite_accepted")] == ["dev", "ops"]
    with pytest.raises(Refused, match="Invalid confirmation code"):
        world.invites.accept(user, first)


def test_an_address_that_is_not_verified_is_not_ones_own(inviting: OrganizationWorld) -> None:
    world = inviting
    user = world.account("user", email="boss@example.com", verified=0)
    world.teams.put(world.boss, "org", "dev", "member")
    world.teams.add_member(world.boss, "org", "dev", "user")
    world.invites.invite_email(world.boss, "org", "owners", "boss@example.com")
    world.invites.accept(user, world.codes()[0])

    assert world.people("owners") == ["boss"]


def test_an_invitation_accepted_twice_at_once_gives_one_membership(inviting: OrganizationWorld) -> None:
    world = inviting
    user = world.account("user")
    world.teams.add_member(world.boss, "org", "owners", "user")
    (code,) = world.codes()
    told = at_once(*[lambda: world.invites.accept(user, code)] * 4)

    assert sorted(map(type, told), key=str) == sorted([tuple] + [Refused] * 3, key=str)
    assert world.people("owners") == ["boss", "user"]
    assert len(world.events("org_team_member_invite_accepted")) == 1


def test_another_users_code_is_refused_and_stays(inviting: OrganizationWorld) -> None:
    world = inviting
    user, thief = world.account("user"), world.account("thief")
    world.teams.add_member(world.boss, "org", "owners", "user")
    (code,) = world.codes()
    for act in (world.invites.accept, world.invites.decline):
        with pytest.raises(Refused, match='intended for user "user"'):
            act(thief, code)

    assert world.invites.accept(user, code) == ("org", "owners")


def test_declined_and_withdrawn_invitations_are_gone(inviting: OrganizationWorld) -> None:
    world = inviting
    user = world.account("user")
    world.teams.add_member(world.boss, "org", "owners", "user")
    world.invites.decline(user, world.codes()[0])
    assert world.events("org_team_member_invite_declined")[0]["inviter"] == "boss"
    world.teams.remove_member(world.boss, "org", "owners", "user")
    world.teams.add_member(world.boss, "org", "owners", "user")
    (code,) = world.codes()
    world.teams.remove_member(world.boss, "org", "owners", "user")
    with pytest.raises(Refused):
        world.invites.accept(user, code)
    world.invites.invite_email(world.boss, "org", "owners", "x@example.com")
    world.invites.withdraw_email(world.boss, "org", "owners", "x@example.com")
    with pytest.raises(NotFound):
        world.invites.withdraw_email(world.boss, "org", "owners", "x@example.com")

    assert world.codes() == []
    assert world.people("owners") == ["boss"]


@pytest.mark.parametrize(
    "text", ["", "nobody", "a@b", "@example.com", "a b@example.com", "x" * 255 + "@a.de"]
)
def test_what_is_no_address_is_not_invited(here: OrganizationWorld, text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid email address"):
        here.invites.invite_email(here.boss, "org", "owners", text)
