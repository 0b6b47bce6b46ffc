"""The disk is full while an upload is written: refused, nothing kept, and all well when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leftovers import leftovers
from protocol import Protocol, code, sha256

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_upload_that_does_not_fit_leaves_nothing_and_no_harm(
    small_disk: Path, make_protocol: Callable[..., Protocol]
) -> None:
    storage = small_disk / "storage"
    protocol = make_protocol(
        DISTRIBUTED_STORAGE_CONFIG={"default": ["LocalStorage", {"storage_path": str(storage)}]},
        DISTRIBUTED_STORAGE_PREFERENCE=["default"],
    )
    repo = protocol.repo()
    _, body = repo.image("v1")
    big = os.urandom(12 * MIB)
    location = repo.begin()
    assert repo.patch(location, big[: 2 * MIB], 0).status_code == 202

    chunk = repo.patch(location, big[2 * MIB :], 2 * MIB)
    whole = repo.do("POST", f"blobs/uploads/?digest={sha256(big)}", data=big)
    put = repo.finish(location, sha256(big), big[2 * MIB :])
    for answer in (chunk, whole, put):
        assert (answer.status_code, code(answer)) == (507, "UNAVAILABLE")
    # The upload is what it was, and goes on with what fits.
    assert repo.session.get(location).headers["Range"] == f"0-{2 * MIB - 1}"
    rest = os.urandom(MIB)
    digest = sha256(big[: 2 * MIB] + rest)
    assert repo.finish(location, digest, rest).status_code == 201
    assert repo.get(f"blobs/{digest}").content == big[: 2 * MIB] + rest
    assert repo.get("manifests/v1").content == body
    protocol.registry.collector.sweep(-1000)
    assert leftovers(protocol.registry.db, storage) == []


def test_with_the_disk_of_the_database_full_pulls_go_on(
    small_disk: Path, make_protocol: Callable[..., Protocol]
) -> None:
    protocol = make_protocol(DB_URI=f"sqlite:///{small_disk}/registry.db")
    repo = protocol.repo()
    _, body = repo.image("v1")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    statuses = [repo.do("POST", "blobs/uploads/").status_code for _ in range(30)]
    assert set(statuses) <= {202, 507, 503}
    assert statuses[-1] in (507, 503)
    assert repo.get("manifests/v1").content == body
    filler.unlink()

    assert repo.image("v2")
