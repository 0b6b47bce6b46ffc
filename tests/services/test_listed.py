"""Indexes that were pushed before what they list hold it all the same, once it has come."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from collecting_world import HOUR, World
from protocol import OCI_INDEX, Protocol, Repo, index, sha256


@pytest.fixture
def world(make_protocol: Callable[..., Protocol], database_uri: str) -> World:
    return World(make_protocol(FEATURE_SPARSE_INDEX=True, DB_URI=database_uri))


def pushed(repo: Repo, reference: str, body: bytes, media_type: str | None = None) -> None:
    answer = repo.put(reference, body, media_type) if media_type else repo.put(reference, body)
    assert answer.status_code == 201, answer.text


def test_what_comes_after_its_index_is_held_by_it(world: World) -> None:
    repo = world.protocol.repo()
    here, late = repo.image_body(), repo.image_body()
    pushed(repo, sha256(here), here)
    pushed(repo, "v1", index([here, late]), OCI_INDEX)
    pushed(repo, sha256(late), late)
    world.later(2 * HOUR)

    for body in (here, late):
        assert repo.get(f"manifests/{sha256(body)}").content == body
    assert world.consistent()


def test_an_index_that_only_mentions_it_does_not_hold_it(world: World) -> None:
    repo = world.protocol.repo()
    here, other = repo.image_body(), repo.image_body()
    pushed(repo, sha256(here), here)
    pushed(repo, "v1", index([here], annotations={"about": sha256(other)}), OCI_INDEX)
    pushed(repo, sha256(other), other)
    world.later(2 * HOUR)

    assert repo.get(f"manifests/{sha256(other)}").status_code == 404


def test_the_index_of_another_repository_does_not_hold_it(world: World) -> None:
    repo, elsewhere = world.protocol.repo(), world.protocol.repo()
    body = repo.image_body()
    elsewhere.begin()
    pushed(elsewhere, "v1", index([body]), OCI_INDEX)
    pushed(repo, sha256(body), body)
    world.later(2 * HOUR)

    assert repo.get(f"manifests/{sha256(body)}").status_code == 404
