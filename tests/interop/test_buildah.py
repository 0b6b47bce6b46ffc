"""buildah builds images and pushes them in every format that it has."""

from __future__ import annotations

import os

import pytest
from clients import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Workstation,
    build_context,
    missing,
)
from place import Place

PLAIN = "--tls-verify=false"


@pytest.fixture
def buildah(workstation: Workstation, place: Place) -> Workstation:
    """A machine with buildah, logged in."""
    if os.geteuid() != 0:
        missing("buildah for another user than root (user namespaces)")
    workstation.run(
        "buildah", "login", PLAIN, "-u", place.user, "--password-stdin", place.host, stdin=place.password
    )
    return workstation


def build(machine: Workstation, name: str, *options: str) -> None:
    context = build_context(machine.work / name, name)
    machine.run(
        "buildah", "bud", "--isolation", "chroot", "--pull-never", "-q", *options, "-t", name, context
    )


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_an_image_in_both_formats(buildah: Workstation, place: Place, form: str, media_type: str) -> None:
    target = place.new()
    build(buildah, "x")
    buildah.run("buildah", "push", PLAIN, "--format", form, "x", f"docker://{target}:1")

    assert place.get(target, "manifests/1").headers["Content-Type"] == media_type
    buildah.run("buildah", "rmi", "-f", "x")
    container = buildah.run("buildah", "from", PLAIN, "--pull-always", f"{target}:1").strip()
    text = buildah.run("buildah", "run", "--isolation", "chroot", container, "--", "/bin/cat", "/text")
    assert text == "x"


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_INDEX), ("v2s2", DOCKER_LIST)])
def test_platforms_are_joined(buildah: Workstation, place: Place, form: str, media_type: str) -> None:
    target = place.new()
    buildah.run("buildah", "manifest", "create", "all")
    for architecture in ("amd64", "arm64"):
        build(buildah, f"x-{architecture}", "--arch", architecture)
        buildah.run("buildah", "manifest", "add", "all", f"x-{architecture}")
    buildah.run(
        "buildah", "manifest", "push", PLAIN, "--all", "--format", form, "all", f"docker://{target}:1"
    )

    assert place.get(target, "manifests/1").headers["Content-Type"] == media_type
    children = place.manifest(target, "1")["manifests"]
    assert sorted(child["platform"]["architecture"] for child in children) == ["amd64", "arm64"]
    for architecture in ("amd64", "arm64"):
        buildah.run("buildah", "pull", PLAIN, "--arch", architecture, f"{target}:1")


def test_layers_compressed_with_zstd(buildah: Workstation, place: Place) -> None:
    target = place.new()
    build(buildah, "x")
    buildah.run(
        "buildah",
        "push",
        PLAIN,
        "--format",
        "oci",
        "--compression-format",
        "zstd",
        "x",
        f"docker://{target}:1",
    )

    layers = place.manifest(target, "1")["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    buildah.run("buildah", "rmi", "-f", "x")
    buildah.run("buildah", "pull", PLAIN, f"{target}:1")


def test_a_build_on_an_image_of_the_registry(buildah: Workstation, place: Place) -> None:
    target = place.new()
    build(buildah, "base")
    buildah.run("buildah", "push", PLAIN, "base", f"docker://{target}:base")
    buildah.run("buildah", "rmi", "-f", "base")
    (buildah.work / "Dockerfile").write_text(f"FROM {target}:base\nRUN echo more >/more\n")
    buildah.run("buildah", "bud", PLAIN, "--isolation", "chroot", "-q", "-t", "next", ".")
    buildah.run("buildah", "push", PLAIN, "next", f"docker://{target}:next")

    layers = [place.manifest(target, tag)["layers"] for tag in ("base", "next")]
    assert len(layers[1]) == len(layers[0]) + 1
