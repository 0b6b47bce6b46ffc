"""The plan of a collection says what then goes, no more and no less, and why the rest stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from collecting_world import HOUR, WINDOW, World, pass_time
from protocol import Protocol, Repo, sha256

from quayframe.cli.gc import gc
from quayframe.data import tables as t
from quayframe.errors import NameUnknown
from quayframe.oci.names import RepositoryName
from quayframe.services.gc_plan import Item, Plan


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


def plan(world: World, repo: Repo | None = None) -> Plan:
    return world.protocol.registry.content.gc_plans.plan(repo.path if repo else None)


def names(items: list[Item]) -> set[str]:
    return {item.what for item in items}


def rules(items: list[Item]) -> dict[str, list[str]]:
    return {item.what: [reason.rule for reason in item.reasons] for item in items}


def digests(world: World, table: Any) -> set[str]:
    return {digest for (digest,) in world.db.rows(table.select(table.digest))}


def test_each_manifest_that_stays_has_its_reasons(world: World) -> None:
    repo = world.protocol.repo()
    tagged, body = repo.image("v1")
    child, image = repo.image()
    outer, _ = repo.index("multi", [image])
    referrer, _ = repo.referrer(body)
    alone, _ = repo.referrer(sha256(b"elsewhere"))
    past, _ = repo.image("old")
    repo.delete("manifests/old")
    pass_time(world.db, 2 * HOUR)
    held, _ = repo.image()

    stays = rules(plan(world).manifests.stays)
    assert stays == {
        tagged: ["tag"],
        child: ["index"],
        outer: ["tag"],
        referrer: ["referrer"],
        alone: ["alone"],
        past: ["window"],
        held: ["hold"],
    }


def test_what_the_plan_lets_go_is_what_goes(world: World) -> None:
    repo, other = world.protocol.repo(), world.protocol.repo()
    images = [repo.image()[1] for _ in range(3)]
    repo.index("multi", images)
    repo.image("v1")
    repo.referrer(images[0])
    other.image("v1")
    other.delete("manifests/v1")
    other.blob()
    repo.delete("manifests/multi")
    pass_time(world.db, WINDOW + HOUR)

    for _ in range(2):
        made = plan(world)
        before = {kind: digests(world, kind) for kind in (t.Manifest, t.Blob)}
        periods = world.count(t.TagInterval)
        done = world.protocol.registry.content.garbage.round()
        gone = {kind: before[kind] - digests(world, kind) for kind in before}
        assert (names(made.manifests.goes), names(made.blobs.goes)) == (gone[t.Manifest], gone[t.Blob])
        assert len(made.tags) == periods - world.count(t.TagInterval)
        assert sum(item.size for item in made.blobs.goes) == done.bytes
        assert gone[t.Manifest] or gone[t.Blob]
        pass_time(world.db, 2 * HOUR)


def test_blobs_stay_by_their_links_and_say_whose(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("v1")
    loose, _ = repo.blob()
    stays = {item.what: item.reasons[0] for item in plan(world).blobs.stays}
    assert stays.pop(loose).rule == "upload"
    assert {(reason.rule, reason.source) for reason in stays.values()} == {("link", repo.name)}


def test_the_recycle_bin_stays_and_what_leaves_it_goes_whole(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    world.delete_repository(repo)
    assert rules(plan(world).repositories.stays) == {repo.name: ["bin"]}
    pass_time(world.db, WINDOW + HOUR)

    made = plan(world)
    assert names(made.repositories.goes) == {repo.name}
    assert names(made.manifests.goes) == {digest}
    assert len(made.blobs.goes) == 2
    assert world.collect().repositories == 1


def test_one_repository_alone(world: World) -> None:
    repo, other = world.protocol.repo(), world.protocol.repo()
    digest, _ = repo.image("v1")
    other.image("v1")
    made = plan(world, repo)
    assert names(made.manifests.stays) == {digest}
    assert len(made.blobs.stays) == 2
    with pytest.raises(NameUnknown):
        world.protocol.registry.content.gc_plans.plan(RepositoryName("no", "where"))


def test_the_command_shows_the_plan_and_runs_it(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    kept, _ = repo.image("v2")
    repo.delete("manifests/v1")
    pass_time(world.db, WINDOW + HOUR)
    folder: Path = world.protocol.data
    arguments = ["--config", str(folder.parent / "config.yaml"), "--data", str(folder)]

    shown = CliRunner().invoke(gc, ["plan", *arguments], catch_exceptions=False).output
    assert f"{digest} in {repo.name}" in shown
    assert "a tag names it (v2)" in shown
    told = CliRunner().invoke(
        gc, ["plan", "--json", "--repository", repo.name, *arguments], catch_exceptions=False
    )
    document = json.loads(told.output)
    assert [item["name"] for item in document["goes"]["manifests"]] == [digest]
    assert [item["name"] for item in document["stays"]["manifests"]] == [kept]
    assert document["stays"]["manifests"][0]["reasons"][0]["rule"] == "tag"
    done = CliRunner().invoke(gc, ["run", *arguments], catch_exceptions=False).output
    assert "intervals=1 tags=1 manifests=1" in done
