"""Chapter 2, repositories: section 2.2, made by docker or podman."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import Workstation, build_context
from engine import engine
from place import Place


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """The socket of a Docker engine."""
    with engine() as path:
        yield path


def log_in(machine: Workstation, place: Place, client: str, *options: str) -> None:
    machine.run(
        client, "login", *options, "-u", place.user, "--password-stdin", place.host, stdin=place.password
    )


def missing(place: Place, repository: str) -> bool:
    """Whether the owner is told that there is no such repository."""
    name = repository.removeprefix(f"{place.host}/")
    session = place.server.session((place.user, place.password), f"repository:{name}:pull")
    answer = session.get(f"{place.server.url}/v2/{name}/tags/list", timeout=30)
    return answer.status_code in (401, 404)


def test_a_push_with_podman_makes_the_repository(machine: Workstation, place: Place) -> None:
    """ "Tag the image with the name of the new repository: `podman tag myubi-minimal
    reg.example.com/namespace/repo_name`. Push it to the registry: `podman push
    reg.example.com/namespace/repo_name`." "Pushing an image to a repository that does not exist creates it."
    """
    target = place.new("repo_name")
    log_in(machine, place, "podman", "--tls-verify=false")
    context = build_context(machine.work / "image", "text")
    machine.run(
        "podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", "myubi-minimal", context
    )
    assert missing(place, target)

    machine.run("podman", "tag", "myubi-minimal", target)
    machine.run("podman", "push", "--tls-verify=false", target)
    assert place.tags(target) == ["latest"]


def test_a_push_with_docker_makes_the_repository(machine: Workstation, place: Place, socket: Path) -> None:
    """The same steps with docker."""
    machine.env["DOCKER_HOST"] = f"unix://{socket}"
    target = place.new("repo_name")
    log_in(machine, place, "docker")
    image = f"myubi-{secrets.token_hex(4)}"
    machine.run("docker", "build", "-q", "-t", image, build_context(machine.work / "image", image))
    assert missing(place, target)

    machine.run("docker", "tag", image, target)
    machine.run("docker", "push", target)
    assert place.tags(target) == ["latest"]


def test_without_the_proper_credentials_nothing_is_made(machine: Workstation, place: Place) -> None:
    """ "Given that you have the proper credentials": without them the push is refused."""
    target = place.new("repo_name")
    context = build_context(machine.work / "image", "text")
    machine.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", target, context)

    assert "unauthorized" in machine.refused("podman", "push", "--tls-verify=false", target)
    assert missing(place, target)
