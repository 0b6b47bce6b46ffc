"""Default permissions: what a new repository gives, to whom, and who may say so."""

from __future__ import annotations

import pytest
from organization_world import OrganizationWorld

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, Refused
from quayframe.services import prototypes
from quayframe.services.principal import Principal
from quayframe.services.prototypes import Someone


@pytest.fixture
def world(database: Database) -> OrganizationWorld:
    return OrganizationWorld(database)


def given(world: OrganizationWorld, creator: Principal | None, repository: str = "app") -> dict[str, str]:
    """What a repository made by `creator` gives, by name of account or team."""
    made = world.repository(repository)
    ident = creator.account_id if creator else None
    world.db.write(lambda tx: prototypes.apply(tx, world.org.id, ident, made))
    rows = world.db.rows(
        tables.Permission.select(tables.Account.name, tables.Team.name, tables.Permission.role)
        .left_outer_join(tables.Account, on=(tables.Account.id == tables.Permission.account))
        .left_outer_join(tables.Team, on=(tables.Team.id == tables.Permission.team))
        .where(tables.Permission.repository == made)
    )
    return {account or f"team {team}": role for account, team, role in rows}


def test_entries_for_all_and_for_the_creator_are_given(world: OrganizationWorld) -> None:
    maker, _ = world.account("maker"), world.account("reader")
    world.robot("bot")
    world.teams.put(world.boss, "org", "dev", "member")
    world.prototypes.create(world.boss, "org", "read", "user", "reader")
    world.prototypes.create(world.boss, "org", "write", "team", "dev")
    world.prototypes.create(world.boss, "org", "admin", "user", "org+bot", "maker")

    assert given(world, maker) == {"reader": "read", "team dev": "write", "org+bot": "admin"}
    assert given(world, world.boss, "other") == {"reader": "read", "team dev": "write"}
    assert given(world, None, "third") == {"reader": "read", "team dev": "write"}


def test_the_creators_entry_wins_over_everybodys_whatever_is_stronger(world: OrganizationWorld) -> None:
    maker, _ = world.account("maker"), world.account("reader")
    world.prototypes.create(world.boss, "org", "read", "user", "reader", "maker")
    world.prototypes.create(world.boss, "org", "admin", "user", "reader")

    assert given(world, maker) == {"reader": "read"}
    assert given(world, world.boss, "other") == {"reader": "admin"}


def test_of_several_alike_the_strongest_counts(world: OrganizationWorld) -> None:
    world.account("reader")
    for role in ("read", "write", "read"):
        world.prototypes.create(world.boss, "org", role, "user", "reader")

    assert given(world, world.boss) == {"reader": "write"}


def test_the_creator_and_the_deleted_are_passed_over(world: OrganizationWorld) -> None:
    maker, gone = world.account("maker"), world.account("gone")
    for name in ("maker", "gone"):
        world.prototypes.create(world.boss, "org", "read", "user", name)
    gone_row = tables.Account.id == gone.account_id
    world.db.write(lambda tx: tx.run(tables.Account.update(deleted_ms=1).where(gone_row)))

    assert given(world, maker) == {}
    assert [p.delegate.person.name for p in shown(world) if isinstance(p.delegate, Someone)] == ["maker"]


def shown(world: OrganizationWorld) -> list[prototypes.Prototype]:
    return world.prototypes.all(world.boss, "org")


def test_what_an_account_has_already_stays(world: OrganizationWorld) -> None:
    reader = world.account("reader")
    world.prototypes.create(world.boss, "org", "read", "user", "reader")
    made = world.repository("app")
    world.grant(made, "admin", reader)
    world.db.write(lambda tx: prototypes.apply(tx, world.org.id, world.boss.account_id, made))

    assert world.db.rows(tables.Permission.select(tables.Permission.role)) == [("admin",)]


def test_who_is_in_the_organization_is_told(world: OrganizationWorld) -> None:
    world.account("outsider")
    world.robot("bot")
    for name in ("boss", "outsider", "org+bot"):
        world.prototypes.create(world.boss, "org", "read", "user", name, "boss")

    found = [p.delegate.is_org_member for p in shown(world) if isinstance(p.delegate, Someone)]
    assert found == [True, False, True]
    assert all(p.activating and p.activating.is_org_member for p in shown(world))


def test_changes_keep_their_place_and_are_recorded(world: OrganizationWorld) -> None:
    world.teams.put(world.boss, "org", "dev", "member")
    first = world.prototypes.create(world.boss, "org", "read", "team", "dev")
    second = world.prototypes.create(world.boss, "org", "read", "team", "owners", "boss")
    changed = world.prototypes.change(world.boss, "org", first.uuid, "write")
    assert (changed.uuid, changed.role, changed.delegate) == (first.uuid, "write", "dev")
    assert [p.uuid for p in shown(world)] == [first.uuid, second.uuid]
    world.prototypes.delete(world.boss, "org", second.uuid)

    made, _, modified, deleted = world.events(
        "create_prototype_permission", "modify_prototype_permission", "delete_prototype_permission"
    )
    assert (made["delegate_team"], made["username"], made["role"]) == ("dev", "boss", "read")
    assert (modified["original_role"], modified["role"]) == ("read", "write")
    assert (deleted["activating_username"], deleted["prototypeid"]) == ("boss", second.uuid)


def test_what_is_not_there_cannot_be_named(world: OrganizationWorld) -> None:
    world.organizations.create(world.boss, "other")
    world.account("boss+bot", "robot", owner=world.boss.account_id)
    foreign = world.prototypes.create(world.boss, "other", "read", "user", "boss")
    with pytest.raises(InvalidRequest, match="Missing delegate user or team"):
        world.prototypes.create(world.boss, "org", "read", "user", "nobody")
    with pytest.raises(Refused, match="Team does not exist: org/none"):
        world.prototypes.create(world.boss, "org", "read", "team", "none")
    for delegate, activating in (("org", None), ("boss+bot", None), ("boss", "nobody"), ("boss", "")):
        with pytest.raises(InvalidRequest):
            world.prototypes.create(world.boss, "org", "read", "user", delegate, activating)
    for ident in ("none", foreign.uuid):
        with pytest.raises(NotFound):
            world.prototypes.change(world.boss, "org", ident, "read")
        with pytest.raises(NotFound):
            world.prototypes.delete(world.boss, "org", ident)

    assert shown(world) == []
    assert len(world.prototypes.all(world.boss, "other")) == 1


def test_only_admins_have_to_do_with_them(world: OrganizationWorld) -> None:
    member = world.account("member")
    world.teams.put(world.boss, "org", "dev", "creator")
    world.join("dev", member)
    kept = world.prototypes.create(world.boss, "org", "read", "user", "member")
    with pytest.raises(InsufficientScope):
        world.prototypes.all(member, "org")
    with pytest.raises(InsufficientScope):
        world.prototypes.create(member, "org", "admin", "user", "member")
    with pytest.raises(InsufficientScope):
        world.prototypes.change(member, "org", kept.uuid, "admin")
    with pytest.raises(InsufficientScope):
        world.prototypes.delete(member, "org", kept.uuid)

    assert [p.role for p in shown(world)] == ["read"]
