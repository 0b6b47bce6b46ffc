"""Chapter 4, tags: section 4.1.5, an image fetched by tag or by digest."""

from __future__ import annotations

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


@pytest.fixture
def docker(machine: Workstation, place: Place, socket: Path) -> Workstation:
    """A machine on which docker has logged in; podman reads the same credentials."""
    machine.env["DOCKER_HOST"] = f"unix://{socket}"
    machine.run("docker", "login", "-u", place.user, "--password-stdin", place.host, stdin=place.password)
    return machine


@pytest.fixture
def whatever(docker: Workstation, place: Place) -> str:
    """A repository with the image `latest`, which the machine itself has not got."""
    target = place.new("whatever")
    docker.run("docker", "build", "-q", "-t", target, build_context(docker.work / "image", target))
    docker.run("docker", "push", target)
    docker.run("docker", "rmi", target)
    return target


def test_pull_by_tag(docker: Workstation, whatever: str) -> None:
    """`docker pull quay.io/cnegus/whatever:latest`. "The image is now ready to run on the local system." """
    docker.run("docker", "pull", f"{whatever}:latest")
    assert docker.run("docker", "run", "--rm", "--network", "none", f"{whatever}:latest") == whatever


def test_pull_by_digest(docker: Workstation, place: Place, whatever: str) -> None:
    """`docker pull quay.io/cnegus/whatever@sha256:e02231a6...`."""
    by_digest = f"{whatever}@{place.digest(whatever, 'latest')}"
    docker.run("docker", "pull", by_digest)
    assert docker.run("docker", "run", "--rm", "--network", "none", by_digest) == whatever


def test_a_digest_names_the_image_after_its_tag_has_moved(
    docker: Workstation, place: Place, whatever: str
) -> None:
    """What the two kinds of pull differ in: a tag moves, a digest does not, as long as some tag holds it."""
    by_digest = f"{whatever}@{place.digest(whatever, 'latest')}"
    docker.run("docker", "pull", whatever)
    docker.run("docker", "tag", whatever, f"{whatever}:old")
    docker.run("docker", "push", f"{whatever}:old")
    docker.run("docker", "build", "-q", "-t", whatever, build_context(docker.work / "new", "new"))
    docker.run("docker", "push", whatever)
    docker.run("docker", "rmi", whatever, f"{whatever}:old")

    docker.run("docker", "pull", f"{whatever}:latest")
    docker.run("docker", "pull", by_digest)
    assert docker.run("docker", "run", "--rm", "--network", "none", f"{whatever}:latest") == "new"
    assert docker.run("docker", "run", "--rm", "--network", "none", by_digest) == whatever


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_podman_in_place_of_docker(docker: Workstation, place: Place, whatever: str, by: str) -> None:
    """ "On RHEL and Fedora systems, you can use podman in place of docker to pull and run the image." """
    name = f"{whatever}:latest" if by == "tag" else f"{whatever}@{place.digest(whatever, 'latest')}"
    docker.run("podman", "pull", "--tls-verify=false", name)
    run = ("run", "--rm", "--network", "host", "--security-opt", "seccomp=unconfined")
    assert docker.run("podman", *run, name) == whatever
