"""Artifacts of further types by oras: a container of singularity's, listed by the operator and not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import chart
from clients import Workstation, small_image
from place import Place

from quayframe.testing.server import RegistryServer

GUIDE = Path(__file__).parents[1] / "config" / "guide"
PLAIN = "--plain-http"
SIF = "application/vnd.sylabs.sif.config.v1+json"
SIF_LAYER = "application/vnd.sylabs.sif.layer.v1+tar"
KEY = "ALLOWED_OCI_ARTIFACT_TYPES"


def listing(folder: Path, types: dict[str, list[str]]) -> Iterator[Place]:
    server = RegistryServer(folder, {KEY: types}).start()
    try:
        yield Place.of(server, "ann")
    finally:
        server.kill()


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry with the guide's configuration (13.6), which lists singularity's types."""
    types: dict[str, Any] = yaml.safe_load((GUIDE / "13-6-singularity.yaml").read_text())[KEY]
    yield from listing(tmp_path_factory.mktemp("guided"), types)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same without singularity's types."""
    types: dict[str, Any] = yaml.safe_load((GUIDE / "13-6-singularity.yaml").read_text())[KEY]
    yield from listing(tmp_path_factory.mktemp("narrow"), {k: v for k, v in types.items() if k != SIF})


def sif(machine: Workstation, place: Place, *, config: str = SIF, layer: str = SIF_LAYER) -> tuple[str, ...]:
    """The command that pushes what `singularity push oras://` does: its config, the image in one layer."""
    machine.know(place.host, place.user, place.password)
    (machine.work / "container.sif").write_bytes(b"SIF_MAGIC" * 1000)
    (machine.work / "config.json").write_text("{}")
    target = f"{place.new('sif')}:1"
    return "oras", "push", PLAIN, "--config", f"config.json:{config}", target, f"container.sif:{layer}"


def taken(machine: Workstation, place: Place) -> None:
    """The container goes in, and comes back as it was."""
    command = sif(machine, place)
    machine.run(*command)
    machine.run("oras", "pull", PLAIN, command[-2], "-o", "back")
    assert (machine.work / "back" / "container.sif").read_bytes() == b"SIF_MAGIC" * 1000
    manifest = place.manifest(*command[-2].rsplit(":", 1))
    assert (manifest["config"]["mediaType"], manifest["layers"][0]["mediaType"]) == (SIF, SIF_LAYER)


def test_by_default_it_is_taken(workstation: Workstation, place: Place) -> None:
    taken(workstation, place)


def test_it_is_taken_where_the_guides_configuration_lists_it(workstation: Workstation, guided: Place) -> None:
    taken(workstation, guided)


def test_where_it_is_not_listed_the_refusal_names_the_type_and_the_key(
    workstation: Workstation, narrow: Place
) -> None:
    words = workstation.refused(*sif(workstation, narrow), "--debug")

    assert "415 Unsupported Media Type" in words
    assert f"type {SIF} is not among {KEY}" in words


def test_a_layer_that_is_not_listed_is_refused_by_its_type(workstation: Workstation, guided: Place) -> None:
    words = workstation.refused(*sif(workstation, guided, layer="application/vnd.example.squashfs"))

    assert "application/vnd.example.squashfs" in words
    assert KEY in words


def test_images_charts_and_zstd_go_on_where_the_key_is_set(workstation: Workstation, narrow: Place) -> None:
    workstation.know(narrow.host, narrow.user, narrow.password)
    image = f"{narrow.new()}:1"
    layout = small_image(workstation.work / "image").folder
    workstation.run("oras", "cp", "--from-oci-layout", f"{layout}:1", "--to-plain-http", image)
    workstation.run(
        "skopeo", "copy", "--dest-tls-verify=false", "--dest-compress-format", "zstd", "--format", "oci",
        f"oci:{layout}:1", f"docker://{image}-zstd",
    )  # fmt: skip
    workstation.run("helm", "package", chart(workstation.work, "web", "0.1.0"))
    charts = narrow.new("charts")
    workstation.run("helm", "push", PLAIN, "web-0.1.0.tgz", f"oci://{charts}")

    assert narrow.tags(image.rpartition(":")[0]) == ["1", "1-zstd"]
    assert narrow.tags(f"{charts}/web") == ["0.1.0"]
