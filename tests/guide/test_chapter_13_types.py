"""Chapter 13, sections 13.6 and 13.7: further types of artifacts, and none at all.

The configuration is the guide's, letter for letter; the SIF image is pushed by oras, as singularity would.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from charts import chart
from clients import Workstation, small_image
from place import Place

from quayframe.testing.server import RegistryServer

CONFIGURATIONS = Path(__file__).parents[1] / "config" / "guide"
SIF = "application/vnd.sylabs.sif.config.v1+json"
SIF_LAYER = "application/vnd.sylabs.sif.layer.v1+tar"
PLAIN = "--plain-http"


def configured(name: str, folder: Path) -> Iterator[Place]:
    """A registry with this configuration of the guide, and an account in it."""
    config = yaml.safe_load((CONFIGURATIONS / f"{name}.yaml").read_text())
    server = RegistryServer(folder, config).start()
    try:
        yield Place.of(server, "owner")
    finally:
        server.kill()


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The registry of section 13.6."""
    yield from configured("13-6-as-printed", tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The registry of section 13.7."""
    yield from configured("13-7-oci-off", tmp_path_factory.mktemp("off"))


def known(machine: Workstation, registry: Place) -> Workstation:
    machine.know(registry.host, registry.user, registry.password)
    return machine


def push_sif(machine: Workstation, target: str, config: str = SIF, layer: str = SIF_LAYER) -> tuple[str, ...]:
    """The command that pushes a container of singularity's."""
    (machine.work / "container.sif").write_bytes(b"SIF_MAGIC" * 100)
    (machine.work / "config.json").write_text("{}")
    return "oras", "push", PLAIN, "--config", f"config.json:{config}", target, f"container.sif:{layer}"


def test_13_6_a_container_of_singularity_is_taken_where_the_key_lists_it(
    machine: Workstation, guided: Place
) -> None:
    target = f"{guided.new('sif')}:1"
    known(machine, guided).run(*push_sif(machine, target))
    machine.run("oras", "pull", PLAIN, target, "-o", "back")

    assert (machine.work / "back" / "container.sif").read_bytes() == b"SIF_MAGIC" * 100
    manifest = guided.manifest(*target.rsplit(":", 1))
    assert (manifest["config"]["mediaType"], manifest["layers"][0]["mediaType"]) == (SIF, SIF_LAYER)


def test_13_6_other_types_are_refused_and_told_why(machine: Workstation, guided: Place) -> None:
    """ "For any other OCI media types that are not supported by default, add them with
    ALLOWED_OCI_ARTIFACT_TYPES." """
    target = f"{guided.new('wasm')}:1"
    other = push_sif(known(machine, guided), target, config="application/vnd.wasm.config.v1+json")
    words = machine.refused(*other)

    assert "type application/vnd.wasm.config.v1+json is not among ALLOWED_OCI_ARTIFACT_TYPES" in words


def test_13_6_helm_and_cosign_that_were_listed_too_go_on(machine: Workstation, guided: Place) -> None:
    """ "When adding OCI media types, users must manually add support for cosign and Helm." """
    known(machine, guided)
    machine.run("helm", "package", chart(machine.work, "etherpad", "0.0.4"))
    charts = guided.new("helm")
    machine.run("helm", "push", PLAIN, "etherpad-0.0.4.tgz", f"oci://{charts}")
    assert guided.tags(f"{charts}/etherpad") == ["0.0.4"]

    image = f"{guided.new('busybox')}:1"
    layout = small_image(machine.work / "image").folder
    machine.run("oras", "cp", "--from-oci-layout", f"{layout}:1", "--to-plain-http", image)
    machine.run("cosign", "generate-key-pair")
    options = ("--allow-insecure-registry", "--new-bundle-format=false")
    quiet = ("--yes", "--tlog-upload=false", "--use-signing-config=false")
    machine.run("cosign", "sign", *quiet, *options, "--key", "cosign.key", image)
    machine.run("cosign", "verify", *options, "--insecure-ignore-tlog=true", "--key", "cosign.pub", image)


def test_13_7_artifacts_are_switched_off(machine: Workstation, off: Place) -> None:
    words = known(machine, off).refused(*push_sif(machine, f"{off.new('sif')}:1"))

    assert "FEATURE_GENERAL_OCI_SUPPORT" in words
