"""What the explanation of one tag may cost: anybody who reads asks, who pushes says how much there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from policy_world import DAY, PolicyWorld
from protocol import Protocol, sha256

from quayframe.data.db import Tx
from quayframe.data.tables import Tag, TagInterval
from quayframe.services import lifecycles, pruning
from quayframe.services.clock import now_ms
from quayframe.services.lifecycle import Reason
from quayframe.services.policies import prune


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> PolicyWorld:
    return PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True))


def queries(world: PolicyWorld, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with each query from now on."""
    seen: list[None] = []
    rows = world.db.rows

    def counting(query: Any) -> Any:
        seen.append(None)
        assert len(seen) < 2000, "this does not come to an end"
        return rows(query)

    monkeypatch.setattr(world.db, "rows", counting)
    return seen


def test_signatures_that_sign_themselves(world: PolicyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, body = world.repo.image("v1")
    marks = [f"{digest.replace(':', '-')}.{suffix}" for suffix in ("sig", "att", "sbom")]
    for mark in marks:
        assert world.repo.put(mark, body).status_code == 201
    until = now_ms() + DAY

    def expire(tx: Tx) -> None:
        for table in (Tag, TagInterval):
            tx.run(table.update(end_ms=until, end_reason="expiration"))

    world.db.write(expire)
    seen = queries(world, monkeypatch)
    found = world.content.lifecycles.of_tag(world.row(), marks[0])

    assert found.ends is not None
    assert found.ends.at_ms == until
    assert len(seen) < 30


def test_indexes_upon_indexes(world: PolicyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycles, "_MOST", 5)
    leaf, body = world.repo.image()
    level = [body]
    for _ in range(3):
        level = [world.repo.index(None, level, annotations={"n": str(n)})[1] for n in range(4)]
    seen = queries(world, monkeypatch)
    found = world.content.lifecycles.of_manifest(world.row(), leaf, hidden=False)

    # What is not asked about any more is taken for kept.
    assert (found.gone_ms, found.kept_by is None) == (None, False)
    assert len(seen) < 50
    assert (
        world.content.lifecycles.of_manifest(world.row(), sha256(level[0]), hidden=False).gone_ms is not None
    )


def test_policies_over_the_number_of_very_many_tags(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_PAGE", 2)
    world.tags("a", "b", "c", "d", "e", "f")
    policies = [world.add(world.app, prune("number_of_tags", 90, f"{n}|.")) for n in range(5)]
    effort = pruning.Effort(8)
    place = pruning.Place(world.row().id, world.space.namespace.id, world.me.name, "app")
    start = int(world.db.value(Tag.select(Tag.start_ms).where(Tag.name == "a")))
    found = world.content.pruning.reasons(place, "a", start, effort)

    # The first counts six tags; nobody can say when the others end this one.
    assert found == [Reason("prune", None, ident) for ident in policies[1:]]
