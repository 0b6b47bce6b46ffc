"""Labels at a push: read from the image's config and the annotations, kept, and acted upon."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NoReturn

import pytest
from labelled import AFTER, HOUR, config_of, image, index, labels, life, pushed
from protocol import (
    DOCKER_MANIFEST,
    EMPTY_TYPE,
    OCI_MANIFEST,
    Protocol,
    Repo,
    code,
    descriptor,
    manifest,
    sha256,
)

from quayframe.data.tables import Blob, BlobPlacement, Tag
from quayframe.errors import Unavailable
from quayframe.services.clock import now_ms

Make = Callable[..., Protocol]


@pytest.fixture
def protocol(make_protocol: Make) -> Protocol:
    return make_protocol()


@pytest.fixture
def repo(protocol: Protocol) -> Repo:
    return protocol.repo()


def test_the_labels_of_an_images_config_are_kept(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {"maintainer": "ann", "Odd Key/β": "", "spec": '{"a": [1]}', "list": "[not json"})
    pushed(repo, "v1", body)

    assert labels(protocol, body) == [
        ("Odd Key/β", "", "text/plain"),
        ("list", "[not json", "text/plain"),
        ("maintainer", "ann", "text/plain"),
        ("spec", '{"a": [1]}', "application/json"),
    ]
    assert life(protocol, repo, "v1") is None


def test_an_annotation_outweighs_the_label_of_the_same_key(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {"a": "config", "b": "config"}, annotations={"a": "annotation"})
    pushed(repo, "v1", body)

    assert [(key, value) for key, value, _ in labels(protocol, body)] == [
        ("a", "annotation"),
        ("b", "config"),
    ]


def test_an_image_of_dockers_type_has_labels_too(protocol: Protocol, repo: Repo) -> None:
    config, data = repo.blob(config_of({AFTER: "20h"}))
    layer, layer_data = repo.blob()
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": descriptor("application/vnd.docker.container.image.v1+json", config, len(data)),
            "layers": [
                descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer, len(layer_data))
            ],
        }
    ).encode()
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") == 20 * HOUR


def test_what_no_row_can_hold_is_left_out(protocol: Protocol, repo: Repo) -> None:
    fits = "k" * 255
    body = image(
        repo, {"": "empty", "k" * 256: "long", fits: "fits", "number": 7, "nul": "a\0b", "nul\0": "x"}
    )
    pushed(repo, "v1", body)

    assert labels(protocol, body) == [(fits, "fits", "text/plain")]


def test_a_bounded_number_of_labels_is_kept_and_those_that_act_among_them(
    protocol: Protocol, repo: Repo
) -> None:
    many = {f"k{n:04}": "v" for n in range(700)} | {AFTER: "1h"}
    body = image(repo, many)
    pushed(repo, "v1", body)

    assert len(labels(protocol, body)) == 500
    assert life(protocol, repo, "v1") == HOUR


@pytest.mark.parametrize(
    ("text", "hours"), [("20h", 20), ("2d", 48), ("3w", 504), ("90m", 1.5), ("1h30m", None), ("0h", None)]
)
def test_a_label_ends_the_tag_that_is_pushed(
    protocol: Protocol, repo: Repo, text: str, hours: float | None
) -> None:
    pushed(repo, "v1", image(repo, {AFTER: text}))

    assert life(protocol, repo, "v1") == (None if hours is None else hours * HOUR)


def test_a_tag_is_not_served_once_its_label_has_ended_it(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {AFTER: "1h"})
    pushed(repo, "v1", body)
    protocol.registry.db.write(lambda tx: tx.run(Tag.update(end_ms=now_ms() - 1)))

    answer = repo.get("manifests/v1")
    assert (answer.status_code, code(answer)) == (404, "TAG_EXPIRED")
    assert repo.tags() == []
    assert repo.get(f"manifests/{sha256(body)}").status_code == 404


def test_the_same_push_again_lets_the_tag_live_anew(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {AFTER: "1h"})
    pushed(repo, "v1", body)
    protocol.registry.db.write(lambda tx: tx.run(Tag.update(end_ms=now_ms() - 1)))
    pushed(repo, "v1", body)

    assert repo.tags() == ["v1"]
    assert life(protocol, repo, "v1") == HOUR
    assert len(labels(protocol, body)) == 1


def test_an_annotation_of_an_artifact_ends_its_tag(protocol: Protocol, repo: Repo) -> None:
    empty, data = repo.blob(b"{}")
    body = manifest(
        (EMPTY_TYPE, empty, len(data)),
        [(EMPTY_TYPE, empty, len(data))],
        artifactType="test/kind",
        annotations={AFTER: "2d", "other": "kept"},
    )
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") == 48 * HOUR
    assert [key for key, _, _ in labels(protocol, body)] == ["other", AFTER]


# -- immutable --------------------------------------------------------------------------------------


def test_a_label_makes_the_tag_immutable_where_that_is_switched_on(make_protocol: Make) -> None:
    repo = make_protocol(FEATURE_IMMUTABLE_TAGS=True).repo()
    pushed(repo, "v1", image(repo, {"quay.immutable": "true"}))
    answer = repo.put("v1", image(repo))

    assert (answer.status_code, code(answer)) == (409, "TAG_IMMUTABLE")


def test_the_label_immutable_says_nothing_where_that_is_switched_off(repo: Repo) -> None:
    pushed(repo, "v1", image(repo, {"quay.immutable": "true"}))

    assert repo.put("v1", image(repo)).status_code == 201


@pytest.mark.parametrize("can_expire", [False, True])
def test_an_immutable_tag_ends_only_where_the_operator_lets_it(make_protocol: Make, can_expire: bool) -> None:
    protocol = make_protocol(FEATURE_IMMUTABLE_TAGS=True, FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE=can_expire)
    repo = protocol.repo()
    pushed(repo, "v1", image(repo, {"quay.immutable": "true", AFTER: "1h"}))

    assert life(protocol, repo, "v1") == (HOUR if can_expire else None)


# -- configs that cannot be read --------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        b" ",
        b"no json",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"config": null}',
        b'{"config": {"Labels": null}}',
        b'{"config": {"Labels": ["a"]}}',
        b'{"config": []}',
        b'{"config": {"Labels": {"a": "\\ud800"}}}',
        b"[" * 200_000,
        b'{"config": {"Labels": {"a": ' + b"9" * 5000 + b"}}}",
    ],
    ids=range(12),
)
def test_a_config_that_says_nothing_is_taken_without_labels(
    protocol: Protocol, repo: Repo, config: bytes
) -> None:
    body = image(repo, config=config)
    pushed(repo, "v1", body)

    assert labels(protocol, body) == []


def test_a_config_larger_than_4_mib_is_not_read(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {AFTER: "1h", "pad": "x" * 4 * 1024 * 1024})
    pushed(repo, "v1", body)

    assert labels(protocol, body) == []


def test_a_config_whose_bytes_are_lost_does_not_fail_the_push(protocol: Protocol, repo: Repo) -> None:
    body = image(repo, {AFTER: "1h"})
    config = json.loads(body)["config"]["digest"]
    db = protocol.registry.db
    blob_id = db.value(Blob.select(Blob.id).where(Blob.digest == config))
    placed = BlobPlacement.blob == blob_id
    location, key = db.rows(
        BlobPlacement.select(BlobPlacement.location, BlobPlacement.storage_key).where(placed)
    )[0]
    protocol.registry.storage.delete(location, key)
    pushed(repo, "v1", body)

    assert labels(protocol, body) == []


def test_where_a_config_cannot_be_read_now_the_push_is_to_be_repeated(
    protocol: Protocol, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = image(repo, {AFTER: "1h"})

    def away(*_: object) -> NoReturn:
        raise Unavailable("the registry's storage is away; try again", retry_after=5)

    with monkeypatch.context() as patch:
        patch.setattr(protocol.registry.storage, "read", away)
        refused = repo.put("v1", body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "6")
    assert repo.tags() == []
    pushed(repo, "v1", body)
    assert life(protocol, repo, "v1") == HOUR


def test_a_config_is_not_read_of_another_repository(protocol: Protocol, repo: Repo) -> None:
    other = protocol.repo()
    body = image(other, {"secret": "of others"})
    answer = repo.put("v1", body)

    assert answer.status_code in (400, 404)
    assert labels(protocol, body) == []


def test_a_refused_push_leaves_no_labels(protocol: Protocol, repo: Repo) -> None:
    pushed(repo, "v1", image(repo))
    body = image(repo, {AFTER: "1h"})
    answer = repo.put("v1", body, OCI_MANIFEST, If_None_Match="*")

    assert answer.status_code == 412
    assert labels(protocol, body) == []


# -- on each database -------------------------------------------------------------------------------


def test_labels_are_the_same_on_each_database(make_protocol: Make, database_uri: str) -> None:
    protocol = make_protocol(DB_URI=database_uri, RESET_CHILD_MANIFEST_EXPIRATION=True)
    repo = protocol.repo()
    said = {f"k{n:03}": "v" for n in range(250)} | {"ключ": "значение 🚢 100% '?", "A": "1", "a": "2"}
    child = image(repo, {**said, AFTER: "2d"})
    pushed(repo, sha256(child), child)
    pushed(repo, "v1", index([child]))

    assert {key: value for key, value, _ in labels(protocol, child)} == said | {AFTER: "2d"}
    assert life(protocol, repo, "v1") == 48 * HOUR
