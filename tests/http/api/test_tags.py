"""Tags over the API: lists and changes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from api_client import ApiWorld
from manifest_world import Images
from tag_world import DAY, TAG, index, kind, logged, names, put, tags

from quayframe.data.tables import Tag, TagInterval
from quayframe.services import tag_history
from quayframe.services.clock import now_ms


@pytest.fixture
def images(api: ApiWorld) -> Images:
    return Images(api)


# -- lists ------------------------------------------------------------------------------------------


def test_a_tag_is_shown_as_clients_know_it(images: Images) -> None:
    digest, body = images.push("v1")
    (tag,) = tags(images)
    size = sum(layer["size"] for layer in json.loads(body)["layers"])
    start = tag.pop("start_ts")
    modified = tag.pop("last_modified")
    assert tag == {
        "name": "v1",
        "reversion": False,
        "manifest_digest": digest,
        "is_manifest_list": False,
        "size": size,
    }
    assert abs(start - time.time()) < 60
    assert modified.endswith(" -0000")


def test_an_index_says_what_it_lists_and_whether_that_is_here(images: Images) -> None:
    first, _ = images.push("one")
    second, _ = images.push(None)
    index(images, "all", first, second)
    images.repo.delete(f"manifests/{second}")

    (tag,) = tags(images, specificTag="all")
    assert (tag["is_manifest_list"], tag["size"]) == (True, None)
    assert (tag["is_sparse"], tag["child_manifest_count"], tag["present_child_count"]) == (True, 2, 1)
    assert tag["child_manifests_presence"] == {first: True, second: False}


def test_indexes_that_are_too_long_for_a_page_say_less(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a hundred would take the memory of many."""
    first, _ = images.push(None)
    second, _ = images.push(None)
    index(images, "long", first, second)
    index(images, "short", first)
    monkeypatch.setattr(tag_history, "_INDEX_BYTES", 350)
    long, short = (tags(images, specificTag=name)[0] for name in ("long", "short"))

    assert short["child_manifests_presence"] == {first: True}
    assert (long["is_manifest_list"], long["size"]) == (True, None)
    assert {"is_sparse", "child_manifest_count", "child_manifests_presence"}.isdisjoint(long)


def test_the_history_has_every_period_and_the_active_list_what_is(images: Images) -> None:
    first, _ = images.push("v1")
    second, _ = images.push("v1")
    images.push("v2")
    images.ann.delete(TAG + "v2")

    assert names(images, onlyActiveTags="true") == ["v1"]
    history = tags(images)
    assert [tag["name"] for tag in history] == ["v2", "v1", "v1"]
    assert [tag["manifest_digest"] for tag in history[1:]] == [second, first]
    assert ["end_ts" in tag for tag in history] == [True, False, True]
    assert history[0]["expiration"].endswith(" -0000")
    assert names(images, specificTag="v1") == ["v1", "v1"]
    assert names(images, specificTag="v1", onlyActiveTags="true") == ["v1"]


def test_an_expired_tag_is_not_active_and_stays_in_the_history(images: Images) -> None:
    images.push("v1")
    ended = {"end_ms": now_ms() - 1, "end_reason": "expiration"}
    db = images.api.registry.db
    db.write(lambda tx: (tx.run(Tag.update(**ended)), tx.run(TagInterval.update(**ended))))
    assert names(images, onlyActiveTags="true") == []
    assert names(images) == ["v1"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("like:v", ["v1_0", "v10"]), ("like:V", ["V1"]), ("like:1_", ["v1_0"]), ("eq:V1", ["V1"]), ("eq:v", [])],
)
@pytest.mark.parametrize("active", ["true", "false"])
def test_names_are_filtered_letter_by_letter(
    images: Images, text: str, found: list[str], active: str
) -> None:
    for name in ("v10", "V1", "v1_0"):
        images.push(name)
    assert names(images, filter_tag_name=text, onlyActiveTags=active) == found


def test_a_filter_without_an_operation_is_refused(images: Images) -> None:
    images.push("v1")
    result = images.ann.get(TAG, params={"filter_tag_name": "v1"})
    assert result.status_code == 400
    assert "filter_tag_name" in result.json["message"]


