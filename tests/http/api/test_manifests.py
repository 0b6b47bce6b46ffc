"""Manifests as the API shows them: layers and what made them, and what refers to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import ApiWorld, Result
from manifest_world import Images
from protocol import (
    DOCKER_MANIFEST,
    EMPTY_TYPE,
    OCI_CONFIG,
    OCI_MANIFEST,
    descriptor,
    manifest,
    sha256,
)

from quayframe.data.tables import BlobPlacement

FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


@pytest.fixture
def images(api: ApiWorld) -> Images:
    return Images(api)


def shown(images: Images, digest: str, **query: str) -> dict[str, Any]:
    result = images.ann.get(images.path(digest), params=query)
    assert result.status_code == 200, result.text
    answer: dict[str, Any] = result.json
    return answer


def is_not_found(result: Result) -> bool:
    return (result.status_code, result.json.get("error_type")) == (404, "not_found")


def test_an_image_is_shown_with_its_layers_and_what_made_them(images: Images) -> None:
    history: list[dict[str, Any]] = [
        {"created": "2021-12-13T11:41:16.123456789Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
        {"created_by": "CMD [\"sh\"]", "empty_layer": True},
        {
            "created": "2021-12-13T12:41:16+01:00",
            "created_by": "RUN  make && make install # buildkit",
            "comment": "buildkit.dockerfile.v0",
            "author": "Ann <ann@example.com>",
        },
    ]  # fmt: skip
    digest, body = images.push(history=history, layers=2)
    said = json.loads(body)
    answer = shown(images, digest)

    assert answer == {
        "digest": digest,
        "is_manifest_list": False,
        "manifest_data": body.decode(),
        "config_media_type": OCI_CONFIG,
        "layers_compressed_size": 200,
        "layers": [
            {
                "index": 0,
                "compressed_size": 100,
                "is_remote": False,
                "urls": None,
                "command": ["/bin/sh -c #(nop) ADD file:1 in / "],
                "comment": None,
                "author": None,
                "blob_digest": said["layers"][0]["digest"],
                "created_datetime": "Mon, 13 Dec 2021 11:41:16 -0000",
            },
            {
                "index": 1,
                "compressed_size": 100,
                "is_remote": False,
                "urls": None,
                "command": ["RUN  make && make install # buildkit"],
                "comment": "buildkit.dockerfile.v0",
                "author": "Ann <ann@example.com>",
                "blob_digest": said["layers"][1]["digest"],
                "created_datetime": "Mon, 13 Dec 2021 11:41:16 -0000",
            },
        ],
    }


HISTORIES: list[list[dict[str, Any]] | None] = [
    None,
    [],
    [{"created_by": "one"}],
    [{"created_by": "one"}, {"created_by": "two"}, {"created_by": "three"}],
    [{"created_by": 7, "created": 7, "author": [], "comment": {}}, {"created": "no date"}],
    [{"created_by": "", "created": "0001-01-01T00:00:00Z"}, {"created": "9999-99-99T00:00:00Z"}],
]


def test_a_history_that_does_not_tell_leaves_the_layers_bare(images: Images) -> None:
    for history in HISTORIES:
        digest, _ = images.push(history=history, layers=2)
        for layer in shown(images, digest)["layers"]:
            said = [layer[key] for key in ("command", "comment", "author", "created_datetime")]
            assert said == [None] * 4, history


def test_dates_far_away_are_shown_too(images: Images) -> None:
    for moment in ("1677-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2021-12-13"):
        digest, _ = images.push(history=[{"created": moment}])
        assert moment[:4] in shown(images, digest)["layers"][0]["created_datetime"]


def test_a_lost_config_leaves_the_layers_bare(images: Images) -> None:
    digest, _ = images.push(history=[{"created_by": "RUN x"}])
    storage, db = images.api.registry.storage, images.api.registry.db
    for location, key in db.rows(BlobPlacement.select(BlobPlacement.location, BlobPlacement.storage_key)):
        storage.delete(location, key)

    assert shown(images, digest)["layers"][0]["command"] is None


def test_a_foreign_layer_is_remote(images: Images) -> None:
    config, data = images.repo.blob(b"{}")
    layer = descriptor(FOREIGN, sha256(b"elsewhere"), 9) | {"urls": ["https://layers.test/1"]}
    document = json.loads(manifest((OCI_CONFIG, config, len(data)), []))
    body = json.dumps(document | {"layers": [layer]}).encode()
    assert images.repo.put("v1", body).status_code == 201

    found = shown(images, sha256(body))["layers"][0]
    assert (found["is_remote"], found["urls"]) == (True, ["https://layers.test/1"])


def test_an_index_has_no_layers(images: Images) -> None:
    child, body = images.push(None)
    digest, index = images.repo.index("v1", [body])

    assert shown(images, digest) == {
        "digest": digest,
        "is_manifest_list": True,
        "manifest_data": index.decode(),
        "config_media_type": None,
        "layers_compressed_size": 0,
        "layers": None,
    }
    assert shown(images, child)["is_manifest_list"] is False


def test_an_image_of_dockers_type_is_shown(images: Images) -> None:
    config, data = images.repo.blob(json.dumps({"history": [{"created_by": "RUN x"}]}).encode())
    layer, content = images.repo.blob()
    kinds = (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    )
    document = json.loads(manifest((kinds[0], config, len(data)), [(kinds[1], layer, len(content))]))
    body = json.dumps(document | {"mediaType": DOCKER_MANIFEST}).encode()
    assert images.repo.put("v1", body, DOCKER_MANIFEST).status_code == 201
    answer = shown(images, sha256(body))

    assert answer["config_media_type"] == kinds[0]
    assert answer["layers"][0]["command"] == ["RUN x"]


def test_what_cannot_be_seen_is_not_found(images: Images) -> None:
    deleted, _ = images.push("old")
    assert images.repo.delete("manifests/old").status_code == 202
    other = images.api.protocol.repo().image("v1")[0]

    for reference in (deleted, other, "v1", "sha256:abc", "md5:" + "0" * 32, sha256(b"unknown")):
        for rest in ("", "/labels", "/referrers"):
            assert is_not_found(images.ann.get(images.path(reference, rest))), (reference, rest)


def test_a_public_repositorys_manifests_are_for_everybody(images: Images) -> None:
    digest, _ = images.push()
    assert images.api.anonymous.get(images.path(digest)).status_code == 401
    images.api.protocol.public(images.repo)

    for rest in ("", "/labels", "/referrers"):
        assert images.api.anonymous.get(images.path(digest, rest)).status_code == 200


# -- model cards ------------------------------------------------------------------------------------


def model(images: Images, content: bytes, title: str = "README.md") -> str:
    """Pushes an artifact with one file of this title; its digest."""
    empty, data = images.repo.blob(b"{}")
    layer, _ = images.repo.blob(content)
    document = json.loads(manifest((EMPTY_TYPE, empty, len(data)), [], artifactType="application/x-mlmodel"))
    card = descriptor("text/markdown", layer, len(content))
    document["layers"] = [card | {"annotations": {"org.opencontainers.image.title": title}}]
    body = json.dumps(document).encode()
    assert images.repo.put("model", body).status_code == 201
    return sha256(body)


def test_a_model_card_is_shown_to_who_asks_for_it(images: Images) -> None:
    digest = model(images, "# Modèle".encode())

    assert shown(images, digest, include_modelcard="true")["modelcard"] == "# Modèle"
    assert "modelcard" not in shown(images, digest)


@pytest.mark.parametrize(
    ("content", "title"), [(b"\xff\xfe", "README.md"), (b"# x", "LICENSE"), (b"x" * 1_048_577, "README.md")]
)
def test_without_a_text_of_that_title_there_is_no_model_card(
    images: Images, content: bytes, title: str
) -> None:
    assert shown(images, model(images, content, title), include_modelcard="true")["modelcard"] is None


# -- referrers --------------------------------------------------------------------------------------


def referrers(images: Images, digest: str, **query: str) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    while True:
        result = images.ann.get(images.path(digest, "/referrers"), params=query)
        assert result.status_code == 200, result.text
        found += result.json["referrers"]
        if "next_page" not in result.json:
            return found
        query["next_page"] = result.json["next_page"]


def test_referrers_are_listed_with_their_type(images: Images) -> None:
    digest, body = images.push()
    first, first_body = images.repo.referrer(body, "test/sbom", annotations={"a": "b"})
    second, _ = images.repo.referrer(body, "test/scan")
    found = {one["digest"]: one for one in referrers(images, digest)}

    assert found.keys() == {first, second}
    assert found[first] == {
        "kind": "subject",
        "digest": first,
        "media_type": OCI_MANIFEST,
        "artifact_type": "test/sbom",
        "size": len(first_body),
        "annotations": {"a": "b"},
    }
    assert [one["digest"] for one in referrers(images, digest, artifactType="test/scan")] == [second]
    assert referrers(images, digest, artifactType="test/other") == []


@pytest.mark.parametrize(("suffix", "kind"), [("sig", "signature"), ("att", "attestation"), ("sbom", "sbom")])
def test_cosigns_tags_are_referrers(images: Images, suffix: str, kind: str) -> None:
    digest, _ = images.push()
    tag = f"{digest.replace(':', '-')}.{suffix}"
    about, body = images.push(tag)

    assert referrers(images, digest) == [
        {
            "kind": kind,
            "digest": about,
            "media_type": OCI_MANIFEST,
            "artifact_type": OCI_CONFIG,
            "size": len(body),
            "annotations": {},
            "tag": tag,
        }
    ]
    assert images.repo.delete(f"manifests/{tag}").status_code == 202
    assert referrers(images, digest) == []


def test_referrers_come_in_pages_and_each_once(images: Images) -> None:
    digest, body = images.push()
    made = {images.repo.referrer(body)[0] for _ in range(5)}
    made.add(images.push(f"{digest.replace(':', '-')}.sig")[0])
    found = [one["digest"] for one in referrers(images, digest, limit="2")]

    assert sorted(found) == sorted(made)


def test_what_refers_to_a_manifest_that_was_never_here_is_listed(images: Images) -> None:
    elsewhere = sha256(b"elsewhere")
    about, _ = images.repo.referrer(elsewhere)

    assert [one["digest"] for one in referrers(images, elsewhere)] == [about]


def test_nothing_refers_to_a_manifest_that_nobody_signed(images: Images) -> None:
    digest, body = images.push(None)
    assert images.repo.index("v1", [body])[0]

    assert referrers(images, digest) == []


def test_a_manifest_of_the_largest_size_is_shown_whole(images: Images) -> None:
    digest, body = images.push(annotations={"pad": "x" * (4 * 1024 * 1024 - 1024)})

    assert len(body) > 4_000_000
    assert shown(images, digest)["manifest_data"] == body.decode()
