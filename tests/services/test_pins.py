"""An immutable tag refuses every change, whatever pinned it and whichever way the change comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from policy_world import HOUR, PolicyWorld
from protocol import Protocol, code

from quayframe.data.db import Tx
from quayframe.data.tables import Tag
from quayframe.errors import TagImmutable
from quayframe.services import pins
from quayframe.services.clock import now_ms
from quayframe.services.expirations import Terms
from quayframe.services.policies import Owner, immutable, prune

Make = Callable[..., Protocol]


@pytest.fixture
def world(make_protocol: Make) -> PolicyWorld:
    made = PolicyWorld(make_protocol(FEATURE_IMMUTABLE_TAGS=True, FEATURE_AUTO_PRUNE=True))
    made.tags("v1", "other")
    return made


def by_api(world: PolicyWorld) -> None:
    def work(tx: Tx) -> None:
        head = world.content.heads.find(tx, world.row().id, "v1")
        assert head is not None
        world.content.heads.pin(tx, head, True)

    world.db.write(work)


def by_label(world: PolicyWorld) -> None:
    manifest = world.db.value(Tag.select(Tag.manifest).where(Tag.name == "v1"))
    terms = Terms(immutable=True)
    world.db.write(lambda tx: world.content.heads.set(tx, world.row().id, "v1", manifest, terms=terms))


def by_namespace(world: PolicyWorld) -> None:
    world.add(world.space, immutable("^v"))


def by_repository(world: PolicyWorld) -> None:
    world.add(world.app, immutable("^other$", False))


PINS = [by_api, by_label, by_namespace, by_repository]


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_a_pinned_tag_is_neither_moved_nor_ended(
    world: PolicyWorld, pin: Callable[[PolicyWorld], None]
) -> None:
    digest = world.digest_of("v1")
    pin(world)
    world.add(world.app, prune("creation_date", "1h", "^v"))

    moved = world.repo.put("v1", world.repo.image_body())
    ended = world.repo.delete("manifests/v1")
    gone = world.repo.delete(f"manifests/{digest}")
    for answer in (moved, ended, gone):
        assert (answer.status_code, code(answer)) == (409, "TAG_IMMUTABLE")
        assert answer.json()["errors"][0]["detail"] == {"message": "tag 'v1' is immutable"}
    assert world.round() == 0
    assert world.digest_of("v1") == digest
    assert "v1" in world.live()


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_the_same_manifest_may_be_pushed_again(
    world: PolicyWorld, pin: Callable[[PolicyWorld], None]
) -> None:
    body = world.repo.get("manifests/v1").content
    pin(world)

    assert world.repo.put("v1", body).status_code == 201


def test_a_tag_that_no_pin_is_about_changes_as_ever(world: PolicyWorld) -> None:
    by_namespace(world)
    by_repository(world)

    world.repo.image("other")
    world.end("other")
    assert world.live() == {"v1"}


def test_a_policy_lets_go_when_it_is_deleted_or_changed(world: PolicyWorld) -> None:
    ident = world.add(world.app, immutable("^v"))
    world.content.policies.change(world.me, world.app, ident, immutable("^w"))
    world.repo.image("v1")

    world.content.policies.change(world.me, world.app, ident, immutable("^v"))
    assert world.repo.delete("manifests/v1").status_code == 409
    world.content.policies.delete(world.me, world.app, "immutable", ident)
    world.end("v1")


def test_policies_of_others_pin_nothing_here(world: PolicyWorld) -> None:
    stranger = world.protocol.user()
    namespace = world.registry.access.namespace(stranger.name)
    assert namespace is not None
    world.content.policies.create(stranger, Owner(namespace), immutable("."))
    second = world.protocol.repo(world.me, "second")
    second.image("v1")
    world.content.policies.create(world.me, world.content.policies.owner(world.row(second)), immutable("."))

    world.repo.image("v1")
    assert second.delete("manifests/v1").status_code == 409


def test_a_pinned_signature_does_not_follow_its_subject(world: PolicyWorld) -> None:
    mark = f"{world.digest_of('v1').replace(':', '-')}.sig"
    world.repo.image(mark)
    world.add(world.app, immutable(r"\.sig$"))

    world.end("v1")
    assert mark in world.live()


def test_nothing_is_pinned_with_the_feature_off(make_protocol: Make) -> None:
    world = PolicyWorld(make_protocol())
    world.tags("v1")
    by_api(world)
    by_namespace(world)

    world.repo.image("v1")
    world.end("v1")
    assert world.live() == set()


def head_of(world: PolicyWorld, name: str) -> tuple[int | None, str | None]:
    row = world.db.one(Tag.select(Tag.end_ms, Tag.end_reason).where(Tag.name == name))
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("label", [True, False])
def test_a_tag_that_is_pinned_from_its_beginning_has_no_end(world: PolicyWorld, label: bool) -> None:
    if not label:
        by_namespace(world)
    manifest = world.db.value(Tag.select(Tag.manifest).where(Tag.name == "other"))
    terms = Terms(end_ms=now_ms() + HOUR, end_reason="label", immutable=label)
    world.db.write(lambda tx: world.content.heads.set(tx, world.row().id, "v2", manifest, terms=terms))

    assert head_of(world, "v2") == (None, None)


def test_where_pins_expire_it_has(make_protocol: Make) -> None:
    world = PolicyWorld(make_protocol(FEATURE_IMMUTABLE_TAGS=True, FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE=True))
    world.tags("other")
    by_namespace(world)
    manifest = world.db.value(Tag.select(Tag.manifest).where(Tag.name == "other"))
    until = now_ms() + HOUR
    terms = Terms(end_ms=until, end_reason="label")
    world.db.write(lambda tx: world.content.heads.set(tx, world.row().id, "v2", manifest, terms=terms))

    assert head_of(world, "v2") == (until, "label")


def test_the_policies_are_read_once_in_a_transaction(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        world.repo.put(f"x{number}", world.body)
    world.add(world.app, immutable("^x19$"))
    asked: list[int] = []
    real = pins._policies

    def noting(db: pins.Reader, repository_id: int) -> Any:
        asked.append(repository_id)
        return real(db, repository_id)

    monkeypatch.setattr(pins, "_policies", noting)
    assert world.repo.delete(f"manifests/{world.digest}").status_code == 409
    assert asked == [world.row().id]


def test_the_worker_ends_the_rest_of_a_batch_with_a_pinned_tag_in_it(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin comes between the look and the act."""
    world.tags("a", "b", "c")
    world.add(world.app, prune("number_of_tags", 1))
    ending = world.content.pruning._end

    def pin_first(*args: Any) -> int:
        world.add(world.app, immutable("^a$"))
        return ending(*args)

    monkeypatch.setattr(world.content.pruning, "_end", pin_first)
    world.round()
    assert world.live() == {"a", "c"}


def test_the_system_itself_is_refused(world: PolicyWorld) -> None:
    by_namespace(world)

    def work(tx: Tx) -> None:
        head = world.content.heads.find(tx, world.row().id, "v1")
        assert head is not None
        world.content.heads.end(tx, [head], "deleted")

    with pytest.raises(TagImmutable):
        world.db.write(work)


def test_patterns_have_a_bounded_time_and_what_was_not_looked_at_is_pinned(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(world.app, immutable("^nothing$"))
    monkeypatch.setattr(pins, "_MATCHING_S", -1.0)
    looked = world.repo.delete("manifests/other")

    assert (looked.status_code, code(looked)) == (409, "TAG_IMMUTABLE")
    monkeypatch.undo()
    assert world.repo.delete("manifests/other").status_code == 202