def test_pages_follow_one_another_with_tags_of_one_moment_by_name(images: Images) -> None:
    """Moments that fall on the border of two pages lose and double nothing."""
    images.push("t00")
    db = images.api.registry.db
    row = db.rows(Tag.select(Tag.repository, Tag.manifest))[0]

    def fill(tx: Any) -> None:
        for number in range(1, 23):
            # Moments of 1, 2, 3, ... tags.
            start = 1_000_000 + int((2 * number) ** 0.5)
            name = f"t{(number * 7) % 23:02d}"
            place = {"repository": row[0], "manifest": row[1], "name": name, "start_ms": start}
            tx.insert(TagInterval, tag=tx.insert(Tag, **place), **place)

    db.write(fill)
    whole = names(images, limit=100)
    expected = db.rows(Tag.select(Tag.name).order_by(Tag.start_ms.desc(), Tag.name))
    assert whole == [name for (name,) in expected]
    for limit in (1, 2, 3, 4, 5, 7, 10):
        for active in ("true", "false"):
            got: list[str] = []
            page = 0
            more = True
            while more:
                page += 1
                query = {"limit": limit, "page": page, "onlyActiveTags": active}
                answer = images.ann.get(TAG, params=query).json
                got += [tag["name"] for tag in answer["tags"]]
                more = answer["has_additional"]
                assert len(got) <= len(whole)
            assert got == whole, (limit, active)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"limit": 0}, (1, 1, True)),
        ({"limit": 1000}, (2, 1, False)),
        ({"page": 9}, (0, 9, False)),
        ({"page": 10**18}, (0, 10**18, False)),
        ({"specificTag": "none"}, (0, 1, False)),
    ],
)
def test_odd_pages_are_answered(images: Images, query: dict[str, Any], answer: tuple[int, int, bool]) -> None:
    images.push("v1")
    images.push("v2")
    got = images.ann.get(TAG, params=query).json
    assert (len(got["tags"]), got["page"], got["has_additional"]) == answer


def test_a_page_that_is_no_number_is_told_by_its_parameter(images: Images) -> None:
    images.push("v1")
    result = images.ann.get(TAG, params={"page": "x"})
    assert result.status_code == 400
    assert set(result.json["message"]) == {"page"}


def test_who_may_list(images: Images) -> None:
    images.push("v1")
    assert kind(images.api.anonymous.get(TAG)) == (401, "invalid_token")
    assert kind(images.api.user("bob").get(TAG)) == (403, "insufficient_scope")
    assert kind(images.ann.get("repository/ann/none/tag/")) == (404, "not_found")
    images.api.protocol.public(images.repo)
    assert images.api.anonymous.get(TAG).status_code == 200


# -- changes ----------------------------------------------------------------------------------------


def test_a_tag_is_made_and_moved(images: Images) -> None:
    first, _ = images.push("v1")
    second, _ = images.push("v2")

    made = put(images, "latest", manifest_digest=first)
    moved = put(images, "latest", manifest_digest=second)

    assert [(r.status_code, r.json) for r in (made, moved)] == [(201, "Updated")] * 2
    assert images.repo.get("manifests/latest").headers["Docker-Content-Digest"] == second
    assert logged(images, "create_tag")[-1]["original_manifest_digest"] is None
    told = logged(images, "move_tag")[-1]
    assert (told["manifest_digest"], told["original_manifest_digest"]) == (second, first)


@pytest.mark.parametrize("name", [".v1", "-v1", "a" * 129, "a b", "ü"])
def test_a_bad_name_is_refused(images: Images, name: str) -> None:
    digest, _ = images.push("v1")
    result = put(images, name, manifest_digest=digest)
    assert result.status_code == 400
    assert result.json["message"].startswith("Invalid tag:")


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "nonsense", ""])
def test_an_unknown_manifest_gets_no_tag(images: Images, digest: str) -> None:
    images.push("v1")
    assert kind(put(images, "v2", manifest_digest=digest)) == (404, "not_found")


def test_nothing_to_change_is_a_mistake(images: Images) -> None:
    images.push("v1")
    assert kind(put(images, "v1")) == (400, "invalid_request")
    assert kind(put(images, "v1", manifest_digest=None)) == (400, "invalid_request")
    assert kind(put(images, "v1", expiration="soon")) == (400, "invalid_request")
    assert kind(put(images, "v1", immutable=None)) == (400, "invalid_request")


