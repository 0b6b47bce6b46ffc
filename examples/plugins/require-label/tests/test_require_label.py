"""Which pushes are refused, and what the reason says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import quayframe_require_label as plugin

from quayframe.plugin import PushRepo
from quayframe.testing import FakeHost

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SOURCE = {"org.opencontainers.image.source": "https://example.com/app.git"}
DIGEST = "sha256:" + "0" * 64


def image(config: str = plugin.IMAGE_CONFIGS[0], media_type: str = OCI, **more: Any) -> bytes:
    descriptor = {"mediaType": config, "digest": DIGEST, "size": 2}
    layers: list[Any] = []
    document = {"schemaVersion": 2, "mediaType": media_type, "config": descriptor, "layers": layers, **more}
    return json.dumps(document).encode()


def check(body: bytes | None, media_type: str = OCI, config: plugin.Config | None = None) -> str | None:
    event = PushRepo(namespace="acme", repository="app", digest=DIGEST, media_type=media_type, size=1)
    host = FakeHost("require-label", config=config or plugin.Config(), event_content=body)
    return plugin.quayframe_check(host, event)


@pytest.mark.parametrize("annotations", [{}, {"other": "x"}, {"org.opencontainers.image.source": ""}])
def test_an_image_without_the_annotation_is_refused_with_its_name(annotations: dict[str, str]) -> None:
    reason = check(image(annotations=annotations))
    assert reason is not None
    assert "org.opencontainers.image.source" in reason


def test_an_image_with_the_annotation_passes() -> None:
    assert check(image(annotations=SOURCE)) is None


def test_an_image_in_docker_s_format_is_refused_since_it_cannot_have_one() -> None:
    assert check(image(plugin.IMAGE_CONFIGS[1], DOCKER), DOCKER) is not None


def test_a_chart_and_an_index_pass() -> None:
    assert check(image("application/vnd.cncf.helm.config.v1+json")) is None
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    assert check(index, INDEX) is None


def test_the_operator_may_ask_for_another_annotation() -> None:
    config = plugin.Config(annotation="com.example.team")
    assert check(image(annotations={"com.example.team": "core"}), config=config) is None
    assert "com.example.team" in (check(image(annotations=SOURCE), config=config) or "")


def test_a_manifest_that_cannot_be_read_is_refused() -> None:
    assert check(None) is not None
