"""docker, with a real engine: log-in, build, push, pull, run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients import DOCKER_LIST, DOCKER_MANIFEST, Workstation, build_context
from engine import engine
from place import Place


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """The socket of the module's engine."""
    with engine() as path:
        yield path


@pytest.fixture
def docker(workstation: Workstation, socket: Path, place: Place) -> Workstation:
    """A machine whose docker speaks to the engine, and has logged in."""
    workstation.env["DOCKER_HOST"] = f"unix://{socket}"
    workstation.run("docker", "login", "-u", place.user, "--password-stdin", place.host, stdin=place.password)
    return workstation


@pytest.fixture
def build(docker: Workstation, place: Place) -> Callable[..., tuple[str, str]]:
    """Builds an image whose container prints a text; returns (reference, text)."""

    def made(**env: str) -> tuple[str, str]:
        text, name = secrets.token_hex(8), f"{place.new()}:1"
        context = build_context(docker.work / text, text)
        docker.run("docker", "build", "--network", "host", "-q", "-t", name, context, env=env)
        return name, text

    return made


def test_a_wrong_password_is_refused(workstation: Workstation, socket: Path, place: Place) -> None:
    words = workstation.refused(
        "docker",
        "-H",
        f"unix://{socket}",
        "login",
        "-u",
        "nobody",
        "--password-stdin",
        place.host,
        stdin="wrong",
    )
    assert "Invalid Username or Password" in words


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic builder", "BuildKit"])
def test_an_image_is_pushed_pulled_and_run(
    docker: Workstation, place: Place, build: Callable[..., tuple[str, str]], buildkit: str
) -> None:
    name, text = build(DOCKER_BUILDKIT=buildkit)
    docker.run("docker", "push", name)
    repository, _, tag = name.rpartition(":")
    assert place.get(repository, f"manifests/{tag}").headers["Content-Type"] == DOCKER_MANIFEST
    docker.run("docker", "rmi", name)
    docker.run("docker", "pull", name)

    assert docker.run("docker", "run", "--rm", "--network", "none", name) == text


def test_an_image_is_pulled_by_its_digest(
    docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]
) -> None:
    name, text = build()
    docker.run("docker", "push", name)
    docker.run("docker", "rmi", name)
    repository, _, tag = name.rpartition(":")
    by_digest = f"{repository}@{place.digest(repository, tag)}"
    docker.run("docker", "pull", by_digest)

    assert docker.run("docker", "run", "--rm", "--network", "none", by_digest) == text


def test_layers_of_one_repository_are_mounted_in_another(
    docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]
) -> None:
    name, _ = build()
    docker.run("docker", "push", name)
    other = f"{place.new('other')}:1"
    docker.run("docker", "tag", name, other)

    assert f"Mounted from {name.partition('/')[2].rpartition(':')[0]}" in docker.run("docker", "push", other)


def test_a_push_of_all_tags(docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]) -> None:
    name, _ = build()
    repository = name.rpartition(":")[0]
    docker.run("docker", "tag", name, f"{repository}:2")
    docker.run("docker", "push", "--all-tags", repository)

    assert place.tags(repository) == ["1", "2"]


def test_a_manifest_list(docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]) -> None:
    name, _ = build()
    docker.run("docker", "push", name)
    repository = name.rpartition(":")[0]
    experimental = {"DOCKER_CLI_EXPERIMENTAL": "enabled"}
    docker.run("docker", "manifest", "create", "--insecure", f"{repository}:all", name, env=experimental)
    docker.run("docker", "manifest", "push", "--insecure", f"{repository}:all", env=experimental)

    assert place.get(repository, "manifests/all").headers["Content-Type"] == DOCKER_LIST
    docker.run("docker", "rmi", name)
    docker.run("docker", "pull", f"{repository}:all")


def test_nobody_pushes_into_the_namespace_of_another(
    docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]
) -> None:
    name, _ = build()
    theirs = f"{place.host}/admin/theirs:1"
    docker.run("docker", "tag", name, theirs)

    assert "unauthorized: access to the requested resource is not authorized" in docker.refused(
        "docker", "push", theirs
    )


def test_after_log_out_a_private_image_is_not_pulled(
    docker: Workstation, place: Place, build: Callable[..., tuple[str, str]]
) -> None:
    name, _ = build()
    docker.run("docker", "push", name)
    docker.run("docker", "rmi", name)
    docker.run("docker", "logout", place.host)

    assert "unauthorized" in docker.refused("docker", "pull", name)
