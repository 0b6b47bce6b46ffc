"""Robots on every database: made once, gone for good, their tokens dead at once."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from organization_world import OrganizationWorld, at_once

from quayframe.data import migrations, tables, tenancy
from quayframe.data.db import Database
from quayframe.errors import Denied, InsufficientScope, InvalidRequest, NotFound, NotSignedIn, Refused
from quayframe.events import CreateRobot, Event
from quayframe.services import forgetting, robots
from quayframe.services.activity import Activity
from quayframe.services.clock import now_ms
from quayframe.services.principal import ANONYMOUS, SYSTEM, Principal
from quayframe.services.robot_rows import Robot
from quayframe.services.robots import Robots


class RobotWorld(OrganizationWorld):
    def __init__(self, db: Database, **options: Any) -> None:
        super().__init__(db)
        self.asked: list[Event] = []
        self.robots = self.service(**options)

    def service(self, **options: Any) -> Robots:
        return Robots(self.db, self.access, Activity(self.db), self.box, self.asked.append, **options)

    def row(self, *columns: Any, name: str = "org+ci") -> Any:
        return self.db.one(tables.Account.select(*columns).where(tables.Account.name == name))


@pytest.fixture
def world(database: Database) -> RobotWorld:
    return RobotWorld(database)


@pytest.fixture
def here(sqlite: str, open_database: Callable[..., Database]) -> RobotWorld:
    """For rules that no database has a part in."""
    made = open_database(sqlite)
    migrations.migrate(made)
    return RobotWorld(made)


def test_a_robot_is_made_kept_sealed_and_found_by_its_token(world: RobotWorld) -> None:
    metadata = {"a": [1, None, "ü"], "b": {"c": True}}
    made = world.robots.create(world.boss, "org", "ci", description="builds", metadata=metadata)

    assert (made.name, made.description, made.metadata, made.last_accessed_ms) == (
        "org+ci", "builds", metadata, None,
    )  # fmt: skip
    assert made == world.robots.get(world.boss, "org", "ci")
    assert made.token is not None
    assert made.token not in world.row(tables.Account.robot_token)[0]
    found = world.robots.check("org+ci", made.token)
    assert found is not None
    assert (found.name, found.kind, found.owner_id) == ("org+ci", "robot", world.org.id)
    for wrong in (made.token[:-1], made.token.lower(), "", made.token + "A"):
        assert world.robots.check("org+ci", wrong) is None
    assert world.robots.check("org+other", made.token) is None


def test_of_several_who_make_one_robot_at_once_one_does(world: RobotWorld) -> None:
    def make() -> Any:
        return world.robots.create(world.boss, "org", "ci")

    made = at_once(make, make, make, make)

    assert sum(isinstance(result, Robot) for result in made) == 1
    assert sum(isinstance(result, InvalidRequest) for result in made) == 3
    assert len(world.events("create_robot")) == 1


def test_regenerating_ends_the_old_token_and_all_made_with_it(world: RobotWorld) -> None:
    old = world.robots.create(world.boss, "org", "ci", description="d", metadata={"a": 1})
    columns = (tables.Account.uuid, tables.Account.email, tables.Account.auth_epoch)
    before = world.row(*columns)
    new = world.robots.regenerate(world.boss, "org", "ci")
    after = world.row(*columns)

    assert world.robots.check("org+ci", old.token or "") is None
    assert world.robots.check("org+ci", new.token or "") is not None
    assert (new.description, new.metadata, new.created_ms) == ("d", {"a": 1}, old.created_ms)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert after[2] == before[2] + 1


def _refer(world: RobotWorld, robot: int) -> None:
    """A row in every table that refers to accounts, made for this robot."""
    number = itertools.count()
    org, repository = world.org.id, world.repository("app")
    team = world.insert(tables.Team, uuid="t", organization=org, name="crew", role="member")
    application = world.insert(
        tenancy.OauthApplication, client_id="c", organization=org, name="", description="",
        application_uri="", redirect_uri="", secret="", created_ms=1,
    )  # fmt: skip
    known: dict[str, Any] = {
        "repository": repository, "team": team, "organization": org, "application": application,
        "role": "read", "kind": "oauth", "title": "t", "created_ms": 1, "expires_ms": 1, "scope": "",
        "redirect_uri": "", "response_type": "token", "provider": "p", "code": "c",
    }  # fmt: skip
    for column in forgetting.GOES:
        values = {
            name: known[name] if name in known else f"{name}{next(number)}"
            for name, field in column.model._meta.fields.items()
            if name != "id" and not field.null and name != column.name
        }
        if column.model is tables.Permission:
            values["repository"] = repository
        world.insert(column.model, **{**values, column.name: robot})
    world.db.write(lambda tx: tx.run(tables.Repository.update(creator=robot)))


def test_a_deleted_robot_leaves_nothing_but_its_name_in_the_log(world: RobotWorld) -> None:
    token = world.robots.create(world.boss, "org", "ci").token or ""
    (robot,) = world.row(tables.Account.id)
    _refer(world, robot)
    world.robots.delete(world.boss, "org", "ci")

    assert world.row(tables.Account.id) is None
    assert world.robots.check("org+ci", token) is None
    for column in forgetting.GOES:
        assert world.db.rows(column.model.select(column).where(column == robot)) == []
    assert world.db.rows(tables.Repository.select(tables.Repository.creator)) == [(None,)]
    assert [e["robot"] for e in world.events("create_robot", "delete_robot")] == ["ci", "ci"]
    with pytest.raises(Refused, match=robots.UNKNOWN):
        world.robots.delete(world.boss, "org", "ci")
    again = world.robots.create(world.boss, "org", "ci")
    assert again.token != token
    assert world.row(tables.Account.id) != (robot,)


def test_a_robot_that_is_deleted_twice_at_once_is_deleted_once(world: RobotWorld) -> None:
    world.robots.create(world.boss, "org", "ci")
    gone = at_once(*[lambda: world.robots.delete(world.boss, "org", "ci")] * 3)

    assert sum(result is None for result in gone) == 1
    assert sum(isinstance(result, Refused) for result in gone) == 2
    assert len(world.events("delete_robot")) == 1


def test_an_access_is_noted_once_within_the_threshold(world: RobotWorld) -> None:
    token = world.robots.create(world.boss, "org", "ci").token or ""
    column = tables.Account.last_accessed_ms
    start = now_ms()
    world.robots.check("org+ci", "wrong")
    assert world.row(column) == (None,)
    world.robots.check("org+ci", token)
    (first,) = world.row(column)
    assert start <= first <= now_ms()
    world.robots.check("org+ci", token)
    assert world.row(column) == (first,)
    old = first - 60_000
    world.db.write(lambda tx: tx.run(tables.Account.update(last_accessed_ms=old)))
    world.robots.check("org+ci", token)
    assert world.row(column)[0] > old
    world.db.write(lambda tx: tx.run(tables.Account.update(last_accessed_ms=old)))
    assert world.service(note_access=False).check("org+ci", token) is not None
    assert world.row(column) == (old,)


def test_an_access_that_cannot_be_noted_is_let_in(here: RobotWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    token = here.robots.create(here.boss, "org", "ci").token or ""

    def busy(work: Any) -> Any:
        raise Denied("the database is busy")

    monkeypatch.setattr(here.db, "write", busy)
    assert here.robots.check("org+ci", token) is not None


@pytest.mark.parametrize("change", [{"enabled": 0}, {"deleted_ms": 1}])
def test_a_robot_is_nobody_without_its_owner(world: RobotWorld, change: dict[str, int]) -> None:
    token = world.robots.create(world.boss, "org", "ci").token or ""
    where = tables.Account.id == world.org.id
    world.db.write(lambda tx: tx.run(tables.Account.update(**change).where(where)))

    assert world.robots.check("org+ci", token) is None


def test_a_list_costs_the_same_queries_however_many_robots_there_are(
    here: RobotWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Any] = []
    rows = here.db.rows

    def counting(query: Any) -> Any:
        counted.append(query)
        return rows(query)

    monkeypatch.setattr(here.db, "rows", counting)

    def queries() -> int:
        counted.clear()
        here.robots.of(here.boss, "org", permissions=True)
        return len(counted)

    here.robots.create(here.boss, "org", "r0")
    few = queries()
    for number in range(1, 40):
        here.robots.create(here.boss, "org", f"r{number}")
    assert queries() == few


def test_many_identities_are_looked_through_in_no_time(here: RobotWorld) -> None:
    here.robots.create(here.boss, "org", "ci")
    identities = [("https://issuer.test", str(number)) for number in range(20_000)]
    start = time.monotonic()
    here.robots.federate(here.boss, "org", "ci", identities)

    assert time.monotonic() - start < 3
    with pytest.raises(InvalidRequest, match="Duplicate"):
        here.robots.federate(here.boss, "org", "ci", [*identities, identities[-1]])


def test_who_is_no_admin_changes_nothing(here: RobotWorld) -> None:
    here.robots.create(here.boss, "org", "ci")
    member, stranger = here.account("member"), here.account("stranger")
    here.teams.put(here.boss, "org", "crew", "creator")
    here.join("crew", member)
    auditor = here.boss_of_all
    changes: list[Callable[[Principal], Any]] = [
        lambda who: here.robots.create(who, "org", "new"),
        lambda who: here.robots.regenerate(who, "org", "ci"),
        lambda who: here.robots.delete(who, "org", "ci"),
        lambda who: here.robots.federate(who, "org", "ci", [("i", "s")]),
        lambda who: here.robots.unfederate(who, "org", "ci"),
        lambda who: here.robots.secret(who, "org", "ci"),
    ]
    for change in changes:
        for who in (member, stranger, auditor):
            with pytest.raises(InsufficientScope):
                change(who)
        with pytest.raises(NotSignedIn):
            change(ANONYMOUS)
    for who in (member, auditor):
        assert [robot.token for robot in here.robots.of(who, "org")] == [None]
    with pytest.raises(InsufficientScope):
        here.robots.of(stranger, "org")
    with pytest.raises(InsufficientScope):
        here.robots.of(here.boss, "member")
    with pytest.raises(InsufficientScope):
        here.robots.get(here.boss, "nowhere", "ci")
    with pytest.raises(NotFound):
        here.robots.of(SYSTEM, "nowhere")


def test_a_robot_of_one_namespace_is_not_reached_by_another(here: RobotWorld) -> None:
    here.organizations.create(here.boss, "org2")
    here.robots.create(here.boss, "org2", "ci")

    with pytest.raises(Refused, match=robots.UNKNOWN):
        here.robots.get(here.boss, "org", "ci")
    with pytest.raises(Refused, match=robots.UNKNOWN):
        here.robots.get(here.boss, "boss", "ci")


def test_plugins_are_asked_before_a_robot_is_made(here: RobotWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(event: Event) -> None:
        assert isinstance(event, CreateRobot)
        raise Denied("not here")

    monkeypatch.setattr(here.robots, "_ask", refuse)
    with pytest.raises(Denied, match="not here"):
        here.robots.create(here.boss, "org", "ci")
    assert here.robots.of(here.boss, "org") == []
