"""Policies: plugins are asked before one is made, changed or taken away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policy_world import PolicyWorld
from protocol import Protocol

from quayframe.errors import Denied, InsufficientScope
from quayframe.events import Event
from quayframe.services.policies import Owner, Policy, immutable, prune

OWNERS: dict[str, Callable[[PolicyWorld], Owner]] = {
    "namespace": lambda world: world.space,
    "repository": lambda world: world.app,
}
KINDS: dict[str, tuple[Policy, Policy]] = {
    "autoprune": (prune("number_of_tags", 1), prune("number_of_tags", 2)),
    "immutability": (immutable("^v"), immutable("^w")),
}


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> PolicyWorld:
    return PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True))


@pytest.mark.parametrize("whose", OWNERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_that_refuses_keeps_policies_as_they_are(
    world: PolicyWorld, whose: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, (first, second) = OWNERS[whose](world), KINDS[kind]
    ident = world.add(owner, first)
    asked: list[str] = []

    def refuse(event: Event) -> None:
        asked.append(event.kind)
        raise Denied("no")

    policies = world.content.policies
    monkeypatch.setattr(policies, "_check", refuse)
    for act in (
        lambda: policies.create(world.me, owner, second),
        lambda: policies.change(world.me, owner, ident, second),
        lambda: policies.delete(world.me, owner, first.kind, ident),
    ):
        with pytest.raises(Denied):
            act()
    assert [kind_.partition("_")[0] for kind_ in asked] == ["create", "update", "delete"]
    assert [(one.uuid, one.value, one.pattern) for one in policies.all(world.me, owner, first.kind)] == [
        (ident, first.value, first.pattern)
    ]


def test_no_plugin_is_asked_about_what_one_may_not_do(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Event] = []
    monkeypatch.setattr(world.content.policies, "_check", asked.append)
    with pytest.raises(InsufficientScope):
        world.content.policies.create(world.protocol.user(), world.app, prune("number_of_tags", 1))

    assert asked == []
