"""Roles: who may do what to a repository, by ownership, grants, teams and the operator's lists."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.services.access import Access, NamespaceRow, RepositoryRow
from quayframe.services.clock import now_ms
from quayframe.services.principal import ANONYMOUS, SYSTEM, Principal


class World:
    """Accounts, organizations, teams and repositories, made by rows."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def insert(self, table: Any, **values: Any) -> int:
        return self.db.write(lambda tx: tx.insert(table, **values))

    def account(self, name: str, kind: str = "user", **more: Any) -> Principal:
        uuid = secrets.token_hex(8)
        ident = self.insert(tables.Account, uuid=uuid, name=name, kind=kind, created_ms=now_ms(), **more)
        return Principal(kind, ident, uuid, name)

    def repository(self, owner: Principal, name: str = "app", **more: Any) -> RepositoryRow:
        values = {"visibility": "private", "state": "NORMAL", "kind": "image"} | more
        uuid = secrets.token_hex(8)
        ident = self.insert(
            tables.Repository, uuid=uuid, namespace=owner.account_id, name=name, created_ms=1, **values
        )
        return RepositoryRow(
            ident, uuid, owner.account_id or 0, owner.name, name,
            values["visibility"], values["state"], values["kind"],
        )  # fmt: skip

    def team(self, organization: Principal, role: str, *members: Principal) -> int:
        ident = self.insert(
            tables.Team,
            uuid=secrets.token_hex(8),
            organization=organization.account_id,
            name=secrets.token_hex(4),
            role=role,
        )
        for member in members:
            self.insert(tables.TeamMember, team=ident, account=member.account_id)
        return ident

    def grant(self, repository: RepositoryRow, role: str, **whom: int | None) -> None:
        self.insert(tables.Permission, repository=repository.id, role=role, **whom)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def access(database: Database) -> Access:
    return Access(database)


def namespace(access: Access, name: str) -> NamespaceRow:
    found = access.namespace(name)
    assert found is not None
    return found


def listed(access: Access, principal: Principal, *, public: bool) -> set[int]:
    where = access.listed(principal, public=public)
    return {i for (i,) in access._db.rows(tables.Repository.select(tables.Repository.id).where(where))}


def test_the_owner_of_a_namespace_is_admin_and_a_stranger_nothing(world: World, access: Access) -> None:
    owner, stranger = world.account("owner"), world.account("stranger")
    app = world.repository(owner)

    assert access.role(owner, app) == "admin"
    assert access.role(stranger, app) is None
    assert access.role(ANONYMOUS, app) is None
    assert access.role(SYSTEM, app) == "admin"
    assert not access.may_pull(stranger, app)


@pytest.mark.parametrize(
    ("role", "may"),
    [("read", (True, False, False)), ("write", (True, True, False)), ("admin", (True, True, True))],
)
def test_a_grant_gives_its_role_to_user_and_robot(
    world: World, access: Access, role: str, may: tuple[bool, ...]
) -> None:
    owner = world.account("owner")
    app, other = world.repository(owner), world.repository(owner, "other")
    for who in (world.account("user"), world.account("owner+bot", "robot", owner=owner.account_id)):
        world.grant(app, role, account=who.account_id)
        assert (access.may_pull(who, app), access.may_push(who, app), access.may_admin(who, app)) == may
        assert access.role(who, other) is None


def test_a_robot_has_nothing_of_its_owners(world: World, access: Access) -> None:
    owner = world.account("owner")
    robot = world.account("owner+bot", "robot", owner=owner.account_id)
    world.repository(owner)

    assert access.role(robot, world.repository(owner, "app2")) is None
    assert not access.may_create_in(robot, namespace(access, "owner"))
    assert listed(access, robot, public=False) == set()


def test_a_team_gives_its_members_what_it_was_given(world: World, access: Access) -> None:
    org = world.account("org", "organization")
    member, outsider = world.account("member"), world.account("outsider")
    robot = world.account("org+bot", "robot", owner=org.account_id)
    app = world.repository(org)
    world.grant(app, "write", team=world.team(org, "member", member, robot))

    assert [access.role(who, app) for who in (member, robot, outsider)] == ["write", "write", None]


def test_the_strongest_of_several_roles_counts(world: World, access: Access) -> None:
    org = world.account("org", "organization")
    user = world.account("user")
    app = world.repository(org)
    world.grant(app, "read", account=user.account_id)
    world.grant(app, "admin", team=world.team(org, "member", user))
    world.grant(app, "write", team=world.team(org, "member", user))

    assert access.role(user, app) == "admin"


@pytest.mark.parametrize(
    ("team", "role", "creates", "administers"),
    [("member", None, False, False), ("creator", None, True, False), ("admin", "admin", True, True)],
)
def test_a_teams_role_counts_in_its_organization(
    world: World, access: Access, team: str, role: str | None, creates: bool, administers: bool
) -> None:
    org, other = world.account("org", "organization"), world.account("other", "organization")
    user = world.account("user")
    world.team(org, team, user)
    app, elsewhere = world.repository(org), world.repository(other)

    assert access.role(user, app) == role
    assert access.may_create_in(user, namespace(access, "org")) is creates
    assert access.may_admin_namespace(user, namespace(access, "org")) is administers
    assert access.role(user, elsewhere) is None
    assert not access.may_create_in(user, namespace(access, "other"))


