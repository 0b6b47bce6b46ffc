"""Members and collaborators of organizations: who they are, and what goes with them when they go."""

from __future__ import annotations

from typing import Any

import pytest
from organization_world import OrganizationWorld

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.errors import NotFound, Refused


@pytest.fixture
def world(database: Database) -> OrganizationWorld:
    return OrganizationWorld(database)


def test_members_have_all_their_teams_and_only_direct_permissions(world: OrganizationWorld) -> None:
    user, outside = world.account("user"), world.account("outside")
    world.robot("bot")
    for team in ("dev", "ops"):
        world.teams.put(world.boss, "org", team, "member")
        world.join(team, user)
    world.teams.add_member(world.boss, "org", "dev", "org+bot")
    app, gone = world.repository("app"), world.repository("gone", deleted=True)
    elsewhere = world.repository("mine", owner=user.account_id)
    for who in (user, outside):
        for repository in (app, gone, elsewhere):
            world.grant(repository, "read", who)

    shown = [(m.person.name, m.teams, m.repositories) for m in world.members.all(world.boss, "org")]
    assert shown == [("boss", ("owners",), ()), ("user", ("dev", "ops"), ("app",))]
    assert world.members.get(world.boss, "org", "org+bot").person.is_robot
    outsiders = [
        (m.person.name, m.teams, m.repositories) for m in world.members.collaborators(world.boss, "org")
    ]
    assert outsiders == [("outside", (), ("app",))]
    for name in ("outside", "nobody"):
        with pytest.raises(NotFound):
            world.members.get(world.boss, "org", name)


def queries(world: OrganizationWorld, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many queries the lists of the organization take."""
    asked: list[Any] = []
    rows, one = world.db.rows, world.db.one

    def all_rows(query: Any) -> Any:
        asked.append(query)
        return rows(query)

    def first_row(query: Any) -> Any:
        asked.append(query)
        return one(query)

    with monkeypatch.context() as patch:
        patch.setattr(world.db, "rows", all_rows)
        patch.setattr(world.db, "one", first_row)
        world.members.all(world.boss, "org")
        world.members.collaborators(world.boss, "org")
        world.organizations.details(world.boss, "org")
        world.teams.members(world.boss, "org", "owners", pending=True)
        world.prototypes.all(world.boss, "org")
    return len(asked)


def test_the_lists_take_as_many_queries_for_many_as_for_one(
    world: OrganizationWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = world.repository("app")

    def more(number: int) -> None:
        user, outside = world.admin(f"user{number}"), world.account(f"outside{number}")
        world.teams.put(world.boss, "org", f"team{number}", "member")
        world.prototypes.create(world.boss, "org", "read", "user", user.name, outside.name)
        for who in (user, outside):
            world.grant(app, "read", who)

    more(0)
    few = queries(world, monkeypatch)
    for number in range(1, 10):
        more(number)

    assert queries(world, monkeypatch) == few


def test_who_is_removed_has_nothing_left_here(world: OrganizationWorld) -> None:
    user = world.account("user")
    for team in ("dev", "ops"):
        world.teams.put(world.boss, "org", team, "creator")
        world.join(team, user)
    elsewhere = world.repository("mine", owner=world.boss.account_id)
    for repository in (world.repository("app"), elsewhere):
        world.grant(repository, "write", user)
    world.members.remove(world.boss, "org", "user")

    assert [m.person.name for m in world.members.all(world.boss, "org")] == ["boss"]
    assert world.members.collaborators(world.boss, "org") == []
    kept = tables.Permission.select(tables.Permission.repository)
    assert world.db.rows(kept) == [(elsewhere,)]
    assert world.epoch(user) == 1
    assert [e["team"] for e in world.events("org_remove_team_member")] == ["dev", "ops"]
    for name in ("user", "nobody"):
        with pytest.raises(NotFound):
            world.members.remove(world.boss, "org", name)


def test_a_collaborator_can_be_removed_and_a_robot_not(world: OrganizationWorld) -> None:
    outside, robot = world.account("outside"), world.robot("bot")
    app = world.repository("app")
    for who in (outside, robot):
        world.grant(app, "read", who)
    world.members.remove(world.boss, "org", "outside")
    with pytest.raises(NotFound):
        world.members.remove(world.boss, "org", "org+bot")

    assert world.members.collaborators(world.boss, "org") == []


def test_the_only_admin_stays(world: OrganizationWorld) -> None:
    with pytest.raises(Refused):
        world.members.remove(world.boss, "org", "boss")
    world.admin("second")
    world.members.remove(world.boss, "org", "boss")

    assert world.people("owners") == ["second"]
