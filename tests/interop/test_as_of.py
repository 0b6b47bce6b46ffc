"""crane, skopeo and podman pull what a tag was, by the reference that every client can write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clients import ClientFailed, Workstation, digest, small_image, two_platforms
from place import Place

from quayframe.testing.server import RegistryServer

WINDOW_S = 8
DEADLINE_S = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry whose time machine goes back a few seconds, and in which nothing is collected by itself."""
    config = {"TAG_EXPIRATION_OPTIONS": [f"{WINDOW_S}s"], "DEFAULT_TAG_EXPIRATION": f"{WINDOW_S}s"}
    server = RegistryServer(tmp_path_factory.mktemp("registry"), config, ["--only", "web"]).start()
    try:
        yield Place.of(server, "ann")
    finally:
        server.kill()


def mark() -> str:
    """The suffix of a moment after all that has happened, and before all that will."""
    second = int(time.time()) + 1
    while time.time() < second:
        time.sleep(second - time.time())
    text = datetime.fromtimestamp(second, UTC).strftime(".at.%Y%m%dT%H%M%SZ")
    # What comes next does not fall on the moment itself.
    time.sleep(0.01)
    return text


def replaced(machine: Workstation, place: Place) -> tuple[str, str, str]:
    """(repository, the digest of an index that its tag `1` was, the suffix of a moment of then)."""
    target = place.new()
    machine.run("crane", "push", two_platforms(machine.work / "old").folder, f"{target}:1")
    old = machine.run("crane", "digest", f"{target}:1").strip()
    suffix = mark()
    machine.run("crane", "push", small_image(machine.work / "new").folder, f"{target}:1")
    assert machine.run("crane", "digest", f"{target}:1").strip() != old
    return target, old, suffix


def test_crane_pulls_an_index_as_it_was_and_whole_after_a_collection(
    known: Workstation, place: Place
) -> None:
    target, old, suffix = replaced(known, place)
    assert known.run("crane", "digest", f"{target}:1{suffix}").strip() == old

    # Until the past is closed, and what was in it collected.
    deadline = time.monotonic() + DEADLINE_S
    while "MANIFEST_UNKNOWN" not in asked(known, f"{target}:1{suffix}"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "intervals=1" in place.server.cli("gc", "run")

    known.run("crane", "pull", "--format=oci", f"{target}@{old}", "back")
    blobs = known.work / "back" / "blobs" / "sha256"
    pulled = {file.name for file in blobs.iterdir()}
    assert {f"sha256:{name}" for name in pulled} == {digest((blobs / name).read_bytes()) for name in pulled}
    pushed = {file.name for file in (known.work / "old" / "blobs" / "sha256").iterdir()}
    assert pushed <= pulled


def asked(machine: Workstation, reference: str) -> str:
    """What crane prints of a reference, or why it cannot."""
    try:
        return machine.run("crane", "digest", reference)
    except ClientFailed as failed:
        # HEAD has no body to say it; crane asks again with GET.
        return str(failed)


def test_a_platform_of_an_index_as_it_was(known: Workstation, place: Place) -> None:
    target, _, suffix = replaced(known, place)

    config = known.json("crane", "config", "--platform", "linux/arm64", f"{target}:1{suffix}")
    assert config["architecture"] == "arm64"


def test_skopeo_copies_an_image_as_it_was(known: Workstation, place: Place) -> None:
    target, old, suffix = replaced(known, place)
    known.run(
        "skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{target}:1{suffix}", "oci:back:1"
    )

    assert (known.work / "back" / "blobs" / "sha256" / old.partition(":")[2]).exists()


def test_a_container_engine_pulls_an_image_as_it_was(
    known: Workstation, place: Place, tmp_path: Path
) -> None:
    target = place.new()
    layout = small_image(tmp_path / "one")
    known.run("crane", "push", layout.folder, f"{target}:1")
    suffix = mark()
    known.run("crane", "delete", f"{target}:1")
    known.refused("podman", "pull", "-q", f"{target}:1")

    known.run("podman", "pull", "-q", f"{target}:1{suffix}")
    try:
        assert f"{target}:1{suffix}" in known.run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}")
    finally:
        known.run("podman", "system", "reset", "--force")
