"""`?dry_run=1`: every changing operation tells what it would do, and does nothing, wherever one looks.

Each is asked by somebody whom tests/access.csv lets do it, with the arguments of the real thing, while
storage, network, Redis and mail refuse to be touched; every row of every table is as it was.
"""

from __future__ import annotations

import json
import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import servers
from api_client import PASSWORD, ApiMaker, ApiWorld, Result
from asking import TABLE, Route, allowed, ask, declared
from tenancy_world import World

from quayframe.data.table import Table
from quayframe.http.api.operation import Operation
from quayframe.plugin.storage import StorageBackend

CANNOT = {
    "createInitialUser": 400,  # there are users
    "linkExternalUser": 400,  # there is no log-in but the database
}
"""What this world refuses, whoever asks; it changes nothing all the same."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    config: dict[str, Any] = {}
    if request.param == "postgresql":
        server: servers.Postgresql = request.getfixturevalue("postgresql_server")
        config["DB_URI"] = server.new_database()
    made = World(tmp_path_factory.mktemp("world"), config)
    yield made
    made.close()


@pytest.fixture(scope="module")
def changes(world: World) -> list[Route]:
    """(method, path, operation) of all that changes something."""
    return [route for route in declared(world) if route[0] != "GET"]


@pytest.fixture
def untouchable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage, network, Redis and mail fail the test that touches them."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a dry run touches the world outside the database")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(smtplib.SMTP, "__init__", refuse)
    storage = world.protocol.manager.provider("storage", "LocalStorage").cls
    for name in {*StorageBackend.__abstractmethods__, "put", "url"}:
        monkeypatch.setattr(storage, name, refuse)


def dump(world: ApiWorld) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    tables = {vars(table)["_meta"].table_name: table for table in Table.__subclasses__()}
    return {
        name: [tuple(row) for row in world.registry.db.rows(table.select().order_by(table.id))]
        for name, table in tables.items()
    }


def fault(world: World, one: Operation, result: Result) -> str | None:
    """What is wrong with the answer."""
    if one.ident in CANNOT:
        return None if result.status_code == CANNOT[one.ident] else f"{result.status_code} {result.text}"
    if one.status == 410:
        return None if result.status_code == 410 else f"{result.status_code} {result.text}"
    if not one.dry_run:
        return None if result.status_code == 400 else f"has a dry run: {result.status_code} {result.text}"
    if result.status_code != 200:
        return f"{result.status_code} {result.text}"
    body = json.loads(result.content)
    if set(body) != {"dry_run", "events"} or body["dry_run"] is not True:
        return f"not the answer of a dry run: {result.text}"
    shape = {"kind", "namespace", "repository", "performer", "metadata"}
    if any(set(event) != shape for event in body["events"]):
        return f"an event of another shape: {result.text}"
    shown = [secret for secret in secrets_of(world) if secret in result.text]
    return f"shows {shown}" if shown else None


def secrets_of(world: World) -> list[str]:
    facts = [world.facts, *world.of.values(), *world.mine.values()]
    stored = [
        known[name] for known in facts for name in known if name.endswith((" secret", " token", "_code"))
    ]
    invites = [known["invite"] for known in world.mine.values() if "invite" in known]
    return [PASSWORD, "acme-client-secret", *stored, *invites]


@pytest.mark.usefixtures("untouchable")
def test_a_dry_run_of_every_change_answers_and_changes_nothing(world: World, changes: list[Route]) -> None:
    may = allowed()
    before = dump(world)
    faults = []
    for route in changes:
        ident = route[2].ident
        if ident not in may:
            faults.append(f"{ident}: nobody may, says {TABLE.name}")
            continue
        result = ask(world, route, may[ident], dry_run="1")
        if found := fault(world, route[2], result):
            faults.append(f"{ident} by {may[ident]}: {found}")
        if (after := dump(world)) != before:
            faults.append(f"{ident}: changed {changed(before, after)}")
            before = after

    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(name for name in before if before[name] != after[name])


def test_a_change_that_is_logged_tells_its_event(world: World) -> None:
    caller = world.signed_in("orgadmin")
    body = {"repository": "fresh", "namespace": "acme", "visibility": "private", "description": ""}

    told = caller.post("repository", body, params={"dry_run": "true"}).json

    assert [event["kind"] for event in told["events"]][:1] == ["create_repo"]
    assert told["events"][0]["namespace"] == "acme"
    assert told["events"][0]["performer"] == "orgadmin"


def test_a_dry_run_is_refused_as_the_real_thing_is(world: World) -> None:
    before = dump(world)

    assert world.signed_in("other").delete("organization/acme", params={"dry_run": "1"}).status_code == 403
    taken = world.signed_in("orgadmin").post("organization/", {"name": "rival"}, params={"dry_run": "1"})
    assert taken.status_code == 400
    assert dump(world) == before


def test_a_new_password_that_is_only_rehearsed_leaves_the_session_as_it_is(world: World) -> None:
    caller = world.signed_in("other")
    cookie = caller.cookie

    told = caller.put("user/", {"password": "another-horse"}, params={"dry_run": "1"})

    assert (told.status_code, "x-next-csrf-token" in told.headers) == (200, False)
    caller.cookie = cookie
    assert caller.get("user/").json["username"] == "other"


def test_what_changes_the_callers_own_session_has_no_dry_run(changes: list[Route]) -> None:
    without = {one.ident for _, _, one in changes if not one.dry_run}

    assert {"signinUser", "verifyUser", "logout", "generateUserClientKey"} <= without


def test_no_password_can_be_guessed_by_dry_runs(changes: list[Route]) -> None:
    """A wrong password counts against the guesser, and what a dry run counts is undone."""
    checking = {"signinUser", "verifyUser", "generateUserClientKey", "convertUserToOrganization"}

    assert {one.ident for _, _, one in changes if one.ident in checking and one.dry_run} == set()


def test_the_first_user_can_be_rehearsed(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_USER_INITIALIZE=True)
    body = {"username": "first", "password": PASSWORD, "email": "first@mail.test", "access_token": True}

    result = api.bare.post("user/initialize", body, params={"dry_run": "1"})

    assert (result.status_code, result.json["dry_run"]) == (200, True)
    assert PASSWORD not in result.text
    assert not result.cookies
    assert api.registry.accounts.find("first") is None
