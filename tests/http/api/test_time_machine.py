"""Tags over the API: pinned, brought back, taken out of the history."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from manifest_world import Images
from tag_world import DAY, TAG, index, kind, logged, names, put, restore, tags

from quayframe.data.tables import ManifestHold, Tag, TagInterval
from quayframe.services.clock import now_ms


@pytest.fixture
def images(api: ApiWorld) -> Images:
    return Images(api)


@pytest.fixture
def pinning(make_api: ApiMaker) -> Images:
    return Images(make_api(FEATURE_IMMUTABLE_TAGS=True))


@pytest.fixture
def purging(make_api: ApiMaker) -> Images:
    return Images(make_api(PERMANENTLY_DELETE_TAGS=True))


# -- immutable --------------------------------------------------------------------------------------


def test_an_immutable_tag_is_neither_moved_nor_deleted_nor_dated(pinning: Images) -> None:
    first, _ = pinning.push("v1")
    second, _ = pinning.push("v2")
    put(pinning, "v1", expiration=time.time() + 3 * DAY)

    assert put(pinning, "v1", immutable=True).status_code == 201
    (tag,) = tags(pinning, specificTag="v1")
    assert (tag["immutable"], "end_ts" in tag) == (True, False)

    refused = {
        "move": put(pinning, "v1", manifest_digest=second),
        "delete": pinning.ann.delete(TAG + "v1"),
        "restore": restore(pinning, "v1", second),
    }
    assert {name: kind(result) for name, result in refused.items()} == dict.fromkeys(
        refused, (409, "tag_immutable")
    )
    assert "Cannot overwrite immutable tag 'v1'" in refused["move"].json["detail"]
    dated = put(pinning, "v1", expiration=time.time() + 3 * DAY)
    assert (dated.status_code, dated.json) == (
        400,
        {"message": "Cannot set expiration on immutable tag 'v1'"},
    )
    assert put(pinning, "v1", immutable=False).status_code == 201
    assert put(pinning, "v1", manifest_digest=second).status_code == 201
    told = [(e["immutable"], e["previous_immutable"]) for e in logged(pinning, "change_tag_immutability")]
    assert told == [(True, False), (False, True)]
    assert [tag["immutable"] for tag in tags(pinning, onlyActiveTags="true")] == [False, False]
    assert first


def test_where_immutable_tags_may_expire_they_are_dated(make_api: ApiMaker) -> None:
    images = Images(make_api(FEATURE_IMMUTABLE_TAGS=True, FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE=True))
    images.push("v1")
    assert put(images, "v1", immutable=True).status_code == 201
    assert put(images, "v1", expiration=time.time() + 3 * DAY).status_code == 201
    assert kind(images.ann.delete(TAG + "v1")) == (409, "tag_immutable")


def test_what_a_policy_pins_the_api_does_not_let_go(pinning: Images) -> None:
    pinning.push("v1")
    made = pinning.ann.post("repository/ann/app/immutabilitypolicy/", {"tagPattern": "^v"})
    assert made.status_code == 201
    assert kind(put(pinning, "v1", immutable=False)) == (409, "tag_immutable")
    assert kind(pinning.ann.delete(TAG + "v1")) == (409, "tag_immutable")


def test_without_the_feature_immutable_says_nothing(images: Images) -> None:
    images.push("v1")
    assert put(images, "v1", immutable=True).status_code == 201
    assert "immutable" not in tags(images)[0]
    assert images.ann.delete(TAG + "v1").status_code == 204


# -- the time machine -------------------------------------------------------------------------------


def test_a_deleted_tag_is_restored(images: Images) -> None:
    digest, body = images.push("v1")
    images.ann.delete(TAG + "v1")
    result = restore(images, "v1", digest)

    assert (result.status_code, result.json) == (200, {})
    assert images.repo.get("manifests/v1").content == body
    assert [tag["reversion"] for tag in tags(images)] == [True, False]
    assert logged(images, "revert_tag")[-1]["manifest_digest"] == digest


def test_a_live_tag_goes_back_and_each_time_is_in_its_history(images: Images) -> None:
    first, _ = images.push("v1")
    second, _ = images.push("v1")
    assert restore(images, "v1", first).status_code == 200
    assert restore(images, "v1", second).status_code == 200
    assert [tag["manifest_digest"] for tag in tags(images)] == [second, first, second, first]


def test_a_manifest_that_was_deleted_by_digest_comes_back(images: Images) -> None:
    digest, body = images.push("v1")
    assert images.repo.delete(f"manifests/{digest}").status_code == 202
    assert kind(put(images, "v2", manifest_digest=digest)) == (404, "not_found")
    assert restore(images, "v1", digest).status_code == 200
    assert images.repo.get(f"manifests/{digest}").content == body


def test_all_that_an_index_needs_comes_back_with_it(images: Images) -> None:
    child, body = images.push(None)
    listed = index(images, "all", child)
    layer = json.loads(body)["layers"][0]["digest"]
    for what in (f"blobs/{layer}", f"manifests/{child}", f"manifests/{listed}"):
        assert images.repo.delete(what).status_code == 202
        assert images.repo.get(what).status_code == 404

    assert restore(images, "all", listed).status_code == 200
    for what in (f"blobs/{layer}", f"manifests/{child}", f"manifests/{listed}", "manifests/all"):
        assert images.repo.get(what).status_code == 200, what


def test_what_only_an_index_without_a_tag_lists_cannot_be_restored(images: Images) -> None:
    child, _ = images.push(None)
    listed = index(images, "all", child)
    db = images.api.registry.db
    long_ago = now_ms() - 15 * DAY * 1000
    ended = {"start_ms": long_ago - 1000, "end_ms": long_ago, "end_reason": "deleted"}
    db.write(lambda tx: (tx.run(Tag.update(**ended)), tx.run(TagInterval.update(**ended))))
    db.write(lambda tx: tx.run(ManifestHold.update(expires_ms=long_ago)))

    for digest in (child, listed):
        assert kind(restore(images, "v1", digest)) == (404, "not_found")


def test_signatures_come_back_with_what_they_sign(images: Images) -> None:
    digest, _ = images.push("v1")
    mark = digest.replace(":", "-") + ".sig"
    images.push(mark)
    images.ann.delete(TAG + "v1")
    assert names(images, onlyActiveTags="true") == []
    restore(images, "v1", digest)
    assert sorted(names(images, onlyActiveTags="true")) == [mark, "v1"]


def test_what_is_not_held_cannot_be_restored(images: Images) -> None:
    digest, _ = images.push("v1")
    db = images.api.registry.db
    long_ago = now_ms() - 15 * DAY * 1000
    ended = {"start_ms": long_ago - 1000, "end_ms": long_ago, "end_reason": "deleted"}
    db.write(lambda tx: (tx.run(Tag.update(**ended)), tx.run(TagInterval.update(**ended))))

    assert kind(restore(images, "v1", digest)) == (404, "not_found")
    assert kind(restore(images, "v1", "sha256:" + "0" * 64)) == (404, "not_found")
    assert kind(images.ann.post(TAG + "v1/restore", {})) == (400, "invalid_request")


def test_another_repositorys_manifest_cannot_be_restored_here(images: Images) -> None:
    owner = images.api.registry.accounts.principal(images.api.registry.accounts.get("ann"))
    other = images.api.protocol.repo(owner, "other")
    digest, _ = other.image("v1")
    images.push("v1")
    assert kind(restore(images, "v1", digest)) == (404, "not_found")


def test_a_clock_that_goes_back_keeps_the_history_in_order(images: Images) -> None:
    first, _ = images.push("v1")
    ahead = now_ms() + 3_600_000
    db = images.api.registry.db
    moved = {"start_ms": ahead}
    db.write(lambda tx: (tx.run(Tag.update(**moved)), tx.run(TagInterval.update(**moved))))

    second, _ = images.push("v1")
    images.ann.delete(TAG + "v1")
    rows = db.rows(
        TagInterval.select(TagInterval.start_ms, TagInterval.end_ms).order_by(TagInterval.start_ms)
    )
    assert [start for start, _ in rows] == [ahead, ahead + 1]
    assert all(end is not None for _, end in rows)
    assert names(images, onlyActiveTags="true") == []
    assert [tag["manifest_digest"] for tag in tags(images)] == [second, first]


# -- for good ---------------------------------------------------------------------------------------


def test_a_tag_is_taken_out_of_the_time_machine(purging: Images) -> None:
    digest, _ = purging.push("v1")
    window = 14 * DAY
    gone = purging.ann.post(TAG + "v1/expire", {"is_alive": True})

    assert (gone.status_code, gone.json) == (200, "")
    assert purging.repo.get("manifests/v1").status_code == 404
    assert kind(restore(purging, "v1", digest)) == (404, "not_found")
    (tag,) = tags(purging)
    assert abs(tag["end_ts"] - (time.time() - window)) < 60
    assert logged(purging, "permanently_delete_tag")[-1]["manifest_digest"] == digest


def test_only_the_named_past_of_a_tag_goes(purging: Images) -> None:
    first, _ = purging.push("v1")
    second, _ = purging.push("v1")
    third, _ = purging.push("v1")
    purging.ann.delete(TAG + "v1")

    assert purging.ann.post(TAG + "v1/expire", {"manifest_digest": second}).status_code == 200
    assert kind(restore(purging, "v1", second)) == (404, "not_found")
    assert restore(purging, "v1", first).status_code == 200
    assert restore(purging, "v1", third).status_code == 200


def test_a_manifest_that_another_tag_names_stays(purging: Images) -> None:
    digest, _ = purging.push("v1")
    put(purging, "v2", manifest_digest=digest)
    assert purging.ann.post(TAG + "v1/expire", {"is_alive": True}).status_code == 200
    assert purging.repo.get("manifests/v2").status_code == 200


def test_what_an_index_listed_goes_too_when_asked(purging: Images) -> None:
    child, _ = purging.push(None)
    listed = index(purging, "all", child)
    body = {"is_alive": True, "include_submanifests": True}
    assert purging.ann.post(TAG + "all/expire", body).status_code == 200
    assert kind(restore(purging, "all", listed)) == (404, "not_found")
    assert purging.repo.get(f"manifests/{child}").status_code == 404


def test_the_past_of_other_tags_at_what_an_index_listed_goes_too_when_asked(purging: Images) -> None:
    child, _ = purging.push("amd64")
    other, _ = purging.push("kept")
    listed = index(purging, "all", child, other)
    purging.ann.delete(TAG + "amd64")
    body = {"is_alive": True, "include_submanifests": True}
    assert purging.ann.post(TAG + "all/expire", body).status_code == 200

    for digest in (child, listed):
        assert kind(restore(purging, "all", digest)) == (404, "not_found")
    assert names(purging, onlyActiveTags="true") == ["kept"]
    assert purging.repo.get("manifests/kept").status_code == 200
    assert restore(purging, "amd64", other).status_code == 200


def test_what_somebody_pushed_by_its_digest_stays_for_his_index(purging: Images) -> None:
    digest, body = purging.push("v1")
    assert purging.repo.put(digest, body).status_code == 201
    assert purging.ann.post(TAG + "v1/expire", {"is_alive": True}).status_code == 200

    assert purging.repo.get(f"manifests/{digest}").status_code == 200
    index(purging, "all", digest)


def test_what_was_taken_out_stays_out_where_the_window_is_made_longer(purging: Images) -> None:
    digest, _ = purging.push("v1")
    assert purging.ann.post(TAG + "v1/expire", {"is_alive": True}).status_code == 200
    assert purging.ann.put("user/", {"tag_expiration_s": 28 * DAY}).status_code == 200

    assert kind(restore(purging, "v1", digest)) == (404, "not_found")


def test_without_asking_what_an_index_listed_stays_in_the_past_of_its_tags(purging: Images) -> None:
    child, _ = purging.push("amd64")
    index(purging, "all", child)
    purging.ann.delete(TAG + "amd64")
    assert purging.ann.post(TAG + "all/expire", {"is_alive": True}).status_code == 200
    assert restore(purging, "amd64", child).status_code == 200


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, (400, "invalid_request")),
        ({"manifest_digest": "nonsense"}, (404, "not_found")),
        ({"manifest_digest": "sha256:" + "0" * 64}, (404, "not_found")),
        ({"is_alive": True, "manifest_digest": "sha256:" + "0" * 64}, (404, "not_found")),
    ],
)
def test_what_cannot_be_purged(purging: Images, body: dict[str, Any], answer: tuple[int, str]) -> None:
    purging.push("v1")
    assert kind(purging.ann.post(TAG + "v1/expire", body)) == answer
    assert names(purging, onlyActiveTags="true") == ["v1"]


def test_without_the_key_nothing_is_purged(images: Images) -> None:
    images.push("v1")
    assert kind(images.ann.post(TAG + "v1/expire", {"is_alive": True})) == (404, "not_found")