def test_the_public_is_pulled_by_all_unless_anonymous_access_is_off(world: World, database: Database) -> None:
    app = world.repository(world.account("owner"), visibility="public")
    user = world.account("user")

    assert Access(database).may_pull(ANONYMOUS, app)
    assert Access(database).role(user, app) is None
    assert not Access(database).may_push(user, app)
    closed = Access(database, anonymous=False)
    assert not closed.may_pull(ANONYMOUS, app)
    assert closed.may_pull(user, app)


@pytest.mark.parametrize("state", ["READ_ONLY", "MIRROR", "MARKED_FOR_DELETION"])
def test_nobody_pushes_to_a_repository_that_is_not_normal(world: World, access: Access, state: str) -> None:
    owner = world.account("owner")
    app = world.repository(owner, state=state)

    assert not access.may_push(owner, app)
    assert access.may_pull(owner, app)


def test_a_superuser_is_admin_only_with_full_access(world: World, database: Database) -> None:
    app = world.repository(world.account("owner"))
    root = Principal(**{**world.account("root").__dict__, "superuser": True})

    assert Access(database).role(root, app) is None
    assert listed(Access(database), root, public=False) == set()
    full = Access(database, superusers_full=True)
    assert full.role(root, app) == "admin"
    assert full.may_create_in(root, namespace(full, "owner"))
    assert listed(full, root, public=False) == {app.id}


def test_a_read_only_superuser_reads_everything_and_writes_nothing(world: World, database: Database) -> None:
    app = world.repository(world.account("owner"))
    auditor = Principal(**{**world.account("auditor").__dict__, "readonly_superuser": True})
    access = Access(database)

    assert access.role(auditor, app) == "read"
    assert not access.may_push(auditor, app)
    assert not access.may_create_in(auditor, namespace(access, "owner"))
    assert listed(access, auditor, public=False) == {app.id}
    # What it was given besides, it keeps.
    world.grant(app, "write", account=auditor.account_id)
    assert access.role(auditor, app) == "write"


def test_a_restricted_user_makes_nothing_of_its_own(world: World, database: Database) -> None:
    users = {name: world.account(name) for name in ("plain", "trusted", "root")}
    users["root"] = Principal(**{**users["root"].__dict__, "superuser": True})
    access = Access(database, restricted=["trusted"])
    may = {name: access.may_create_in(user, namespace(access, name)) for name, user in users.items()}

    assert may == {"plain": False, "trusted": True, "root": True}
    assert {n: access.may_create_organization(u) for n, u in users.items()} == may
    org = world.account("org", "organization")
    world.team(org, "creator", users["plain"])
    assert access.may_create_in(users["plain"], namespace(access, "org"))


def test_a_restricted_user_only_reads_what_is_in_its_own_namespace(world: World, database: Database) -> None:
    plain, trusted = world.account("plain"), world.account("trusted")
    access = Access(database, restricted=["trusted"])
    mine, of_trusted = world.repository(plain), world.repository(trusted)
    elsewhere = world.repository(world.account("org", "organization"))
    world.grant(elsewhere, "write", account=plain.account_id)

    assert access.role(plain, mine) == "read"
    assert not access.may_push(plain, mine)
    assert access.may_push(trusted, of_trusted)
    assert access.may_push(plain, elsewhere)


def test_a_deleted_namespace_or_repository_is_not_found(world: World, access: Access) -> None:
    owner = world.account("owner")
    world.repository(owner)
    assert access.repository("owner", "app") is not None
    assert access.repository("owner", "App") is None
    world.db.write(lambda tx: tx.run(tables.Repository.update(deleted_ms=1)))
    world.db.write(lambda tx: tx.run(tables.Account.update(deleted_ms=1)))

    assert access.repository("owner", "app") is None
    assert access.namespace("owner") is None


def test_a_robot_is_no_namespace(world: World, access: Access) -> None:
    world.account("owner+bot", "robot", owner=world.account("owner").account_id)

    assert access.namespace("owner+bot") is None


def test_what_is_listed_is_what_may_be_pulled(world: World, access: Access) -> None:
    org, user = world.account("org", "organization"), world.account("user")
    mine, granted = world.repository(user), world.repository(org, "granted")
    by_team, hidden = world.repository(org, "by-team"), world.repository(org, "hidden")
    public = world.repository(org, "public", visibility="public")
    world.grant(granted, "read", account=user.account_id)
    world.grant(by_team, "read", team=world.team(org, "member", user))

    assert listed(access, user, public=False) == {mine.id, granted.id, by_team.id}
    assert listed(access, user, public=True) == {mine.id, granted.id, by_team.id, public.id}
    assert listed(access, ANONYMOUS, public=True) == {public.id}
    for app in (mine, granted, by_team, hidden):
        assert access.may_pull(user, app) is (app is not hidden)
