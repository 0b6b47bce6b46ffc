"""Types of artifacts: any by default; what the operator lists, and nothing else, once the key is set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from protocol import (
    EMPTY_TYPE,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    Protocol,
    Repo,
    code,
    descriptor,
    index,
    manifest,
)

Make = Callable[..., Protocol]
GUIDE = Path(__file__).parents[1] / "config" / "guide"
SIF = "application/vnd.sylabs.sif.config.v1+json"
SIF_LAYER = "application/vnd.sylabs.sif.layer.v1+tar"
HELM = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
KEY = "ALLOWED_OCI_ARTIFACT_TYPES"


def guided(make: Make, name: str, **more: Any) -> Repo:
    """A repository where the configuration is the guide's."""
    return make(**yaml.safe_load((GUIDE / f"{name}.yaml").read_text()), **more).repo()


def push(repo: Repo, config: str, *layers: str, **fields: Any) -> requests.Response:
    found, data = repo.blob(b"{}")
    made = [(kind, *repo.blob()) for kind in layers]
    body = manifest(
        (config, found, len(data)), [(kind, layer, len(content)) for kind, layer, content in made], **fields
    )
    return repo.put("v1", body)


def refused(answer: requests.Response) -> str:
    """What a refusal says."""
    assert (answer.status_code, code(answer)) == (415, "MANIFEST_INVALID")
    message: str = answer.json()["errors"][0]["message"]
    return message


def test_by_default_any_type_is_taken(make_protocol: Make) -> None:
    repo = make_protocol().repo()

    assert push(repo, SIF, SIF_LAYER).status_code == 201
    assert push(repo, "application/x", "text/anything").status_code == 201
    assert push(repo, EMPTY_TYPE, EMPTY_TYPE, artifactType="test/kind").status_code == 201


@pytest.mark.parametrize("name", ["13-6-singularity", "13-6-as-printed"])
def test_the_guides_configuration_takes_what_it_lists_and_images(make_protocol: Make, name: str) -> None:
    repo = guided(make_protocol, name)

    assert push(repo, SIF, SIF_LAYER).status_code == 201
    assert push(repo, OCI_CONFIG, SIGNING).status_code == 201
    assert push(repo, HELM, "application/tar+gzip").status_code == 201
    # Today's client sends another type, which FEATURE_HELM_OCI_SUPPORT brings.
    assert push(repo, HELM, CHART).status_code == 201
    assert push(repo, OCI_CONFIG, OCI_LAYER, ZSTD).status_code == 201


def test_what_the_guides_configuration_does_not_list_is_refused_by_name(make_protocol: Make) -> None:
    repo = guided(make_protocol, "13-6-singularity")

    for answer, named in (
        (push(repo, "application/vnd.other.config+json", SIF_LAYER), "application/vnd.other.config+json"),
        (push(repo, SIF, "application/vnd.other.layer"), "application/vnd.other.layer"),
    ):
        message = refused(answer)
        assert named in message
        assert KEY in message
    assert repo.get("tags/list").status_code == 200
    assert repo.tags() == []


def test_a_sif_image_is_refused_where_the_operator_lists_other_types(make_protocol: Make) -> None:
    repo = make_protocol(**{KEY: {HELM: [CHART]}}).repo()

    assert SIF in refused(push(repo, SIF, SIF_LAYER))


def test_the_key_replaces_what_was_allowed_before(make_protocol: Make) -> None:
    repo = make_protocol(**{KEY: {SIF: [SIF_LAYER]}}).repo()

    assert SIGNING in refused(push(repo, OCI_CONFIG, SIGNING))
    assert push(repo, OCI_CONFIG, OCI_LAYER).status_code == 201


def test_an_empty_list_leaves_images(make_protocol: Make) -> None:
    repo = make_protocol(FEATURE_HELM_OCI_SUPPORT=False, **{KEY: {}}).repo()

    assert push(repo, OCI_CONFIG, OCI_LAYER).status_code == 201
    assert SIF in refused(push(repo, SIF, OCI_LAYER))


def test_charts_beside_the_list_are_for_helms_own_key_to_say(make_protocol: Make) -> None:
    only = {KEY: {SIF: [SIF_LAYER]}}

    assert push(make_protocol(**only).repo(), HELM, CHART).status_code == 201
    assert HELM in refused(push(make_protocol(FEATURE_HELM_OCI_SUPPORT=False, **only).repo(), HELM, CHART))
    # Without a list any type is taken.
    assert push(make_protocol(FEATURE_HELM_OCI_SUPPORT=False).repo(), HELM, CHART).status_code == 201


def test_an_artifact_with_an_empty_config_is_of_its_artifact_type(make_protocol: Make) -> None:
    repo = make_protocol(**{KEY: {"application/spdx+json": ["text/spdx+json"]}}).repo()

    for layer in ("text/spdx+json", EMPTY_TYPE):
        assert push(repo, EMPTY_TYPE, layer, artifactType="application/spdx+json").status_code == 201
    assert "test/kind" in refused(push(repo, EMPTY_TYPE, EMPTY_TYPE, artifactType="test/kind"))


def test_an_index_is_of_its_artifact_type_if_it_has_one(make_protocol: Make) -> None:
    repo = make_protocol(**{KEY: {SIF: [SIF_LAYER]}}).repo()

    assert repo.put("a", index([]), OCI_INDEX).status_code == 201
    assert repo.put("b", index([], artifactType=SIF), OCI_INDEX).status_code == 201
    assert "test/kind" in refused(repo.put("c", index([], artifactType="test/kind"), OCI_INDEX))


def test_switched_off_no_manifest_of_oci_is_taken(make_protocol: Make) -> None:
    repo = guided(make_protocol, "13-7-oci-off", **{KEY: {SIF: [SIF_LAYER]}})

    for answer in (
        push(repo, SIF, SIF_LAYER),
        push(repo, OCI_CONFIG, OCI_LAYER),
        repo.put("v1", index([]), OCI_INDEX),
    ):
        assert "FEATURE_GENERAL_OCI_SUPPORT" in refused(answer)


def test_some_namespaces_may_push_them_all_the_same(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_GENERAL_OCI_SUPPORT=False, OCI_NAMESPACE_WHITELIST=["early"])

    assert push(protocol.repo(protocol.user("early")), OCI_CONFIG, OCI_LAYER).status_code == 201
    assert push(protocol.repo(protocol.user("late")), OCI_CONFIG, OCI_LAYER).status_code == 415


def test_images_of_dockers_type_are_always_taken(make_protocol: Make) -> None:
    repo = make_protocol(FEATURE_GENERAL_OCI_SUPPORT=False, **{KEY: {}}).repo()
    config, data = repo.blob(b"{}")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": descriptor("application/vnd.docker.container.image.v1+json", config, len(data)),
        "layers": [],
    }

    assert repo.put("v1", json.dumps(document).encode(), kind).status_code == 201
