"""Policies where several act at once, on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from policy_world import PolicyWorld
from protocol import Protocol

from quayframe.data.tables import EventRow
from quayframe.errors import InvalidRequest
from quayframe.services.policies import immutable, prune


@pytest.fixture
def world(make_protocol: Callable[..., Protocol], database_uri: str) -> PolicyWorld:
    return PolicyWorld(
        make_protocol(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True, DB_URI=database_uri)
    )


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


def test_of_several_who_make_the_same_policy_one_does(world: PolicyWorld) -> None:
    policies, owner = world.content.policies, world.app
    found = at_once(*[lambda: policies.create(world.me, owner, prune("number_of_tags", 1))] * 4)

    assert sum(isinstance(one, str) for one in found) == 1
    assert sum(isinstance(one, InvalidRequest) for one in found) == 3


def test_two_policies_do_not_become_the_same(world: PolicyWorld) -> None:
    policies, owner = world.content.policies, world.app
    first, second = (policies.create(world.me, owner, immutable(text)) for text in ("^a", "^b"))
    found = at_once(
        lambda: policies.change(world.me, owner, first, immutable("^c")),
        lambda: policies.change(world.me, owner, second, immutable("^c")),
    )

    assert [one is None for one in found].count(True) == 1
    assert len({policy.pattern for policy in policies.all(world.me, owner, "immutable")}) == 2


def test_two_workers_and_a_client_end_each_tag_once_and_none_of_the_newest(world: PolicyWorld) -> None:
    names = [f"v{number}" for number in range(12)]
    world.tags(*names)
    world.add(world.app, prune("number_of_tags", 4))

    def push() -> None:
        for number in range(4):
            world.repo.image(f"new{number}")

    found = at_once(world.round, world.round, push)
    assert not [one for one in found if isinstance(one, Exception)]
    world.round()

    assert world.live() == {f"new{number}" for number in range(4)}
    ended = [
        data
        for (data,) in world.db.rows(
            EventRow.select(EventRow.data).where(EventRow.kind == "autoprune_tag_delete")
        )
    ]
    assert len(ended) == len(names)


def test_pin_prune_and_explanation_agree(world: PolicyWorld) -> None:
    world.tags("a", "b", "c", "d")
    pin = world.add(world.space, immutable("^a$"))
    rule = world.add(world.app, prune("number_of_tags", 1, "^[abcd]$"))
    of = world.content.lifecycles.of_tag

    pinned, doomed = of(world.row(), "a"), of(world.row(), "b")
    assert pinned.pinned_by is not None
    assert (pinned.pinned_by.source, pinned.ends) == (pin, None)
    assert doomed.ends is not None
    assert doomed.ends.source == rule
    assert {
        one.name for one in world.content.pruning.victims(world.app, prune("number_of_tags", 1), 9)[0]
    } == {
        "b",
        "c",
    }
    assert world.round() == 2
    assert world.live() == {"a", "d"}
    assert world.repo.delete("manifests/a").status_code == 409
