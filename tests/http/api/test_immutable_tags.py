"""A tag that a policy or the API pinned refuses every way in which the API changes tags."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result
from protocol import Repo, code

TAG = "repository/boss/app/tag/v1"
CONFIG: dict[str, Any] = {
    "FEATURE_AUTO_PRUNE": True,
    "FEATURE_IMMUTABLE_TAGS": True,
    "PERMANENTLY_DELETE_TAGS": True,
}


class World:
    def __init__(self, api: ApiWorld) -> None:
        self.api = api
        self.boss: Caller = api.user("boss")
        principal = api.registry.accounts.principal(api.registry.accounts.get("boss"))
        self.repo: Repo = api.protocol.repo(principal, "app")
        self.older, _ = self.repo.image("v1")
        self.digest, _ = self.repo.image("v1")

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.boss.get("repository/boss/app/tag/").json["tags"]
        return found


@pytest.fixture
def world(make_api: ApiMaker) -> World:
    return World(make_api(**CONFIG))


def by_policy(world: World) -> None:
    made = world.boss.post("repository/boss/app/immutabilitypolicy/", {"tagPattern": "^v"})
    assert made.status_code == 201


def by_api(world: World) -> None:
    assert world.boss.put(TAG, {"immutable": True}).status_code == 201


pinned = pytest.mark.parametrize("pin", [by_policy, by_api], ids=lambda pin: pin.__name__)
Pin = Callable[[World], None]


def move(world: World) -> Result:
    return world.boss.put(TAG, {"manifest_digest": world.older})


def delete(world: World) -> Result:
    return world.boss.delete(TAG)


def restore(world: World) -> Result:
    return world.boss.post(f"{TAG}/restore", {"manifest_digest": world.older})


def purge(world: World) -> Result:
    return world.boss.post(f"{TAG}/expire", {"is_alive": True})


@pinned
@pytest.mark.parametrize("act", [move, delete, restore, purge], ids=lambda act: act.__name__)
def test_it_is_neither_moved_nor_ended(world: World, pin: Pin, act: Callable[[World], Result]) -> None:
    pin(world)
    before = world.rows()
    result = act(world)

    assert (result.status_code, result.json["error_type"]) == (409, "tag_immutable"), result.text
    assert world.rows() == before
    assert [row["immutable"] for row in before if "end_ts" not in row] == [True]


@pinned
def test_what_it_needs_is_not_taken_from_under_it(world: World, pin: Pin) -> None:
    """Neither a manifest that its index lists, nor a blob of that."""
    image, body = world.repo.image()
    world.repo.index("v1", [body])
    pin(world)
    layer, config = json.loads(body)["layers"][0]["digest"], json.loads(body)["config"]["digest"]
    for rest in (f"manifests/{image}", f"blobs/{layer}", f"blobs/{config}"):
        answer = world.repo.delete(rest)
        assert (answer.status_code, code(answer)) == (409, "TAG_IMMUTABLE"), answer.text
        assert world.repo.get(rest).status_code == 200

    other, _ = world.repo.image()
    assert world.repo.delete(f"manifests/{other}").status_code == 202


@pinned
def test_it_gets_no_expiration(world: World, pin: Pin) -> None:
    pin(world)
    result = world.boss.put(TAG, {"expiration": int(time.time()) + 7200})

    assert (result.status_code, result.json) == (
        400,
        {"message": "Cannot set expiration on immutable tag 'v1'"},
    )


@pinned
def test_the_dry_run_of_a_change_says_so_too(world: World, pin: Pin) -> None:
    pin(world)

    assert world.boss.delete(TAG, params={"dry_run": "1"}).status_code == 409


def test_a_policy_is_not_undone_tag_by_tag(world: World) -> None:
    by_policy(world)
    world.boss.put(TAG, {"immutable": False})

    assert delete(world).status_code == 409


def test_a_tag_that_the_api_pinned_is_freed_by_it(world: World) -> None:
    by_api(world)
    assert world.boss.put(TAG, {"immutable": False}).status_code == 201

    assert delete(world).status_code == 204


def test_it_stays_when_the_repository_is_pruned(world: World) -> None:
    by_policy(world)
    world.boss.post("repository/boss/app/autoprunepolicy/", {"method": "number_of_tags", "value": 1})
    world.repo.image("w1")
    world.repo.image("w2")
    world.api.registry.content.pruning.round(lambda: True)

    assert set(world.repo.tags()) == {"v1", "w2"}
