"""examples/container: the image is built without network, and what is in it serves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from clients import Workstation, missing, need
from deployments import EXAMPLES
from python_base import root
from servers import free_port

TREE = EXAMPLES.parent
_BESIDE = (".*", "*.egg-info", "build", "tests", "bench", "plugins", "docs", "examples")


def wheels(folder: Path) -> None:
    """The core, a storage plugin, and all that they need."""
    if not any(folder.glob("*.whl")):
        sources = [TREE, TREE / "plugins" / "storage" / "local"]
        copies = []
        for number, source in enumerate(sources):
            # A build leaves things beside its source.
            copy = folder.parent / f"source{number}"
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*_BESIDE))
            copies.append(copy)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--wheel-dir", str(folder), *map(str, copies)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr


@pytest.mark.timeout(400)
def test_the_image_serves(tmp_path: Path, workstation: Workstation) -> None:
    if os.geteuid() != 0:
        missing("buildah's chroot isolation (root)")
    buildah = [
        str(need("buildah")), "--root", str(tmp_path / "images"), "--runroot", str(tmp_path / "run"),
        "--storage-driver", "vfs",
    ]  # fmt: skip

    def build(*arguments: object) -> str:
        done = subprocess.run(
            [*buildah, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240,
            env=workstation.env,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = tmp_path / "base"
    root(base / "rootfs")
    (base / "Containerfile").write_text("FROM scratch\nCOPY rootfs/ /\n")
    build("bud", "--isolation", "chroot", "--pull-never", "-t", "base", base)
    shutil.rmtree(base)
    context = tmp_path / "context"
    shutil.copytree(EXAMPLES / "container", context)
    wheels(context / "wheels")
    build(
        "bud", "--isolation", "chroot", "--pull-never", "--build-arg", "BASE=localhost/base",
        "--build-arg", "WHEELS=wheels", "--build-arg", "CORE=quayframe",
        "--build-arg", "PLUGINS=quayframe-storage-local", "-t", "quayframe",
        context,
    )  # fmt: skip
    shutil.rmtree(context)
    container = build("from", "--pull-never", "localhost/quayframe")
    port = free_port()
    # The network is the machine's own: `chroot` isolates files alone.
    serve = [*buildah, "run", "--isolation", "chroot", container, "--"]
    assert build("run", "--isolation", "chroot", container, "--", "id", "-u") == "10001"
    program = ["quayframe", "serve", "--data", "/var/lib/quayframe", "--bind", f"127.0.0.1:{port}"]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [*serve, *program], stdout=log, stderr=log, env=workstation.env, start_new_session=True
    )
    try:
        until = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.1)
        assert requests.get(f"http://127.0.0.1:{port}/v2/", timeout=10).status_code == 401
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/instance", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
