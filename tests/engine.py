"""A Docker engine for tests: dockerd with a socket and a data folder of its own, ended by its pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients import Workstation, missing, need

START_S = 60


@contextmanager
def engine() -> Iterator[Path]:
    """The socket of a running engine. Where the machine does not let one run, the test is skipped."""
    program = need("dockerd")
    need("docker")
    if os.geteuid() != 0:
        missing("a Docker engine (only root can start one)")
    # A socket's path must be short, which pytest's folders are not.
    folder = Path(tempfile.mkdtemp(prefix="qf-docker-"))
    command = [
        str(program), "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/pid", "-H", f"unix://{folder}/sock", "--storage-driver", "overlay2",
        "--iptables=false", "--ip6tables=false", "--bridge=none", "--max-concurrent-uploads", "2",
    ]  # fmt: skip
    log = folder / "log"
    home = Workstation(folder / "machine")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=home.env, cwd=folder
        )
    try:
        _wait(folder / "sock", process, log, home)
        yield folder / "sock"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(socket: Path, process: subprocess.Popen[bytes], log: Path, home: Workstation) -> None:
    """Waits until the engine answers; one that ends by itself is missing, one that hangs is an error."""
    until = time.monotonic() + START_S
    docker = [str(need("docker")), "-H", f"unix://{socket}", "version"]
    while process.poll() is None:
        if socket.exists():
            done = subprocess.run(docker, capture_output=True, env=home.env, check=False)
            if done.returncode == 0:
                return
        if time.monotonic() > until:
            raise RuntimeError(f"dockerd does not answer:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
    missing(f"a Docker engine: {log.read_text(errors='replace').strip()[-300:]}")


def _unmount(folder: Path) -> None:
    """Takes off what an engine that was killed left mounted."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    for place in sorted((line.split()[1] for line in lines), reverse=True):
        if place.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", place], check=False)
