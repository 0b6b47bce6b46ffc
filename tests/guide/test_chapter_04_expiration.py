"""Chapter 4, section 4.2.1: a tag's end set in the Dockerfile."""

from __future__ import annotations

import time

import pytest
import requests
from clients import ClientFailed, Workstation, build_context
from place import Place

DEADLINE_S = 60


def built(machine: Workstation, place: Place, life: str) -> str:
    """An image built from a Dockerfile with `LABEL quay.expires-after=...`, and pushed."""
    machine.know(place.host, place.user, place.password)
    target = f"{place.new('expiring')}:latest"
    context = build_context(machine.work / "image", target)
    with (context / "Dockerfile").open("a") as file:
        file.write(f"LABEL quay.expires-after={life}\n")
    machine.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", target, context)
    machine.run("podman", "push", target)
    return target


def refusal(place: Place, repository: str) -> str | None:
    """The code with which the tag is refused; None while it is served."""
    try:
        place.get(repository, "manifests/latest")
    except requests.HTTPError as error:
        return str(error.response.json()["errors"][0]["code"])
    return None


def test_a_label_in_the_dockerfile_ends_the_tag_by_itself(machine: Workstation, place: Place) -> None:
    """ "Setting a label such as quay.expires-after=20h makes the tag expire after that time." """
    target = built(machine, place, "2s")
    repository = target.rpartition(":")[0]
    deadline = time.monotonic() + DEADLINE_S
    while (code := refusal(place, repository)) is None and time.monotonic() < deadline:
        time.sleep(0.2)

    assert code == "TAG_EXPIRED"
    assert place.tags(repository) == []
    machine.run("podman", "rmi", target)
    with pytest.raises(ClientFailed):
        machine.run("podman", "pull", target)


def test_until_then_it_is_served(machine: Workstation, place: Place) -> None:
    target = built(machine, place, "20h")

    machine.run("podman", "rmi", target)
    machine.run("podman", "pull", target)
