"""A push goes on after the registry was killed (kill -9) and started again on its port and data."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients import Layout, Workstation, build_context, need
from engine import engine
from place import Place

from quayframe.testing.fixtures import MakeServer

MIB = 1 << 20
DEADLINE_S = 60


@pytest.fixture
def place(make_registry_server: MakeServer) -> Place:
    """An account of a registry that this test may kill."""
    return Place.of(make_registry_server(), "owner")


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """The socket of the module's engine."""
    with engine() as path:
        yield path


def wait(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until, f"no {what} within {DEADLINE_S} s"
        time.sleep(0.002)


def received(place: Place) -> int:
    """Bytes of uploads under way in the registry's storage."""
    total = 0
    for folder, _, files in os.walk(place.server.data / "storage" / "uploads"):
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


def finished_uploads(place: Place) -> int:
    """Uploads that the registry has acknowledged, by its log."""
    entries = (json.loads(line) for line in place.server.log.read_text().splitlines() if line.startswith("{"))
    return sum(
        (entry.get("method"), entry.get("status")) == ("PUT", 201) and "/blobs/uploads/" in entry["path"]
        for entry in entries
    )


def kill_in_the_middle(place: Place, push: subprocess.Popen[str]) -> None:
    """Kills the registry while it receives a layer, and starts it again."""
    wait(lambda: received(place) > MIB or push.poll() is not None, "bytes of a layer")
    place.server.kill()
    assert push.poll() is None, "the push was over before the registry was killed"
    place.server.start()


def test_a_push_of_docker_goes_on_by_itself(workstation: Workstation, place: Place, socket: Path) -> None:
    workstation.env["DOCKER_HOST"] = f"unix://{socket}"
    workstation.know(place.host, place.user, place.password)
    target = place.new()
    context = build_context(workstation.work / "image", "text")
    (context / "rootfs" / "large").write_bytes(os.urandom(32 * MIB))
    workstation.run("docker", "build", "-q", "-t", f"{target}:1", context)
    push = workstation.start("docker", "push", f"{target}:1")
    kill_in_the_middle(place, push)
    words, _ = push.communicate(timeout=120)

    assert push.returncode == 0, words
    workstation.run("docker", "rmi", f"{target}:1")
    workstation.run("docker", "pull", f"{target}:1")
    assert workstation.run("docker", "run", "--rm", "--network", "none", f"{target}:1") == "text"


def test_a_second_push_uploads_only_what_is_missing(known: Workstation, place: Place) -> None:
    layout, target = Layout(known.work / "image"), place.new()
    layout.image([{"small": b"small"}], "small")
    layout.image([{"small": b"small"}, {"large": os.urandom(96 * MIB)}], "large")
    copy = ("copy", "--dest-tls-verify=false", "--dest-decompress=false")
    known.run("skopeo", *copy, f"oci:{layout.folder}:small", f"docker://{target}:small")
    push = known.start("skopeo", *copy, f"oci:{layout.folder}:large", f"docker://{target}:large")
    kill_in_the_middle(place, push)
    words, _ = push.communicate(timeout=120)
    assert push.returncode != 0, words
    assert place.tags(target) == ["small"]

    before = finished_uploads(place)
    known.run("skopeo", *copy, f"oci:{layout.folder}:large", f"docker://{target}:large")
    known.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{target}:large", "oci:back:1")
    # the large layer and the configuration; the small layer was acknowledged before
    assert finished_uploads(place) - before == 2


def test_an_upload_in_chunks_goes_on_where_it_was(known: Workstation, place: Place) -> None:
    repository, data = place.new(), os.urandom(6 * MIB)
    known.run(
        "regctl", "registry", "set", "--skip-check", "--tls", "disabled", "--blob-chunk", str(MIB),
        "--blob-max", str(MIB), place.host,
    )  # fmt: skip
    push = subprocess.Popen(
        [need("regctl"), "blob", "put", repository],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=known.env,
    )  # fmt: skip
    assert push.stdin is not None
    push.stdin.write(data[: 3 * MIB + 5])
    push.stdin.flush()
    wait(lambda: received(place) >= 3 * MIB, "three chunks")
    place.server.kill()
    place.server.start()
    out, words = push.communicate(data[3 * MIB + 5 :], timeout=120)

    assert push.returncode == 0, words
    digest = Layout(known.work / "layout").blob(data, "text/plain")["digest"]
    assert digest in out.decode()
    assert place.get(repository, f"blobs/{digest}").content == data
