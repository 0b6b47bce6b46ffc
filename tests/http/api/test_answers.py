"""Every operation answers as the description says, to the last key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import Result
from asking import Route, allowed, ask, declared
from described import faults, strict
from tenancy_world import World

CANNOT = {
    "createInitialUser",  # there are users
    "linkExternalUser",  # there is no log-in but the database
    "retrieveExternalLoginAuthorizationUrl",
}
"""What this world refuses, whoever asks."""
STOPS = ("scShutdownContainer",)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), {"FEATURE_USER_METADATA": True})
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    return strict(world.bare.get("discovery", params={"internal": "true"}).json)


def perform(world: World, route: Route, who: str) -> Result:
    """What it changes is undone."""
    if route[0] == "GET":
        return ask(world, route, who)
    with world.registry.db.rehearsal():
        return ask(world, route, who)


def undescribed(document: dict[str, Any], ident: str, result: Result) -> list[str]:
    media = (result.headers.get("content-type") or "").partition(";")[0] if result.content else None
    body = json.loads(result.content) if media == "application/json" else None
    return faults(document, ident, result.status_code, media, body)


def test_an_answer_has_what_the_description_names_and_no_more(world: World, document: dict[str, Any]) -> None:
    may = allowed()
    found = []
    for route in declared(world):
        ident = route[2].ident
        if ident in STOPS:
            continue
        result = perform(world, route, may[ident])
        if result.status_code >= 400 and ident not in CANNOT and route[2].status < 400:
            found.append(f"{ident} by {may[ident]}: {result.status_code} {result.text}")
        found += [f"{ident} by {may[ident]}: {fault}" for fault in undescribed(document, ident, result)]

    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("who", ["anonymous", "other", "member", "orgadmin", "superuser", "readonly"])
def test_so_has_every_answer_whoever_asks(world: World, document: dict[str, Any], who: str) -> None:
    found = [
        f"{route[2].ident}: {fault}"
        for route in declared(world)
        if route[2].ident not in STOPS
        for fault in undescribed(document, route[2].ident, perform(world, route, who))
    ]

    if found:
        pytest.fail("\n".join(found), pytrace=False)
