"""Which tags go by which policy: what the worker ends, the dry run lists and the explanation says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from policy_world import DAY, HOUR, PolicyWorld
from protocol import Protocol

from quayframe.data.tables import EventRow, Tag, TagInterval
from quayframe.services import pruning
from quayframe.services.policies import Policy, immutable, prune
from quayframe.services.principal import SYSTEM
from quayframe.services.pruning import Mark
from quayframe.worker.loop import Worker


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> PolicyWorld:
    return PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True))


def listed(world: PolicyWorld, policy: Policy) -> set[str]:
    found, after = world.content.pruning.victims(world.app, policy, 500)
    assert after is None
    return {victim.name for victim in found}


def test_the_newest_tags_stay(world: PolicyWorld) -> None:
    world.tags("a", "b", "c", "d")
    world.add(world.app, prune("number_of_tags", 2))

    assert world.round() == 2
    assert world.live() == {"c", "d"}


def test_what_has_gone_since_the_walk_is_made_up_for(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tags("a", "b", "c", "d")
    world.add(world.app, prune("number_of_tags", 2))
    end = world.content.pruning._end

    def ending(*said: Any) -> int:
        world.end("d")
        return end(*said)

    monkeypatch.setattr(world.content.pruning, "_end", ending)
    assert world.round() == 1
    assert world.live() == {"b", "c"}


def test_a_tag_that_was_moved_is_new_again(world: PolicyWorld) -> None:
    world.tags("a", "b", "c")
    world.repo.image("a")
    world.add(world.app, prune("number_of_tags", 2))

    world.round()
    assert world.live() == {"a", "c"}


def test_tags_older_than_the_age_go(world: PolicyWorld) -> None:
    world.tag("old", age_ms=8 * DAY)
    world.tag("young", age_ms=6 * DAY)
    world.add(world.app, prune("creation_date", "1w"))

    assert world.round() == 1
    assert world.live() == {"young"}


@pytest.mark.parametrize(("matches", "left"), [(True, {"v2", "dev1", "dev2"}), (False, {"v1", "v2", "dev2"})])
def test_a_pattern_says_which_tags_are_counted_and_go(
    world: PolicyWorld, matches: bool, left: set[str]
) -> None:
    world.tags("v1", "dev1", "v2", "dev2")
    world.add(world.app, prune("number_of_tags", 1, "^v[0-9]", matches))

    world.round()
    assert world.live() == left


def test_pinned_tags_stay_and_are_not_counted(world: PolicyWorld) -> None:
    world.tags("a", "b", "c", "release")
    world.add(world.app, immutable("^release$"))
    world.add(world.app, prune("number_of_tags", 2))

    world.round()
    assert world.live() == {"b", "c", "release"}


def test_signatures_are_not_counted_and_go_with_what_they_sign(world: PolicyWorld) -> None:
    world.tags("a", "b", "c")
    signatures = {name: f"{world.digest_of(name).replace(':', '-')}.sig" for name in ("a", "c")}
    for mark in signatures.values():
        world.tag(mark, age_ms=HOUR // 2)
    world.add(world.app, prune("number_of_tags", 2))

    assert listed(world, prune("number_of_tags", 2)) == {"a"}
    assert world.round() == 1
    assert world.live() == {"b", "c", signatures["c"]}


def test_each_of_several_policies_applies(world: PolicyWorld) -> None:
    world.tag("dev-old", age_ms=3 * DAY)
    world.tag("old", age_ms=3 * DAY)
    world.tags("dev-1", "dev-2")
    world.add(world.app, prune("creation_date", "2d", "^dev-"))
    world.add(world.space, prune("number_of_tags", 1, "^dev-"))

    world.round()
    assert world.live() == {"old", "dev-2"}


def test_a_policy_of_a_namespace_counts_in_each_of_its_repositories_and_in_no_other(
    world: PolicyWorld,
) -> None:
    second, foreign = world.protocol.repo(world.me, "second"), world.protocol.repo()
    for repo in (world.repo, second):
        world.tags("a", "b", repo=repo)
    for name in ("a", "b"):
        foreign.image(name)
    world.add(world.space, prune("number_of_tags", 1))

    assert world.round() == 2
    assert (world.live(), world.live(second), world.live(foreign)) == ({"b"}, {"b"}, {"a", "b"})


def test_the_operators_policy_holds_in_every_namespace_beside_its_own(
    make_protocol: Callable[..., Protocol],
) -> None:
    policy = {"method": "number_of_tags", "value": 2}
    world = PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True, DEFAULT_NAMESPACE_AUTOPRUNE_POLICY=policy))
    foreign = world.protocol.repo()
    for name in ("a", "b", "c"):
        foreign.image(name)
    world.tags("a", "b", "c")
    world.add(world.space, prune("number_of_tags", 1))

    world.round()
    assert world.live() == {"c"}
    assert len(world.live(foreign)) == 2


def test_what_a_policy_ended_says_so_and_can_be_restored(world: PolicyWorld) -> None:
    world.tags("a", "b")
    digest = world.digest_of("a")
    ident = world.add(world.app, prune("number_of_tags", 1))

    world.round()
    assert world.db.value(Tag.select(Tag.end_reason).where(Tag.name == "a")) == f"prune:{ident}"
    interval = TagInterval.select(TagInterval.end_reason).where(TagInterval.name == "a")
    assert world.db.value(interval) == f"prune:{ident}"
    data = world.db.value(EventRow.select(EventRow.data).where(EventRow.kind == "autoprune_tag_delete"))
    told = json.loads(data)
    assert (told["tag"], told["digest"], told["policy"], told["repository"], told["performer"]) == (
        "a",
        digest,
        ident,
        "app",
        None,
    )


def test_nothing_ends_with_the_feature_off_in_a_read_only_repository_or_a_disabled_namespace(
    world: PolicyWorld, make_protocol: Callable[..., Protocol]
) -> None:
    world.tags("a", "b")
    world.add(world.app, prune("number_of_tags", 1))
    world.registry.repositories.set_state(SYSTEM, world.repo.path, "READ_ONLY")
    assert world.round() == 0
    assert listed(world, prune("number_of_tags", 1)) == set()
    world.registry.repositories.set_state(SYSTEM, world.repo.path, "NORMAL")
    assert not make_protocol().registry.content.pruning.enabled
    assert world.round() == 1


def test_a_tag_that_changed_after_it_was_looked_at_stays(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tags("a", "b", "c")
    world.add(world.app, prune("number_of_tags", 1))
    ending = world.content.pruning._end

    def push_first(*args: Any) -> int:
        world.repo.image("a")
        return ending(*args)

    monkeypatch.setattr(world.content.pruning, "_end", push_first)
    world.round()
    assert world.live() == {"a", "c"}


def test_a_policy_that_changed_while_it_was_followed_ends_nothing_more(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tags("a", "b")
    ident = world.add(world.app, prune("number_of_tags", 1))
    ending = world.content.pruning._end

    def change_first(*args: Any) -> int:
        world.content.policies.change(world.me, world.app, ident, prune("number_of_tags", 5))
        return ending(*args)

    monkeypatch.setattr(world.content.pruning, "_end", change_first)
    assert world.round() == 0
    assert world.live() == {"a", "b"}


def test_a_round_is_given_up_when_the_worker_may_not_go_on(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tags("a", "b")
    world.add(world.app, prune("number_of_tags", 1))
    monkeypatch.setattr(pruning, "_KEEP_S", -1)

    assert world.content.pruning.round(lambda: False) == 0
    assert world.live() == {"a", "b"}


@pytest.mark.parametrize(
    "policy",
    [
        prune("number_of_tags", 2),
        prune("number_of_tags", 1, "^[ace]$"),
        prune("creation_date", "3h"),
        prune("creation_date", "2h", "^[ace]$", False),
    ],
    ids=str,
)
def test_the_dry_run_lists_in_pages_of_any_size_what_the_worker_then_ends(
    world: PolicyWorld, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_PAGE", 2)
    second = world.protocol.repo(world.me, "second")
    for repo in (world.repo, second):
        world.tags("a", "b", "c", "d", "e", repo=repo)
    world.add(world.space, immutable("^b$"))
    before = {(repo.name, tag) for repo in (world.repo, second) for tag in world.live(repo)}

    mark: Mark | None = None
    found: list[tuple[str, str]] = []
    for _ in range(50):
        victims, mark = world.content.pruning.victims(world.space, policy, 1, mark)
        found += [(f"{one.place.namespace}/{one.place.name}", one.name) for one in victims]
        if mark is None:
            break
    assert mark is None

    world.add(world.space, policy)
    world.round()
    after = {(repo.name, tag) for repo in (world.repo, second) for tag in world.live(repo)}
    assert found
    assert len(found) == len(set(found))
    assert set(found) == before - after


def test_a_page_of_the_dry_run_looks_at_no_more_than_it_may(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_MOST_SEEN", 2)
    world.tags("a", "b", "c", "d")
    pages: list[list[str]] = []
    mark: Mark | None = None
    while not pages or mark is not None:
        victims, mark = world.content.pruning.victims(world.app, prune("number_of_tags", 1), 500, mark)
        pages.append([victim.name for victim in victims])

    assert pages[0] == ["c"]
    assert [name for page in pages for name in page] == ["c", "b", "a"]


def test_the_worker_goes_by_the_policies_again_and_again(make_protocol: Callable[..., Protocol]) -> None:
    world = PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True, AUTO_PRUNING_POLL_PERIOD=1))
    world.add(world.app, prune("number_of_tags", 1))
    worker = Worker(world.registry)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for first, second in (("a", "b"), ("c", "d")):
            world.tags(first, second)
            deadline = time.monotonic() + 30
            while first in world.live() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert first not in world.live()
    finally:
        worker.stop()
        thread.join(30)


def test_one_worker_at_a_time_prunes(world: PolicyWorld) -> None:
    world.tags("a", "b")
    assert not Worker(world.registry).prune()
    world.add(world.app, prune("number_of_tags", 1))

    assert not Worker(world.registry).prune()
    assert world.live() == {"a", "b"}
