"""Labels over the API."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result
from manifest_world import Images
from protocol import sha256
from repository_world import grant

from quayframe import events
from quayframe.data.content import Label
from quayframe.data.tables import Repository


@pytest.fixture
def images(api: ApiWorld) -> Images:
    return Images(api)


@pytest.fixture
def digest(images: Images) -> str:
    return images.push(labels={"maintainer": "ann", "quay.expires-after": "2d"})[0]


def add(images: Images, digest: str, key: str = "stage", value: str = "test", **more: Any) -> Result:
    body = {"key": key, "value": value, "media_type": None} | more
    return images.ann.post(images.path(digest, "/labels"), body)


def listed(images: Images, digest: str, **query: str) -> list[dict[str, str]]:
    result = images.ann.get(images.path(digest, "/labels"), params=query)
    assert result.status_code == 200, result.text
    labels: list[dict[str, str]] = result.json["labels"]
    return labels


def keys(images: Images, digest: str, **query: str) -> list[str]:
    return [label["key"] for label in listed(images, digest, **query)]


def is_not_found(result: Result) -> bool:
    return (result.status_code, result.json.get("error_type")) == (404, "not_found")


def test_an_added_label_is_answered_and_can_be_read(images: Images, digest: str) -> None:
    result = add(images, digest)
    label = result.json["label"]

    assert result.status_code == 201
    assert label == {
        "id": label["id"],
        "key": "stage",
        "value": "test",
        "source_type": "api",
        "media_type": "text/plain",
    }
    path = f"/api/v1/{images.path(digest)}/labels/{label['id']}"
    assert result.headers["location"] == path
    assert images.ann.get(path).json == label


def test_the_manifests_own_labels_come_first_and_the_others_as_they_were_added(
    images: Images, digest: str
) -> None:
    for key in ("b", "a", "a"):
        assert add(images, digest, key).status_code == 201

    found = [(label["key"], label["source_type"]) for label in listed(images, digest)]
    assert set(found[:2]) == {("quay.expires-after", "manifest"), ("maintainer", "manifest")}
    assert found[2:] == [("b", "api"), ("a", "api"), ("a", "api")]


def test_the_filter_is_the_beginning_of_keys(images: Images, digest: str) -> None:
    for key in ("stage", "start", "other"):
        add(images, digest, key)

    for prefix, expected in (("sta", ["stage", "start"]), ("stage", ["stage"]), ("", keys(images, digest))):
        assert keys(images, digest, filter=prefix) == expected
    for prefix in ("STA", "s%", "_"):
        assert keys(images, digest, filter=prefix) == []


GUESSES = [
    ("text", None, "text/plain"),
    ("", None, "text/plain"),
    ("7", None, "text/plain"),
    ('"x"', None, "text/plain"),
    ("{bad", None, "text/plain"),
    ('{"a": 1}', None, "application/json"),
    (" [1, 2]", None, "application/json"),
    ("{bad", "application/json", "application/json"),
    ('{"a": 1}', "text/plain", "text/plain"),
    ("[" * 100_000, None, "text/plain"),
]


def test_a_media_type_that_is_null_is_guessed(images: Images, digest: str) -> None:
    found = [add(images, digest, value=v, media_type=given).json["label"] for v, given, _ in GUESSES]

    assert [label["media_type"] for label in found] == [expected for *_, expected in GUESSES]


def test_keys_at_their_borders_are_taken(images: Images, digest: str) -> None:
    for key in ("a", "7", "a.b-c", "a" * 255, "0.1.2", "x-y"):
        assert add(images, digest, key).status_code == 201, key


BAD_KEYS = (
    "", "A", "a" * 256, "-a", "a-", ".a", "a.", "a..b", "a.-b", "a--b", "a_b", "a b", "a/b", "ä", "a\n",
    "٣", "a." * 100_000,
)  # fmt: skip


def test_keys_beyond_their_borders_are_refused(images: Images, digest: str) -> None:
    for key in BAD_KEYS:
        result = add(images, digest, key)
        assert result.status_code == 400, key[:300]
        assert "invalid format" in result.json["message"]


TAKEN_KEYS = (
    "com.docker.x", "io.docker.x", "org.dockerproject.x", "org.opencontainers.image.title", "io.cncf.x",
    "io.kubernetes.x", "io.k8s.x", "io.quay", "io.quayx", "com.coreos", "com.coreos.x", "com.tectonic.x",
    "internal", "internal.x", "quay", "quay.expires-after", "quay.immutable", "quayside",
)  # fmt: skip


def test_reserved_beginnings_are_refused(images: Images, digest: str) -> None:
    for key in TAKEN_KEYS:
        result = add(images, digest, key)
        assert (result.status_code, result.json) == (400, {"message": "Label has a reserved prefix"}), key


def test_what_only_looks_reserved_is_taken(images: Images, digest: str) -> None:
    for key in ("com.docker", "xquay.x", "io.kubernete.x"):
        assert add(images, digest, key).status_code == 201, key


def test_the_operator_reserves_further_beginnings(make_api: ApiMaker) -> None:
    images = Images(make_api(LABEL_KEY_RESERVED_PREFIXES=["com.example."]))
    digest, _ = images.push()

    assert add(images, digest, "com.example.x").status_code == 400
    assert add(images, digest, "com.examples").status_code == 201


BAD_BODIES: list[Any] = [
    {},
    {"key": "a", "value": "b"},
    {"key": "a", "media_type": None},
    {"value": "b", "media_type": None},
    {"key": "a", "value": "b", "media_type": "text/html"},
    {"key": "a", "value": "b", "media_type": ""},
    {"key": "a", "value": 7, "media_type": None},
    {"key": None, "value": "b", "media_type": None},
    {"key": "a", "value": None, "media_type": None},
    {"key": "a", "value": "nul\0", "media_type": None},
    [],
]


def test_a_body_of_another_form_is_refused(images: Images, digest: str) -> None:
    for body in BAD_BODIES:
        result = images.ann.post(images.path(digest, "/labels"), body)
        assert (result.status_code, result.json["error_type"]) == (400, "invalid_request"), body


def test_an_added_label_can_be_taken_away_once(images: Images, digest: str) -> None:
    path = add(images, digest).headers["location"]

    assert images.ann.delete(path).status_code == 204
    assert is_not_found(images.ann.get(path))
    assert is_not_found(images.ann.delete(path))
    assert "stage" not in keys(images, digest)


def test_the_manifests_own_labels_stay(images: Images, digest: str) -> None:
    own = listed(images, digest)[0]["id"]
    result = images.ann.delete(images.path(digest, f"/labels/{own}"))

    assert (result.status_code, result.json) == (400, {"message": "Cannot delete immutable label"})


def test_a_label_is_not_found_at_another_manifest(images: Images, digest: str) -> None:
    other, _ = images.push("other")
    label = add(images, digest).json["label"]["id"]

    for rest in (f"/labels/{label}", "/labels/unknown"):
        assert is_not_found(images.ann.get(images.path(other, rest)))
        assert is_not_found(images.ann.delete(images.path(other, rest)))
    assert is_not_found(images.ann.delete(images.path(sha256(b"unknown"), f"/labels/{label}")))
    assert keys(images, digest).count("stage") == 1


def test_a_label_is_not_added_to_a_manifest_that_is_not_there(images: Images) -> None:
    gone, _ = images.push("gone")
    assert images.repo.delete("manifests/gone").status_code == 202

    for reference in (gone, "v1", "sha256:x", sha256(b"unknown")):
        assert is_not_found(add(images, reference))


def test_a_manifest_has_at_most_a_thousand_labels(images: Images, digest: str) -> None:
    db = images.api.registry.db
    row = db.one(Label.select(Label.repository, Label.manifest).limit(1))
    assert row is not None
    values = {"repository": row[0], "manifest": row[1], "value": "", "media_type": "text/plain"}
    many = [
        {**values, "uuid": str(n), "label_key": f"k{n}", "source": "api", "created_ms": 0} for n in range(998)
    ]
    db.write(lambda tx: tx.run(Label.insert_many(many)))

    result = add(images, digest)
    assert (result.status_code, result.json) == (400, {"message": "a manifest has at most 1000 labels"})
    assert len(listed(images, digest)) == 1000


def test_the_values_of_a_manifests_labels_have_a_bound(images: Images, digest: str) -> None:
    """One answer holds them all."""
    for _ in range(2):
        assert add(images, digest, value="v" * 1_000_000).status_code == 201
    before = len(listed(images, digest))
    result = add(images, digest, value="v" * 100_000)

    assert result.status_code == 400
    assert "at most" in result.json["message"]
    assert len(listed(images, digest)) == before


@pytest.mark.parametrize(("state", "number"), [("READ_ONLY", 1), ("MIRROR", 2)])
def test_a_frozen_repository_keeps_its_labels(images: Images, digest: str, state: str, number: int) -> None:
    path = add(images, digest).headers["location"]
    images.api.registry.db.write(lambda tx: tx.run(Repository.update(state=state)))

    for result in (add(images, digest), images.ann.delete(path)):
        assert result.status_code == 503
        assert result.json == {"message": f"Repository is in read only or mirror mode: {number}"}
    assert keys(images, digest).count("stage") == 1


def reader(images: Images) -> Caller:
    bob = images.api.user("bob")
    grant(images.api, "bob", "ann/app", "read")
    return bob


def test_who_only_reads_changes_no_labels(images: Images, digest: str) -> None:
    bob = reader(images)
    path = add(images, digest).headers["location"]
    before = listed(images, digest)

    assert bob.get(images.path(digest, "/labels")).json["labels"] == before
    for result in (
        bob.post(images.path(digest, "/labels"), {"key": "a", "value": "b", "media_type": None}),
        bob.delete(path),
    ):
        assert (result.status_code, result.json["error_type"]) == (403, "insufficient_scope")
    assert listed(images, digest) == before


def test_adding_and_taking_away_are_in_the_log(images: Images, digest: str) -> None:
    path = add(images, digest, value="[1]").headers["location"]
    images.ann.delete(path)
    images.api.registry.activity.sequence()
    found = [event for _, event in images.api.registry.activity.after(0) if "label" in event.kind]
    said = {
        "namespace": "ann",
        "repository": "app",
        "performer": "ann",
        "ip": "",
        "id": path.rpartition("/")[2],
        "key": "stage",
        "value": "[1]",
        "manifest_digest": digest,
    }

    assert found == [
        events.ManifestLabelAdd(**said, media_type="application/json"),
        events.ManifestLabelDelete(**said),
    ]
    assert [event.kind for event in found] == ["manifest_label_add", "manifest_label_delete"]


def test_a_label_that_the_api_added_does_not_end_a_tag(images: Images) -> None:
    digest, _ = images.push("plain")
    assert add(images, digest, "quay.expires-after", "1s").status_code == 400
    assert images.repo.tags() == ["plain"]
