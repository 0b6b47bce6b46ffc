"""The recycle bin and the collector: what is in it comes back whole, or goes for good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from bin_world import CONFIG, BinWorld, difference, dump
from collecting_world import HOUR, WINDOW, pass_time
from protocol import Protocol

from quayframe.data.tables import Account, Repository, Tag
from quayframe.errors import Denied, InvalidRequest, NameTaken, NameUnknown, NotFound
from quayframe.oci.names import RepositoryName
from quayframe.services.principal import SYSTEM

Make = Callable[..., Protocol]


@pytest.fixture
def world(make_protocol: Make) -> BinWorld:
    return BinWorld(make_protocol(**CONFIG))


def test_after_its_window_a_repository_comes_back_until_it_is_being_taken_away(world: BinWorld) -> None:
    purging = world.registry.content.gc_plans._purging
    late, early = world.delete("r0"), world.delete("r1")
    ident = world.db.value(Repository.select(Repository.id).where(Repository.uuid == late))
    pass_time(world.db, WINDOW + HOUR)
    world.bin.undelete_repository(world.boss, early)
    # The point of no return, and nothing more.
    world.db.write(lambda tx: purging._repository(tx, ident))
    assert world.db.rows(Tag.select(Tag.id).where(Tag.repository == ident)) != []
    with pytest.raises(NotFound):
        world.bin.undelete_repository(world.boss, late)
    assert world.bin.repositories(world.boss, "acme") == ([], False)
    world.registry.content.garbage.round()
    assert world.names() == {"acme/r1"}
    assert world.repo("r1").tags() == ["multi", "v1"]


def test_after_its_window_an_organization_comes_back_until_it_is_being_taken_away(world: BinWorld) -> None:
    purging = world.registry.content.gc_plans._purging
    uuid = world.delete()
    ident = world.db.value(Account.select(Account.id).where(Account.uuid == uuid))
    pass_time(world.db, WINDOW + HOUR)
    world.bin.undelete_organization(world.boss, uuid)
    world.delete()
    pass_time(world.db, WINDOW + HOUR)
    world.db.write(lambda tx: purging._begin(tx, ident))
    for act in (world.bin.undelete_organization, world.bin.release):
        with pytest.raises(NotFound):
            act(SYSTEM, uuid)
    assert world.bin.organizations(SYSTEM) == ([], False)


def test_without_a_window_the_collector_may_come_at_once(make_protocol: Make) -> None:
    world = BinWorld(make_protocol(**CONFIG, DEFAULT_TAG_EXPIRATION="0s", TAG_EXPIRATION_OPTIONS=["0s"]))
    uuid = world.delete("r0")
    world.registry.content.garbage.round()
    with pytest.raises(NotFound):
        world.bin.undelete_repository(world.boss, uuid)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each returned or raised."""
    found: list[object] = [None] * len(acts)
    gate = threading.Barrier(len(acts))

    def run(number: int) -> None:
        gate.wait(30)
        try:
            found[number] = acts[number]()
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_a_repository_is_brought_back_whole_or_taken_away_whole(
    make_protocol: Make, database_uri: str
) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri), repositories=6)
    uuids = [world.delete(f"r{number}") for number in range(6)]
    pass_time(world.db, WINDOW + HOUR)
    garbage = world.registry.content.garbage

    def undelete() -> list[str]:
        back = []
        for uuid in reversed(uuids):
            try:
                back.append(world.bin.undelete_repository(world.boss, uuid).full)
            except NotFound:
                continue
        return back

    back, one, two = at_once(undelete, garbage.round, garbage.round)
    assert not [found for found in (back, one, two) if isinstance(found, Exception)]
    garbage.round()
    assert world.names() == set(back) if isinstance(back, list) else False
    for name in world.names():
        assert world.repo(name.removeprefix("acme/")).get("manifests/v1").status_code == 200
    assert len(world.db.rows(Repository.select(Repository.id))) == len(world.names())


def test_an_organization_is_brought_back_whole_or_taken_away_whole(
    make_protocol: Make, database_uri: str
) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri), repositories=4)
    garbage = world.registry.content.garbage
    uuid = world.delete()
    pass_time(world.db, WINDOW + HOUR)
    back, *collected = at_once(
        lambda: world.bin.undelete_organization(SYSTEM, uuid), garbage.round, garbage.round
    )
    assert not [found for found in collected if isinstance(found, Exception)]
    garbage.round()
    left = world.db.rows(Account.select(Account.name).where(Account.name.startswith("acme")))
    if back == "acme":
        assert sorted(left) == [("acme",), ("acme+bot",)]
        assert world.names() == {f"acme/r{number}" for number in range(4)}
        assert world.repo("r3").get("manifests/v1").status_code == 200
    else:
        assert isinstance(back, NotFound)
        assert left == []
        assert world.db.rows(Repository.select(Repository.id)) == []


def test_a_repository_that_is_deleted_with_its_organization_goes_once(
    make_protocol: Make, database_uri: str
) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri), repositories=6)
    before = dump(world.db)
    repositories, organizations = world.registry.repositories, world.registry.tenancy.organizations

    def one_by_one() -> int:
        for number in range(6):
            try:
                repositories.delete(world.boss, RepositoryName("acme", f"r{number}"))
            except (NameUnknown, Denied):
                return number
        return 6

    alone, told = at_once(one_by_one, lambda: organizations.delete(world.boss, "acme"))
    assert told is None
    (entry,) = world.bin.organizations(SYSTEM)[0]
    assert isinstance(alone, int)
    assert entry.repositories == 6 - alone
    world.bin.undelete_organization(SYSTEM, entry.uuid)
    for one in world.bin.repositories(SYSTEM, "acme")[0]:
        world.bin.undelete_repository(SYSTEM, one.uuid)
    assert difference(before, dump(world.db)) == {}


def test_of_several_who_want_the_name_one_gets_it(make_protocol: Make, database_uri: str) -> None:
    world = BinWorld(make_protocol(**CONFIG, DB_URI=database_uri))
    uuid, name = world.delete("r1"), RepositoryName("acme", "r1")

    def back() -> Any:
        return world.bin.undelete_repository(world.boss, uuid)

    told = at_once(back, back, lambda: world.registry.repositories.create(world.boss, name, "private"))
    failed = [type(one) for one in told if isinstance(one, Exception)]
    assert len(failed) in (1, 2)
    assert set(failed) <= {NameTaken, NotFound, InvalidRequest}
    assert world.names() == {"acme/r0", "acme/r1"}
