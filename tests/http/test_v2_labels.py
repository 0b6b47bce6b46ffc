"""Labels at a push: read from the image's config and the annotations, kept, and acted upon."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from protocol import (
    DOCKER_MANIFEST,
    EMPTY_TYPE,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Protocol,
    Repo,
    code,
    descriptor,
    manifest,
    sha256,
)

from quayframe.data.content import Label
from quayframe.data.tables import Blob, BlobPlacement, Manifest, ManifestHold, Tag
from quayframe.services import holds
from quayframe.services.clock import now_ms

HOUR = 3_600_000
AFTER = "quay.expires-after"
Make = Callable[..., Protocol]


@pytest.fixture
def protocol(make_protocol: Make) -> Protocol:
    return make_protocol()


@pytest.fixture
def repo(protocol: Protocol) -> Repo:
    return protocol.repo()


def config_of(labels: Any, **more: Any) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels}} | more).encode()


def image(repo: Repo, labels: Any = None, *, config: bytes | None = None, **fields: Any) -> bytes:
    """The manifest of an image with these labels, its blobs pushed."""
    found, data = repo.blob(config_of(labels) if config is None else config)
    layer, layer_data = repo.blob()
    return manifest((OCI_CONFIG, found, len(data)), [(OCI_LAYER, layer, len(layer_data))], **fields)


def index(children: list[bytes], said: dict[int, dict[str, str]] | None = None, **fields: Any) -> bytes:
    """An index, with annotations on some of its descriptors."""
    listed: list[dict[str, Any]] = []
    for at, body in enumerate(children):
        one = descriptor(json.loads(body)["mediaType"], sha256(body), len(body))
        listed.append(one | {"annotations": (said or {}).get(at, {})})
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json.dumps(document | fields).encode()


def pushed(repo: Repo, reference: str, body: bytes) -> None:
    answer = repo.put(reference, body, json.loads(body)["mediaType"])
    assert answer.status_code == 201, answer.text


def life(protocol: Protocol, repo: Repo, tag: str) -> int | None:
    """How long the tag lives (ms, to the second); None = without end."""
    row = protocol.registry.access.repository(*repo.path)
    assert row is not None
    where = (Tag.repository == row.id) & (Tag.name == tag)
    start, end, reason = protocol.registry.db.rows(
        Tag.select(Tag.start_ms, Tag.end_ms, Tag.end_reason).where(where)
    )[0]
    assert (end is None) == (reason is None)
    assert reason in (None, "label")
    return None if end is None else round((end - start) / 1000) * 1000


def labels(protocol: Protocol, body: bytes) -> list[tuple[str, str, str]]:
    """(key, value, media type) of the manifest's labels, by key."""
    rows = protocol.registry.db.rows(
        Label.select(Label.label_key, Label.value, Label.media_type)
        .join(Manifest, on=(Manifest.id == Label.manifest))
        .where((Manifest.digest == sha256(body)) & (Label.source == "manifest"))
        .order_by(Label.label_key)
    )
    return [(str(key), str(value), str(kind)) for key, value, kind in rows]


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


# -- indexes ----------------------------------------------------------------------------------------


def test_an_index_ends_by_what_all_its_children_say(protocol: Protocol, repo: Repo) -> None:
    children = [image(repo, {AFTER: "2d", "n": str(n), "same": "same"}) for n in range(3)]
    for body in children:
        pushed(repo, sha256(body), body)
    body = index(children)
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") == 48 * HOUR
    assert labels(protocol, body) == [(AFTER, "2d", "text/plain")]


@pytest.mark.parametrize("other", ["3d", None])
def test_an_index_whose_children_differ_does_not_end(
    protocol: Protocol, repo: Repo, other: str | None
) -> None:
    children = [image(repo, {AFTER: "2d"}), image(repo, {AFTER: other} if other else {})]
    for body in children:
        pushed(repo, sha256(body), body)
    pushed(repo, "v1", index(children))

    assert life(protocol, repo, "v1") is None


def test_an_indexs_own_annotation_does_not_end_it(protocol: Protocol, repo: Repo) -> None:
    child = image(repo)
    pushed(repo, sha256(child), child)
    body = index([child], annotations={AFTER: "2d", "other": "kept"})
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") is None
    assert labels(protocol, body) == [("other", "kept", "text/plain")]


def test_what_attests_to_an_image_has_no_say(protocol: Protocol, repo: Repo) -> None:
    children = [image(repo, {AFTER: "2d"}), image(repo)]
    for body in children:
        pushed(repo, sha256(body), body)
    attests = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": sha256(children[0]),
    }
    pushed(repo, "v1", index(children, {1: attests}))

    assert life(protocol, repo, "v1") == 48 * HOUR


def test_an_index_in_an_index_passes_on_what_its_children_share(protocol: Protocol, repo: Repo) -> None:
    child = image(repo, {AFTER: "2d"})
    inner = index([child])
    pushed(repo, sha256(child), child)
    pushed(repo, sha256(inner), inner)
    pushed(repo, "v1", index([inner, child]))

    assert life(protocol, repo, "v1") == 48 * HOUR


def test_an_index_with_a_child_that_is_not_here_does_not_end(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_SPARSE_INDEX=True)
    repo = protocol.repo()
    here, away = image(repo, {AFTER: "2d"}), image(repo, {AFTER: "2d"})
    pushed(repo, sha256(here), here)
    pushed(repo, "v1", index([here, away]))

    assert life(protocol, repo, "v1") is None


def test_a_label_that_the_api_added_to_the_children_does_not_act(protocol: Protocol, repo: Repo) -> None:
    child = image(repo, {AFTER: "2d"})
    pushed(repo, sha256(child), child)
    protocol.registry.db.write(lambda tx: tx.run(Label.update(source="api")))
    pushed(repo, "v1", index([child]))

    assert life(protocol, repo, "v1") is None


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


def test_a_config_is_not_read_of_another_repository(protocol: Protocol, repo: Repo) -> None:
    other = protocol.repo()
    body = image(other, {"secret": "of others"})
    answer = repo.put("v1", body)

    assert answer.status_code in (400, 404)
    assert labels(protocol, body) == []


# -- the holds of an index's children ---------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True])
def test_a_pushed_index_may_end_the_holds_of_its_children(make_protocol: Make, reset: bool) -> None:
    protocol = make_protocol(RESET_CHILD_MANIFEST_EXPIRATION=reset)
    repo = protocol.repo()
    child, alone = image(repo), image(repo)
    for body in (child, alone):
        pushed(repo, sha256(body), body)
    db = protocol.registry.db
    asked = db.value(Manifest.select(Manifest.id).where(Manifest.digest == sha256(child)))
    db.write(lambda tx: holds.hold(tx, asked, "as-of", now_ms() + HOUR))
    pushed(repo, "v1", index([child]))

    kept = db.rows(
        ManifestHold.select(Manifest.digest, ManifestHold.reason)
        .join(Manifest, on=(Manifest.id == ManifestHold.manifest))
        .where(ManifestHold.expires_ms > now_ms())
    )
    expected = {(sha256(child), "as-of"), (sha256(alone), "push")}
    assert set(kept) == expected | (set() if reset else {(sha256(child), "push")})
    assert repo.get(f"manifests/{sha256(child)}").status_code == 200


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
