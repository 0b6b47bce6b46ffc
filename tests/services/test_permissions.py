"""Roles on repositories on every database: changed in place, one at a time, never of what is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from organization_world import OrganizationWorld, at_once

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.errors import InsufficientScope, InvalidRequest, NameUnknown, NotSignedIn
from quayframe.events import Event
from quayframe.oci.names import RepositoryName
from quayframe.services.access import RepositoryRow
from quayframe.services.activity import Activity
from quayframe.services.permissions import Permissions
from quayframe.services.principal import ANONYMOUS, SYSTEM
from quayframe.services.robots import Robots


class PermissionWorld(OrganizationWorld):
    """With the repository `org/app`."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.asked: list[Event] = []
        here = (db, self.access, Activity(db))
        self.permissions = Permissions(*here, self.asked.append)
        self.robots = Robots(*here, self.box, self.asked.append)
        self.repository("app")

    @property
    def app(self) -> RepositoryRow:
        found = self.access.repository("org", "app")
        assert found is not None
        return found

    def held(self) -> list[tuple[str, str]]:
        return [(h.person.name, h.role) for h in self.permissions.users(self.boss, self.app)]


@pytest.fixture
def world(database: Database) -> PermissionWorld:
    return PermissionWorld(database)


def test_roles_keep_the_order_in_which_they_were_given(world: PermissionWorld) -> None:
    for name in ("zoe", "ada"):
        world.account(name)
        world.permissions.set_user(world.boss, world.app, name, "read")
    world.permissions.set_user(world.boss, world.app, "zoe", "admin")

    assert world.held() == [("zoe", "admin"), ("ada", "read")]
    world.permissions.remove_user(world.boss, world.app, "zoe")
    assert world.held() == [("ada", "read")]


def test_several_who_give_one_account_its_first_role_at_once_leave_one(world: PermissionWorld) -> None:
    world.account("ada")
    roles = ("read", "write", "admin", "read")
    works: list[Callable[[], Any]] = [
        lambda role=role: world.permissions.set_user(world.boss, world.app, "ada", role)  # type: ignore[misc]
        for role in roles
    ]

    assert not [result for result in at_once(*works) if isinstance(result, Exception)]
    assert len(world.held()) == 1
    assert len(world.events("change_repo_permission")) == len(roles)


def test_a_lowered_role_ends_the_tokens_of_all_members_and_of_nobody_else(world: PermissionWorld) -> None:
    people = [world.account(f"user{number}") for number in range(3)]
    world.teams.put(world.boss, "org", "crew", "member")
    for who in people[:2]:
        world.join("crew", who)
    world.permissions.set_team(world.boss, world.app, "crew", "write")
    before = [world.epoch(who) for who in people]
    world.permissions.set_team(world.boss, world.app, "crew", "admin")
    assert [world.epoch(who) for who in people] == before
    world.permissions.set_team(world.boss, world.app, "crew", "read")
    assert [world.epoch(who) - old for who, old in zip(people, before, strict=True)] == [1, 1, 0]
    world.permissions.remove_team(world.boss, world.app, "crew")
    assert [world.epoch(who) - old for who, old in zip(people, before, strict=True)] == [2, 2, 0]


def test_a_role_is_never_left_of_a_robot_or_team_that_goes_meanwhile(world: PermissionWorld) -> None:
    for number in range(4):
        short, team = f"r{number}", f"team{number}"
        world.robots.create(world.boss, "org", short)
        world.teams.put(world.boss, "org", team, "member")
        results = at_once(
            lambda: world.permissions.set_user(world.boss, world.app, f"org+{short}", "read"),  # noqa: B023
            lambda: world.robots.delete(world.boss, "org", short),  # noqa: B023
            lambda: world.permissions.set_team(world.boss, world.app, team, "read"),  # noqa: B023
            lambda: world.teams.delete(world.boss, "org", team),  # noqa: B023
        )

        faults = [r for r in results if isinstance(r, Exception)]
        assert all(isinstance(fault, InvalidRequest) for fault in faults), faults
        assert (results[1], results[3]) == (None, None)
    assert world.held() == []
    assert world.permissions.teams(world.boss, world.app) == []


def test_of_two_admins_who_take_the_role_from_each_other_one_keeps_it(world: PermissionWorld) -> None:
    one, two = world.account("one"), world.account("two")
    for who in (one, two):
        world.permissions.set_user(world.boss, world.app, who.name, "admin")
    app = world.app
    results = at_once(
        lambda: world.permissions.remove_user(one, app, "two"),
        lambda: world.permissions.set_user(two, app, "one", "read"),
    )

    assert sum(isinstance(result, InsufficientScope) for result in results) == 1
    assert len([role for _, role in world.held() if role == "admin"]) == 1


def test_who_is_no_admin_sees_and_changes_nothing(world: PermissionWorld) -> None:
    writer = world.account("writer")
    world.permissions.set_user(world.boss, world.app, "writer", "write")
    acts: list[Callable[[Any], Any]] = [
        lambda who: world.permissions.users(who, world.app),
        lambda who: world.permissions.user(who, world.app, "writer"),
        lambda who: world.permissions.transitive(who, world.app, "writer"),
        lambda who: world.permissions.set_user(who, world.app, "writer", "admin"),
        lambda who: world.permissions.remove_user(who, world.app, "writer"),
        lambda who: world.permissions.teams(who, world.app),
        lambda who: world.permissions.team(who, world.app, "owners"),
        lambda who: world.permissions.set_team(who, world.app, "owners", "read"),
        lambda who: world.permissions.remove_team(who, world.app, "owners"),
    ]
    for act in acts:
        with pytest.raises(InsufficientScope):
            act(writer)
        with pytest.raises(NotSignedIn):
            act(ANONYMOUS)


def test_a_deleted_account_is_in_no_list(world: PermissionWorld) -> None:
    ada = world.account("ada")
    world.permissions.set_user(world.boss, world.app, "ada", "read")
    gone = tables.Account.update(deleted_ms=1).where(tables.Account.id == ada.account_id)
    world.db.write(lambda tx: tx.run(gone))

    assert world.held() == []
    with pytest.raises(InvalidRequest):
        world.permissions.set_user(world.boss, world.app, "ada", "read")


def test_the_command_line_gives_and_takes_by_name(world: PermissionWorld) -> None:
    world.account("ada")
    path = RepositoryName("org", "app")
    world.permissions.grant(SYSTEM, path, "ada", "write")
    assert world.held() == [("ada", "write")]
    world.permissions.grant(SYSTEM, path, "ada", None)
    assert world.held() == []
    with pytest.raises(NameUnknown):
        world.permissions.grant(SYSTEM, RepositoryName("org", "nosuch"), "ada", "read")
    with pytest.raises(InvalidRequest):
        world.permissions.grant(SYSTEM, path, "ada", "owner")
