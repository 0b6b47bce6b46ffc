"""The collector: what nothing keeps goes, what anything keeps stays; each thing for its own reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from collecting_world import DAY, HOUR, WINDOW, World, pass_time
from protocol import Protocol, sha256

from quayframe.data import tables as t
from quayframe.data.content import Label, ManifestPulls, TagPulls
from quayframe.data.db import Tx
from quayframe.services.collecting import Counts
from quayframe.services.fsck import Asked


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


def test_a_live_tag_keeps_everything_it_reaches(world: World) -> None:
    repo = world.protocol.repo()
    child, image = repo.image()
    outer, _ = repo.index("multi", [image])
    referrer, _ = repo.referrer(image)
    world.later(2 * WINDOW)

    for digest in (child, outer, referrer):
        assert repo.get(f"manifests/{digest}").status_code == 200
    assert world.count(t.Manifest) == 3
    assert world.count(t.Blob) == 4
    assert world.consistent()


def test_a_deleted_tag_goes_after_its_window_and_its_blobs_an_hour_later(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("v1")
    repo.delete("manifests/v1")

    assert world.later(WINDOW - HOUR) == Counts()
    done = world.later(2 * HOUR)
    assert (done.intervals, done.tags, done.manifests, done.blobs) == (1, 1, 1, 0)
    done = world.later(2 * HOUR)
    assert (done.links, done.blobs, done.objects) == (2, 2, 2)
    assert world.is_clean()


def test_the_namespace_chooses_its_window(world: World) -> None:
    owner = world.protocol.user()
    short, usual = world.protocol.repo(owner), world.protocol.repo()
    for repo in (short, usual):
        repo.image("v1")
        repo.delete("manifests/v1")
    chosen = t.Account.update(removed_tag_expiration_s=86_400).where(t.Account.name == owner.name)
    world.db.write(lambda tx: tx.run(chosen))

    assert world.later(2 * DAY).manifests == 1
    assert world.later(13 * DAY).manifests == 1


def test_a_moved_tag_keeps_its_earlier_manifest_for_the_window(world: World) -> None:
    repo = world.protocol.repo()
    first, _ = repo.image("v1")
    second, _ = repo.image("v1")

    assert world.later(WINDOW - HOUR).manifests == 0
    done = world.later(2 * HOUR)
    assert (done.intervals, done.tags, done.manifests) == (1, 0, 1)
    assert repo.get(f"manifests/{first}").status_code == 404
    assert repo.get("manifests/v1").headers["Docker-Content-Digest"] == second


def test_what_was_pushed_by_digest_goes_when_its_hold_ends(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image()
    assert world.later(HOUR // 2) == Counts()
    assert repo.get(f"manifests/{digest}").status_code == 200

    assert world.later(HOUR).manifests == 1
    world.later(2 * HOUR)
    assert world.is_clean()


def test_an_index_keeps_its_children_and_takes_them_along(world: World) -> None:
    repo = world.protocol.repo()
    images = [repo.image()[1] for _ in range(3)]
    _, middle = repo.index(None, images[:2])
    repo.index("multi", [middle, images[2]])
    assert world.later(3 * HOUR).manifests == 0

    repo.delete("manifests/multi")
    assert world.later(WINDOW + HOUR).manifests == 5
    world.later(2 * HOUR)
    assert world.is_clean()


def test_a_child_that_a_tag_names_survives_its_index(world: World) -> None:
    repo = world.protocol.repo()
    child, image = repo.image("child")
    repo.index("multi", [image])
    repo.delete("manifests/multi")

    assert world.later(WINDOW + HOUR).manifests == 1
    assert repo.get(f"manifests/{child}").status_code == 200


def test_a_child_that_was_deleted_by_digest_stays_for_its_index(world: World) -> None:
    repo = world.protocol.repo()
    child, image = repo.image()
    repo.index("multi", [image])
    repo.delete(f"manifests/{child}")
    assert world.later(2 * WINDOW).manifests == 0

    assert repo.put(child, image).status_code == 201
    assert repo.get(f"manifests/{child}").status_code == 200


def test_referrers_go_with_their_subject_and_theirs_with_them(world: World) -> None:
    repo = world.protocol.repo()
    _, subject = repo.image("v1")
    _, signature = repo.referrer(subject)
    repo.referrer(signature)
    assert world.later(2 * WINDOW).manifests == 0

    repo.delete("manifests/v1")
    assert world.later(WINDOW + HOUR).manifests == 3
    world.later(2 * HOUR)
    assert world.is_clean()


def test_a_referrer_does_not_keep_its_subject(world: World) -> None:
    repo = world.protocol.repo()
    subject, body = repo.image("v1")
    referrer, _ = repo.referrer(body)
    repo.put("signature", repo.get(f"manifests/{referrer}").content)
    repo.delete("manifests/v1")
    world.later(WINDOW + HOUR)

    assert repo.get(f"manifests/{subject}").status_code == 404
    assert repo.get(f"manifests/{referrer}").status_code == 200


@pytest.mark.parametrize("again", [False, True])
def test_a_referrer_pushed_again_after_its_subject_went_begins_anew(world: World, again: bool) -> None:
    repo = world.protocol.repo()
    _, subject = repo.image("v1")
    digest, body = repo.referrer(subject)
    repo.put("signature", body)
    repo.delete("manifests/v1")
    assert world.later(WINDOW + HOUR).manifests == 1
    if again:
        assert repo.put(digest, body).status_code == 201
    repo.delete("manifests/signature")
    assert world.later(WINDOW + HOUR).manifests == (0 if again else 1)
    assert repo.get(f"manifests/{digest}").status_code == (200 if again else 404)


def test_a_referrer_whose_subject_never_was_here_stays_until_it_is_deleted(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.referrer(sha256(b"elsewhere"))
    assert world.later(2 * WINDOW).manifests == 0
    assert repo.get(f"manifests/{digest}").status_code == 200

    repo.delete(f"manifests/{digest}")
    assert world.collect().manifests == 1
    world.later(2 * HOUR)
    assert world.is_clean()


def test_a_referrer_deleted_by_digest_goes_though_its_subject_stays(world: World) -> None:
    repo = world.protocol.repo()
    _, subject = repo.image("v1")
    digest, _ = repo.referrer(subject)
    repo.delete(f"manifests/{digest}")
    assert world.collect().manifests == 1


def test_a_manifest_deleted_by_digest_stays_for_the_window_of_its_tags(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    repo.delete(f"manifests/{digest}")
    assert world.collect().manifests == 0
    assert world.later(WINDOW + HOUR).manifests == 1


def test_an_untagged_manifest_deleted_by_digest_goes_at_once(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image()
    repo.delete(f"manifests/{digest}")
    assert world.collect().manifests == 1


def test_a_blob_that_no_manifest_came_for_goes_when_its_link_ends(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.blob()
    assert world.later(HOUR // 2) == Counts()
    assert repo.head(f"blobs/{digest}").status_code == 200
    assert world.later(HOUR).blobs == 1
    assert world.is_clean()


def test_a_head_by_a_pusher_keeps_a_link(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.blob()
    world.later(HOUR * 3 // 4)
    assert repo.head(f"blobs/{digest}").status_code == 200
    assert world.later(HOUR // 2).blobs == 0


def test_a_deleted_blob_goes_at_once_and_one_that_a_manifest_needs_with_it(world: World) -> None:
    repo = world.protocol.repo()
    loose, _ = repo.blob()
    repo.image("v1")
    needed = [row[0] for row in world.db.rows(t.Blob.select(t.Blob.digest)) if row[0] != loose]
    for digest in (loose, needed[0]):
        assert repo.delete(f"blobs/{digest}").status_code == 202
    assert world.collect().blobs == 1

    repo.delete("manifests/v1")
    # What was deleted goes with the manifest, the other one an hour later.
    assert world.later(WINDOW + HOUR).blobs == 1
    assert world.later(2 * HOUR).blobs == 1
    assert world.is_clean()


def test_a_shared_blob_stays_for_the_other_repository(world: World) -> None:
    owner = world.protocol.user()
    one, other = world.protocol.repo(owner), world.protocol.repo(owner)
    digest, body = one.image("v1")
    for blob in world.db.rows(t.Blob.select(t.Blob.digest)):
        both = world.protocol.as_(owner, one.scope, other.scope)
        answer = other.with_(both).do("POST", f"blobs/uploads/?mount={blob[0]}&from={one.name}")
        assert answer.status_code == 201
    assert other.put("v1", body).status_code == 201
    one.delete("manifests/v1")
    world.later(WINDOW + HOUR)

    done = world.later(2 * HOUR)
    assert (done.links, done.blobs) == (2, 0)
    assert other.get(f"manifests/{digest}").status_code == 200
    size = sum(row[0] for row in world.db.rows(t.Blob.select(t.Blob.size)))
    assert world.size(owner.account_id) == size
    other.delete("manifests/v1")
    world.later(WINDOW + HOUR)
    world.later(2 * HOUR)
    assert world.size(owner.account_id) == 0
    assert world.is_clean()


def test_a_blob_that_another_manifest_of_the_repository_needs_stays_linked_for_good(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("v1")
    body = repo.get("manifests/v1").content
    assert repo.put("v2", body.replace(b"{", b"{ ", 1)).status_code == 201
    repo.delete("manifests/v1")
    assert world.later(WINDOW + HOUR).manifests == 1
    assert world.later(2 * HOUR).links == 0
    assert repo.get("manifests/v2").status_code == 200


def test_a_restored_tag_keeps_what_it_had(world: World) -> None:
    repo = world.protocol.repo()
    digest, body = repo.image("v1")
    repo.delete("manifests/v1")
    world.later(WINDOW - HOUR)
    assert repo.put("v1", body).status_code == 201
    world.later(2 * WINDOW)
    assert repo.get("manifests/v1").headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("collecting", [True, False])
def test_signatures_end_with_the_last_tag_that_expires(
    make_protocol: Callable[..., Protocol], collecting: bool
) -> None:
    world = World(make_protocol(FEATURE_GARBAGE_COLLECTION=collecting))
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    repo.image(digest.replace(":", "-") + ".sig")
    heads = world.protocol.registry.content.heads
    repository = world.repository_id(repo)

    def expire(tx: Tx) -> None:
        head = heads.find(tx, repository, "v1")
        assert head is not None
        heads.date(tx, head, head.start_ms + HOUR, "expiration")

    world.db.write(expire)
    world.collect()
    assert len(repo.tags()) == 2
    world.later(2 * HOUR)
    assert repo.tags() == []


def test_a_tag_whose_newest_period_was_ended_beyond_the_window_keeps_its_older_ones(world: World) -> None:
    repo = world.protocol.repo()
    first, _ = repo.image("v1")
    repo.image("v1")
    manifest = world.db.value(t.Tag.select(t.Tag.manifest))

    def purge(tx: Tx) -> None:
        for table in (t.Tag, t.TagInterval):
            change = table.update(end_ms=table.start_ms - WINDOW - HOUR, end_reason="purged")
            tx.run(change.where(table.manifest == manifest))

    world.db.write(purge)
    assert world.collect().manifests == 1
    kept = world.db.rows(t.Manifest.select(t.Manifest.digest))
    assert kept == [(first,)]
    assert world.count(t.Tag) == 1
    # The head is what the history says, and no repair is due.
    assert list(world.protocol.registry.content.fsck.run(Asked())) == []
    world.later(WINDOW + HOUR)
    assert world.count(t.Tag) == 0


def test_a_manifest_and_what_is_said_about_it_go_together(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("v1")
    repository = world.repository_id(repo)
    manifest = world.db.value(t.Manifest.select(t.Manifest.id))
    tag = world.db.value(t.Tag.select(t.Tag.id))
    label = {"label_key": "a", "value": "b", "media_type": "text/plain", "source": "api", "created_ms": 1}

    def say(tx: Tx) -> None:
        tx.insert(Label, uuid="u", repository=repository, manifest=manifest, **label)
        tx.insert(ManifestPulls, manifest=manifest, pulls=3, last_ms=1)
        tx.insert(TagPulls, tag=tag, pulls=3, last_ms=1)

    world.db.write(say)
    repo.delete("manifests/v1")
    world.later(WINDOW + HOUR)
    assert [world.count(table) for table in (Label, ManifestPulls, TagPulls, t.Manifest)] == [0, 0, 0, 0]


def test_a_clock_that_is_put_back_loses_nothing(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("gone")
    kept, _ = repo.image("kept")
    repo.delete("manifests/gone")
    world.later(WINDOW + HOUR)
    # The clock goes back two days: all that is known lies in the future.
    pass_time(world.db, -2 * DAY)
    world.collect()
    assert repo.get(f"manifests/{kept}").status_code == 200
    world.later(4 * DAY)
    assert repo.get("manifests/kept").status_code == 200
    assert world.count(t.Manifest) == 1
    assert world.consistent()


def test_signatures_follow_also_after_the_clock_was_put_back(world: World) -> None:
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    repo.image(digest.replace(":", "-") + ".sig")
    world.collect()
    # The last pass was, as it seems now, in two days.
    ahead = t.EventCursor.update(seq=t.EventCursor.seq + 2 * DAY).where(t.EventCursor.name == "gc:ends")
    world.db.write(lambda tx: tx.run(ahead))
    expired = t.Tag.update(end_ms=t.Tag.start_ms, end_reason="expiration").where(t.Tag.name == "v1")
    world.db.write(lambda tx: tx.run(expired))
    world.collect()
    assert repo.tags() == []


@pytest.mark.parametrize(
    "config",
    [{"DISABLE_PUSHES": True}, {"REGISTRY_STATE": "readonly"}, {"ACCOUNT_RECOVERY_MODE": True}],
    ids=lambda config: next(iter(config)),
)
def test_it_stands_still_where_nothing_may_be_written(
    make_protocol: Callable[..., Protocol], config: dict[str, object]
) -> None:
    garbage = make_protocol(**config).registry.content.garbage
    assert garbage.halted is not None
    assert next(iter(config)) in garbage.halted


def test_without_the_feature_nothing_is_collected(make_protocol: Callable[..., Protocol]) -> None:
    world = World(make_protocol(FEATURE_GARBAGE_COLLECTION=False))
    repo = world.protocol.repo()
    repo.image("v1")
    repo.delete("manifests/v1")
    assert world.later(2 * WINDOW) == Counts()
