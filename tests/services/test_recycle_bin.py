"""The recycle bin: what was deleted comes back as it was, until the collector has begun with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from bin_world import CONFIG, BinWorld, difference, dump
from collecting_world import HOUR, WINDOW
from protocol import Protocol

from quayframe import events
from quayframe.data.tables import Account, Permission, Repository, Team
from quayframe.data.tenancy import OauthApplication
from quayframe.errors import (
    Denied,
    InsufficientScope,
    InvalidRequest,
    NameInvalid,
    NameTaken,
    NotFound,
    NotSignedIn,
    Refused,
    RegistryError,
)
from quayframe.oci.names import RepositoryName
from quayframe.services.cascade import referring
from quayframe.services.principal import ANONYMOUS, SYSTEM

Make = Callable[..., Protocol]


@pytest.fixture
def world(make_protocol: Make) -> BinWorld:
    return BinWorld(make_protocol(**CONFIG))


# -- as it was ----------------------------------------------------------------------------------------


ELSEWHERE = {"confirmation", "login_link", "upload"}
"""Tables of what organizations and their repositories do not have, or what is only under way."""


def test_what_comes_back_is_compared_in_every_table_that_could_lose_something(world: BinWorld) -> None:
    for name in ("r0", "r1"):
        world.repo(name).blob()
    columns = [*referring(Account), *referring(Repository), *referring(Team), *referring(OauthApplication)]
    tables = {vars(column.model)["_meta"].table_name for column in columns}
    rows = dump(world.db)
    assert {table for table in tables if not rows[table]} - ELSEWHERE == set()


def test_an_organization_comes_back_as_it_was(make_protocol: Make, database_uri: str) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri), repositories=50)
    world.registry.repositories.set_state(SYSTEM, RepositoryName("acme", "r1"), "READ_ONLY")
    world.registry.repositories.set_visibility(SYSTEM, RepositoryName("acme", "r2"), "public")
    before = dump(world.db)
    uuid = world.delete()
    assert world.names() == set()
    assert difference(before, dump(world.db)) != {}

    assert world.bin.undelete_organization(world.boss, uuid) == "acme"
    assert difference(before, dump(world.db)) == {}
    assert len(world.names()) == 50
    assert world.repo("r1").tags() == ["multi", "v1"]


def test_a_repository_comes_back_as_it_was(make_protocol: Make, database_uri: str) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri))
    world.registry.repositories.set_state(SYSTEM, RepositoryName("acme", "r1"), "READ_ONLY")
    before = dump(world.db)
    uuid = world.delete("r1")
    assert world.names() == {"acme/r0"}

    assert world.bin.undelete_repository(world.boss, uuid).full == "acme/r1"
    assert difference(before, dump(world.db)) == {}
    assert world.repo("r1").get("manifests/v1").status_code == 200


def test_an_organization_whose_name_was_released_comes_back_as_it_was(
    make_protocol: Make, database_uri: str
) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri))
    before = dump(world.db)
    uuid = world.delete()
    world.bin.release(world.people["root"], uuid)
    assert world.bin.undelete_organization(world.boss, uuid) == "acme"
    assert difference(before, dump(world.db)) == {}


def test_what_the_release_before_deleted_comes_back_too(world: BinWorld) -> None:
    uuid = world.delete("r1")
    old = {"name": uuid, "deleted_state": None}
    world.db.write(lambda tx: tx.run(Repository.update(**old).where(Repository.uuid == uuid)))
    world.bin.undelete_repository(world.boss, uuid)
    assert world.row("r1").state == "NORMAL"


# -- names --------------------------------------------------------------------------------------------


def test_a_repositorys_name_is_free_at_once_and_it_comes_back_under_another(world: BinWorld) -> None:
    uuid = world.delete("r1")
    world.repo("r1").image("new")
    with pytest.raises(NameTaken, match="there is a repository acme/r1"):
        world.bin.undelete_repository(world.boss, uuid)
    assert world.names() == {"acme/r0", "acme/r1"}

    assert world.bin.undelete_repository(world.boss, uuid, "old/r1").full == "acme/old/r1"
    assert world.repo("r1").tags() == ["new"]
    assert world.repo("old/r1").tags() == ["multi", "v1"]
    assert [(e["repository"], e["deleted_name"]) for e in world.events("undelete_repo")] == [("old/r1", "r1")]


@pytest.mark.parametrize("name", ["UPPER", "a//b", "", "../x", "a/", "x" * 255])
def test_a_repository_gets_no_name_that_none_could_have(world: BinWorld, name: str) -> None:
    uuid = world.delete("r1")
    with pytest.raises(InvalidRequest):
        world.bin.undelete_repository(world.boss, uuid, name)


def test_a_name_of_the_same_repository_that_was_deleted_twice_is_given_once(world: BinWorld) -> None:
    first = world.delete("r1")
    world.fill("r1")
    second = world.delete("r1")
    world.bin.undelete_repository(world.boss, first)
    with pytest.raises(NameTaken):
        world.bin.undelete_repository(world.boss, second)
    world.bin.undelete_repository(world.boss, second, "r2")
    assert world.names() == {"acme/r0", "acme/r1", "acme/r2"}


def test_an_organizations_name_stays_taken_until_a_superuser_releases_it(world: BinWorld) -> None:
    uuid = world.delete()
    organizations, robots = world.registry.tenancy.organizations, world.registry.tenancy.robots
    with pytest.raises(InvalidRequest):
        organizations.create(SYSTEM, "acme", admin="ann")
    with pytest.raises(InsufficientScope):
        world.bin.release(world.boss, uuid)

    world.bin.release(world.people["root"], uuid)
    world.bin.release(world.people["root"], uuid)
    assert [e["namespace"] for e in world.events("org_release_name")] == ["acme"]
    organizations.create(SYSTEM, "acme", admin="ann")
    robots.create(SYSTEM, "acme", "bot")
    with pytest.raises(NameTaken, match="there is a user or organization acme"):
        world.bin.undelete_organization(world.boss, uuid)
    assert world.bin.undelete_organization(world.boss, uuid, "acme-old") == "acme-old"
    assert world.names() == {"acme-old/r0", "acme-old/r1"}
    assert world.registry.tenancy.robots.check("acme-old+bot", world.token) is not None
    assert world.registry.tenancy.robots.check("acme+bot", world.token) is None


def test_an_organization_may_come_back_under_another_name_in_any_case(world: BinWorld) -> None:
    uuid = world.delete()
    assert world.bin.undelete_organization(world.boss, uuid, "other") == "other"
    assert [(e["namespace"], e["deleted_name"]) for e in world.events("org_undelete")] == [("other", "acme")]
    world.registry.tenancy.organizations.create(SYSTEM, "acme", admin="ann")


@pytest.mark.parametrize(
    ("name", "error"),
    [("Bad", NameInvalid), ("x", NameInvalid), ("ann", NameTaken), ("a" * 254, InvalidRequest)],
)
def test_an_organization_gets_no_name_that_none_could_have(
    world: BinWorld, name: str, error: type[RegistryError]
) -> None:
    uuid = world.delete()
    before = dump(world.db)
    with pytest.raises(error):
        world.bin.undelete_organization(world.boss, uuid, name)
    assert difference(before, dump(world.db)) == {}


def test_nobody_keeps_an_organization_from_going_by_the_name_of_a_repository(world: BinWorld) -> None:
    world.repo(world.row("r0").uuid).image("v1")
    before = dump(world.db)
    world.bin.undelete_organization(world.boss, world.delete())
    assert difference(before, dump(world.db)) == {}


# -- what is in it ------------------------------------------------------------------------------------


def test_the_list_of_a_namespace_has_what_was_deleted_in_it_the_latest_first(world: BinWorld) -> None:
    first, second = world.delete("r0"), world.delete("r1")
    found, more = world.bin.repositories(world.boss, "acme")

    assert [(one.uuid, one.namespace, one.name, one.tags) for one in found] == [
        (second, "acme", "r1", 2),
        (first, "acme", "r0", 2),
    ]
    assert not more
    assert found[0].ends_ms - found[0].deleted_ms == WINDOW
    one, more = world.bin.repositories(world.boss, "acme", limit=1)
    assert more
    rest, more = world.bin.repositories(world.boss, "acme", after=one[0].place, limit=1)
    assert [*one, *rest] == found
    assert not more


def test_the_window_is_the_namespaces_own(world: BinWorld) -> None:
    world.registry.tenancy.organizations.change(world.boss, "acme", {"tag_expiration_s": 86_400})
    world.delete("r0")
    (one,) = world.bin.repositories(world.boss, "acme")[0]
    world.delete()
    (organization,) = world.bin.organizations(SYSTEM)[0]
    assert one.ends_ms - one.deleted_ms == organization.ends_ms - organization.deleted_ms == 24 * HOUR


def test_a_repository_deleted_before_its_organization_stays_in_the_bin(world: BinWorld) -> None:
    alone = world.delete("r0")
    # In one and the same moment, as far as the clock can tell.
    in_future = Repository.update(deleted_ms=Repository.deleted_ms + HOUR)
    world.db.write(lambda tx: tx.run(in_future.where(Repository.uuid == alone)))
    uuid = world.delete()
    (organization,) = world.bin.organizations(SYSTEM)[0]
    assert organization.repositories == 1
    with pytest.raises(NotFound):
        world.bin.undelete_repository(SYSTEM, alone)
    assert world.bin.repositories(SYSTEM, None) == ([], False)

    world.bin.undelete_organization(world.boss, uuid)
    assert world.names() == {"acme/r1"}
    assert [one.uuid for one in world.bin.repositories(world.boss, "acme")[0]] == [alone]
    world.bin.undelete_repository(world.boss, alone)
    assert world.names() == {"acme/r0", "acme/r1"}


def test_users_have_a_bin_of_their_own_and_take_it_with_them(world: BinWorld) -> None:
    repo = world.protocol.repo(world.people["ann"], "mine")
    repo.image("v1")
    world.registry.repositories.delete(world.people["ann"], repo.path)
    (one,) = world.bin.repositories(world.people["ann"], "ann")[0]
    world.bin.undelete_repository(world.people["ann"], one.uuid)
    assert repo.tags() == ["v1"]

    world.registry.repositories.delete(world.people["ann"], repo.path)
    world.registry.tenancy.departures.delete(world.people["root"], "ann", as_superuser=True)
    with pytest.raises(NotFound):
        world.bin.undelete_repository(SYSTEM, one.uuid)
    assert world.bin.organizations(SYSTEM) == ([], False)


def test_what_its_people_lost_meanwhile_does_not_come_back(world: BinWorld) -> None:
    uuid = world.delete()
    world.registry.tenancy.departures.delete(world.people["root"], "bob", as_superuser=True)
    world.bin.undelete_organization(world.boss, uuid)
    bob = world.people["bob"].account_id
    assert world.db.rows(Permission.select(Permission.id).where(Permission.account == bob)) == []


# -- who may ------------------------------------------------------------------------------------------


def test_who_may_delete_a_repository_may_bring_it_back(world: BinWorld) -> None:
    uuid = world.delete("r1")
    for name in ("ann", "bob"):
        with pytest.raises(Denied):
            world.registry.repositories.delete(world.people[name], RepositoryName("acme", "r0"))
        with pytest.raises(InsufficientScope):
            world.bin.undelete_repository(world.people[name], uuid)
    with pytest.raises(NotSignedIn):
        world.bin.undelete_repository(ANONYMOUS, uuid)
    with pytest.raises(InsufficientScope):
        world.bin.undelete_repository(replace(world.boss, scopes=frozenset({"repo:write"})), uuid)
    world.bin.undelete_repository(replace(world.boss, scopes=frozenset({"repo:admin"})), uuid)


def test_the_admin_of_a_repository_brings_it_back_under_its_name_but_makes_no_new_one(
    world: BinWorld,
) -> None:
    world.registry.tenancy.permissions.set_user(SYSTEM, world.row("r1"), "bob", "admin")
    bob, uuid = world.people["bob"], world.row("r1").uuid
    world.registry.repositories.delete(bob, RepositoryName("acme", "r1"))
    with pytest.raises(InsufficientScope):
        world.bin.undelete_repository(bob, uuid, "other")
    assert world.bin.undelete_repository(bob, uuid, "r1").full == "acme/r1"


def test_who_was_its_admin_brings_an_organization_back_and_so_does_a_superuser(world: BinWorld) -> None:
    uuid = world.delete()
    for name in ("ann", "bob"):
        with pytest.raises(InsufficientScope):
            world.bin.undelete_organization(world.people[name], uuid)
        assert world.bin.organizations(world.people[name]) == ([], False)
    with pytest.raises(InsufficientScope):
        world.bin.organizations(replace(world.boss, scopes=frozenset({"repo:admin"})))
    for who in (world.boss, world.people["root"], SYSTEM):
        assert [one.uuid for one in world.bin.organizations(who)[0]] == [uuid]
        world.bin.undelete_organization(who, uuid)
        uuid = world.delete()


def test_only_admins_see_what_was_deleted(world: BinWorld) -> None:
    world.delete("r1")
    for who, error in ((world.people["ann"], InsufficientScope), (ANONYMOUS, NotSignedIn)):
        for namespace in ("acme", "nowhere", None):
            with pytest.raises(error):
                world.bin.repositories(who, namespace)


def test_what_is_not_there_is_not_found(world: BinWorld) -> None:
    for ident in ("", "nothing", world.row("r0").uuid, world.boss.uuid or ""):
        with pytest.raises(NotFound):
            world.bin.undelete_repository(SYSTEM, ident)
        with pytest.raises(NotFound):
            world.bin.undelete_organization(SYSTEM, ident)
        with pytest.raises(NotFound):
            world.bin.release(SYSTEM, ident)


def test_plugins_are_asked_first(world: BinWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(event: events.Event) -> None:
        raise Refused(f"no {event.kind}")

    monkeypatch.setattr(world.bin, "_check", refuse)
    alone, uuid = world.delete("r1"), ""
    with pytest.raises(Refused, match="no undelete_repo"):
        world.bin.undelete_repository(world.boss, alone)
    uuid = world.delete()
    with pytest.raises(Refused, match="no org_undelete"):
        world.bin.undelete_organization(world.boss, uuid)
