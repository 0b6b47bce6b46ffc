"""Heads and their history: each change is one of both, and signatures follow what they sign."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from protocol import Protocol, Repo

from quayframe.data.tables import Manifest, Tag, TagInterval
from quayframe.errors import ManifestUnknown, TagImmutable
from quayframe.services.clock import now_ms
from quayframe.services.expirations import Terms
from quayframe.services.heads import Head, subject_of


class World:
    """A repository with images, whose tags are changed directly."""

    def __init__(self, protocol: Protocol) -> None:
        self.db = protocol.registry.db
        self.heads = protocol.registry.content.heads
        self.repo: Repo = protocol.repo()
        self.first, _ = self.repo.image("v1")
        self.second, _ = self.repo.image("v2")
        row = protocol.registry.access.repository(*self.repo.path)
        assert row is not None
        self.id = row.id

    def manifest(self, digest: str) -> int:
        where = (Manifest.digest == digest) & (Manifest.repository == self.id)
        return int(self.db.value(Manifest.select(Manifest.id).where(where)))

    def set(self, name: str, digest: str, terms: Terms | None = None) -> Head | None:
        manifest = self.manifest(digest)
        return self.db.write(
            lambda tx: self.heads.set(tx, self.id, name, manifest, terms=terms or Terms(), by="moved")
        )

    def head(self, name: str) -> Head:
        found = self.db.write(lambda tx: self.heads.find(tx, self.id, name))
        assert found is not None
        return found

    def end(self, *names: str, by: str = "deleted") -> None:
        self.db.write(lambda tx: self.heads.end(tx, [self.of(tx, name) for name in names], by))

    def of(self, tx: object, name: str) -> Head:
        found = self.heads.find(tx, self.id, name)  # type: ignore[arg-type]
        assert found is not None
        return found

    def live(self) -> list[str]:
        return self.repo.tags()

    def history(self, name: str) -> list[tuple[str, str | None, bool]]:
        """(digest, by which rule it ended, whether it was brought back), in order."""
        rows = self.db.rows(
            TagInterval.select(Manifest.digest, TagInterval.end_reason, TagInterval.reversion)
            .join(Manifest, on=(Manifest.id == TagInterval.manifest))
            .where((TagInterval.repository == self.id) & (TagInterval.name == name))
            .order_by(TagInterval.start_ms)
        )
        return [(digest, reason, bool(back)) for digest, reason, back in rows]


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


@pytest.fixture
def pinning(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol(FEATURE_IMMUTABLE_TAGS=True))


def signature(digest: str, suffix: str = "sig") -> str:
    return f"{digest.replace(':', '-')}.{suffix}"


def test_each_change_closes_the_interval_before_and_says_why(world: World) -> None:
    world.set("v1", world.second)
    world.end("v1")
    world.set("v1", world.first, Terms(reversion=True))

    assert world.history("v1") == [
        (world.first, "moved", False),
        (world.second, "deleted", False),
        (world.first, None, True),
    ]
    starts = world.db.rows(
        TagInterval.select(TagInterval.start_ms, TagInterval.end_ms)
        .where(TagInterval.tag == world.head("v1").id)
        .order_by(TagInterval.start_ms)
    )
    assert all(start <= end for start, end in starts[:-1])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(starts))


def test_an_end_that_is_set_is_in_the_head_and_in_its_interval_and_goes_again(world: World) -> None:
    until = now_ms() + 60_000
    world.db.write(lambda tx: world.heads.date(tx, world.of(tx, "v1"), until, "expiration"))
    assert (world.head("v1").end_ms, world.head("v1").end_reason) == (until, "expiration")
    assert world.history("v1") == [(world.first, "expiration", False)]

    world.db.write(lambda tx: world.heads.date(tx, world.of(tx, "v1"), None, None))
    assert (world.head("v1").end_ms, world.head("v1").end_reason) == (None, None)
    assert world.history("v1") == [(world.first, None, False)]


@pytest.mark.parametrize("suffix", ["sig", "att", "sbom"])
def test_signatures_end_with_the_last_tag_of_what_they_sign_and_come_back_with_it(
    world: World, suffix: str
) -> None:
    mark = signature(world.first, suffix)
    world.repo.image(mark)
    world.set("other", world.first)

    world.end("v1")
    assert mark in world.live()
    world.end("other")
    assert world.live() == ["v2"]
    assert world.head(mark).end_reason == "subject"

    world.set("v1", world.first)
    assert mark in world.live()
    assert world.history(mark)[-1][1:] == (None, True)


def test_a_signature_ends_when_the_last_tag_moves_away(world: World) -> None:
    world.repo.image(signature(world.first))
    world.set("v1", world.second)
    assert world.live() == ["v1", "v2"]


def test_what_signs_a_signature_ends_too(world: World) -> None:
    digest, _ = world.repo.image(signature(world.first))
    world.repo.image(signature(digest, "att"))
    world.end("v1")
    assert world.live() == ["v2"]


def test_a_signature_that_comes_back_has_the_life_that_its_label_says(world: World) -> None:
    mark = signature(world.first)
    world.repo.image(mark, annotations={"quay.expires-after": "2h"})
    world.end("v1")
    world.set("v1", world.first)

    head = world.head(mark)
    assert mark in world.live()
    assert (head.end_ms, head.end_reason) == (head.start_ms + 7_200_000, "label")


def test_a_signature_that_was_deleted_itself_does_not_come_back(world: World) -> None:
    world.repo.image(signature(world.first))
    world.end(signature(world.first))
    world.end("v1")
    world.set("v1", world.first)
    assert world.live() == ["v1", "v2"]


def test_a_signature_that_was_deleted_by_digest_meanwhile_does_not_come_back(world: World) -> None:
    digest, _ = world.repo.image(signature(world.first))
    world.end("v1")
    gone = Manifest.update(deleted_ms=now_ms()).where(Manifest.digest == digest)
    world.db.write(lambda tx: tx.run(gone))
    world.set("v1", world.first)
    assert world.live() == ["v1", "v2"]


def test_a_life_begins_with_the_tag_also_where_the_clock_has_gone_back(world: World) -> None:
    ahead = {"start_ms": now_ms() + 3_600_000}
    world.db.write(lambda tx: (tx.run(Tag.update(**ahead)), tx.run(TagInterval.update(**ahead))))
    world.set("v1", world.second, Terms(end_ms=now_ms() + 60_000, end_reason="label"))
    head = world.head("v1")
    assert head.end_ms is not None
    assert 59_000 < head.end_ms - head.start_ms <= 60_000


def test_a_pinned_tag_is_neither_moved_nor_ended_and_the_same_manifest_changes_nothing(
    pinning: World,
) -> None:
    pinning.db.write(lambda tx: pinning.heads.pin(tx, pinning.of(tx, "v1"), True))
    with pytest.raises(TagImmutable):
        pinning.set("v1", pinning.second)
    with pytest.raises(TagImmutable):
        pinning.end("v1")
    pinning.set("v1", pinning.first)
    assert pinning.history("v1") == [(pinning.first, None, False)]


def test_a_pinned_signature_stays_when_its_subject_goes(pinning: World) -> None:
    mark = signature(pinning.first)
    pinning.repo.image(mark)
    pinning.db.write(lambda tx: pinning.heads.pin(tx, pinning.of(tx, mark), True))
    pinning.end("v1")
    assert mark in pinning.live()


def test_without_the_feature_nothing_is_pinned(world: World) -> None:
    world.db.write(lambda tx: tx.run(Tag.update(immutable=1)))
    world.set("v1", world.second)
    world.end("v1")
    assert world.live() == ["v2"]


def test_a_manifest_that_the_collector_took_gets_no_tag(world: World) -> None:
    with pytest.raises(ManifestUnknown):
        world.db.write(lambda tx: world.heads.set(tx, world.id, "v1", 10**9))
    assert world.history("v1") == [(world.first, None, False)]


@pytest.mark.parametrize(
    ("tag", "subject"),
    [
        ("sha256-" + "a" * 64 + ".sig", "sha256:" + "a" * 64),
        ("sha512-" + "b" * 128 + ".att", "sha512:" + "b" * 128),
        ("sha256-" + "a" * 64, None),
        ("v1.sig", None),
    ],
)
def test_a_signature_tag_names_its_subject(tag: str, subject: str | None) -> None:
    assert subject_of(tag) == subject