def test_an_end_is_set_in_place_and_taken_away(images: Images) -> None:
    images.push("v1")
    (before,) = tags(images)
    wanted = int(time.time()) + 3 * DAY

    assert put(images, "v1", expiration=wanted).status_code == 201
    (dated,) = tags(images)
    assert (dated["end_ts"], dated["start_ts"]) == (wanted, before["start_ts"])
    assert put(images, "v1", expiration=None).status_code == 201
    assert tags(images) == [before]
    ends = [(e["expiration_date"], e["old_expiration_date"]) for e in logged(images, "change_tag_expiration")]
    assert ends == [(wanted, None), (None, wanted)]


@pytest.mark.parametrize(("ahead", "kept"), [(60, 3600), (10**9, 104 * 7 * DAY), (10**300, 104 * 7 * DAY)])
def test_a_life_is_brought_between_its_bounds(images: Images, ahead: int, kept: int) -> None:
    images.push("v1")
    assert put(images, "v1", expiration=time.time() + ahead).status_code == 201
    (tag,) = tags(images)
    assert tag["end_ts"] - tag["start_ts"] in (kept, kept - 1, kept + 1)


def test_an_end_in_the_past_is_refused_by_name(images: Images) -> None:
    images.push("v1")
    result = put(images, "v1", expiration=time.time() - 10)
    assert result.status_code == 400
    assert "expiration" in result.json["message"]
    assert kind(put(images, "none", expiration=time.time() + DAY)) == (404, "not_found")


def test_an_end_beyond_all_numbers_is_brought_to_the_longest_life(images: Images) -> None:
    images.push("v1")
    assert images.ann.put(TAG + "v1", raw='{"expiration": 1e400}').status_code == 201
    (tag,) = tags(images)
    assert abs(tag["end_ts"] - tag["start_ts"] - 104 * 7 * DAY) <= 1


def test_a_tag_older_than_the_longest_life_is_not_ended_by_an_end_to_come(images: Images) -> None:
    images.push("v1")
    start = now_ms() - 105 * 7 * DAY * 1000
    db = images.api.registry.db
    db.write(lambda tx: (tx.run(Tag.update(start_ms=start)), tx.run(TagInterval.update(start_ms=start))))

    result = put(images, "v1", expiration=time.time() + DAY)
    assert result.status_code == 400
    assert "LABELED_EXPIRATION_MAXIMUM" in result.json["message"]
    assert names(images, onlyActiveTags="true") == ["v1"]
    assert put(images, "v1", expiration=None).status_code == 201
    assert logged(images, "change_tag_expiration") == []


def test_a_deleted_tag_is_gone_at_once_and_deleted_once(images: Images) -> None:
    digest, _ = images.push("v1")
    assert images.ann.delete(TAG + "v1").status_code == 204
    assert images.repo.get("manifests/v1").status_code == 404
    assert kind(images.ann.delete(TAG + "v1")) == (404, "not_found")
    assert kind(images.ann.delete(TAG + "none")) == (404, "not_found")
    assert (logged(images, "delete_tag")[-1]["tag"], logged(images, "delete_tag")[-1]["digest"]) == (
        "v1",
        digest,
    )


def test_who_may_read_may_not_change(images: Images) -> None:
    digest, _ = images.push("v1")
    images.api.protocol.public(images.repo)
    bob = images.api.user("bob")
    refused = [
        bob.put(TAG + "v2", {"manifest_digest": digest}),
        bob.delete(TAG + "v1"),
        bob.post(TAG + "v1/restore", {"manifest_digest": digest}),
    ]
    assert {kind(result) for result in refused} == {(403, "insufficient_scope")}
    assert kind(images.api.anonymous.delete(TAG + "v1"))[0] in (401, 403)


def test_a_dry_run_changes_nothing(images: Images) -> None:
    first, _ = images.push("v1")
    images.push("v1")
    before = tags(images)
    for result in (
        images.ann.put(TAG + "v2", {"manifest_digest": first}, params={"dry_run": "1"}),
        images.ann.delete(TAG + "v1", params={"dry_run": "1"}),
        images.ann.post(TAG + "v1/restore", {"manifest_digest": first}, params={"dry_run": "1"}),
    ):
        assert result.status_code < 300
    assert tags(images) == before


def test_labels_act_on_a_tag_that_the_api_sets(images: Images) -> None:
    digest, _ = images.push("v1", labels={"quay.expires-after": "2h"})
    images.push("v2")
    assert put(images, "v2", manifest_digest=digest).status_code == 201
    (tag, *_) = tags(images, specificTag="v2")
    assert tag["end_ts"] - tag["start_ts"] in (7200, 7199)
