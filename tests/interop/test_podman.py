"""podman: log-in, build, push, pull, run."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import DOCKER_MANIFEST, OCI_MANIFEST, Workstation, build_context, missing, need
from place import Place

PLAIN = "--tls-verify=false"


@pytest.fixture
def workstation() -> Iterator[Workstation]:
    """A machine in a folder of a short path: in a long one podman does not hear that a container ended."""
    machine = Workstation(Path(tempfile.mkdtemp(prefix="qf-podman-")))
    yield machine
    shutil.rmtree(machine.folder)


@pytest.fixture
def podman(workstation: Workstation, place: Place) -> Iterator[Workstation]:
    """A machine with podman, logged in."""
    need("podman")
    need("runc")
    if os.geteuid() != 0:
        missing("podman for another user than root (user namespaces)")
    workstation.run(
        "podman", "login", PLAIN, "-u", place.user, "--password-stdin", place.host, stdin=place.password
    )
    yield workstation
    workstation.run("podman", "system", "reset", "--force")


def build(machine: Workstation, name: str) -> str:
    """Builds an image; returns the text that a container of it prints."""
    text = secrets.token_hex(8)
    context = build_context(machine.work / text, text)
    machine.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", name, context)
    return text


def run(machine: Workstation, name: str, *options: str) -> str:
    """What a container of an image prints."""
    return machine.run(
        "podman", "run", "--rm", "--network", "host", "--security-opt", "seccomp=unconfined", *options, name
    )


def test_a_wrong_password_is_refused(workstation: Workstation, place: Place) -> None:
    words = workstation.refused(
        "podman", "login", PLAIN, "-u", "nobody", "--password-stdin", place.host, stdin="wrong"
    )
    assert "invalid username/password" in words


def test_an_image_is_pushed_pulled_and_run(podman: Workstation, place: Place) -> None:
    name = f"{place.new()}:1"
    text = build(podman, name)
    podman.run("podman", "push", PLAIN, name)
    podman.run("podman", "rmi", name)
    podman.run("podman", "pull", PLAIN, name)

    assert run(podman, name) == text


def test_an_image_is_pulled_by_its_digest_and_run(podman: Workstation, place: Place) -> None:
    name = f"{place.new()}:1"
    text = build(podman, name)
    podman.run("podman", "push", PLAIN, "--digestfile", "digest", name)
    podman.run("podman", "rmi", name)
    by_digest = f"{name.rpartition(':')[0]}@{(podman.work / 'digest').read_text()}"
    podman.run("podman", "pull", PLAIN, by_digest)

    assert run(podman, by_digest) == text


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_both_formats_are_pushed(podman: Workstation, place: Place, form: str, media_type: str) -> None:
    target = place.new()
    build(podman, "localhost/x:1")
    podman.run("podman", "push", PLAIN, "--format", form, "localhost/x:1", f"{target}:1")

    assert place.get(target, "manifests/1").headers["Content-Type"] == media_type


def test_layers_compressed_with_zstd_are_run(podman: Workstation, place: Place) -> None:
    name = f"{place.new()}:1"
    text = build(podman, name)
    podman.run("podman", "push", PLAIN, "--compression-format", "zstd", "--format", "oci", name)
    layers = place.manifest(*name.rsplit(":", 1))["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    podman.run("podman", "rmi", name)

    assert run(podman, name, PLAIN) == text


def test_after_log_out_a_private_image_is_not_pulled(podman: Workstation, place: Place) -> None:
    name = f"{place.new()}:1"
    build(podman, name)
    podman.run("podman", "push", PLAIN, name)
    podman.run("podman", "rmi", name)
    podman.run("podman", "logout", place.host)

    assert "unauthorized" in podman.refused("podman", "pull", PLAIN, name)
