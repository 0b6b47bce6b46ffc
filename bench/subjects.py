"""The registries under test: how each is started, asked, looked at and ended."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quayframe" / "bin"
START_S = 30.0
OURS = "quayframe"
GUNICORN = "gunicorn"
V3 = "distribution v3"
DEBIAN = "docker-registry"
REPOSITORY = "admin/bench"

_PEER = """\
version: 0.1
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {root}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""


class Subject:
    """A registry on a free port of 127.0.0.1, its data in a folder of its own, its log in a file."""

    ours = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def command(self) -> list[str]:
        """How it is started on `port` with its data below `folder`."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def authorization(self, actions: str = "pull") -> dict[str, str]:
        """Headers of a request to REPOSITORY; peers need none."""
        return {}

    @property
    def credentials(self) -> tuple[str, str] | None:
        return None

    def start(self, folder: Path) -> float:
        """Starts it; gives the seconds until it answered a request. Raises RuntimeError with its log."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = self.port or _free_port()
        command = self.command()
        log = folder / "server.log"
        begun = time.monotonic()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment()
            )
        while time.monotonic() - begun < START_S and self._process.poll() is None:
            if _answers(self.port):
                return time.monotonic() - begun
            time.sleep(0.005)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """Ends it, kindly at first. May be called again."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.pids()):
                os.kill(pid, 9)
            process.wait(5)
        self._process = None

    def pids(self) -> list[int]:
        """Its processes: the one that was started, and their children."""
        if self._process is None:
            return []
        found = [self._process.pid]
        for pid in found:
            for file in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in file.read_text().split())
        return found


class Quayframe(Subject):
    """This registry, as `quayframe serve` starts it without a configuration: embedded, request log on.

    :param config: keys of config.yaml, for measures that need some.
    """

    ours = True

    def __init__(self, name: str, server: str, config: dict[str, Any] | None = None) -> None:
        super().__init__(name)
        self.server = server
        self._config = config

    def command(self) -> list[str]:
        return self.cli("serve", "--server", self.server, "--bind", self.host)

    def cli(self, *arguments: str) -> list[str]:
        """`quayframe ...` on its data and its configuration."""
        command = [sys.executable, "-m", "quayframe", *arguments, "--data", str(self.folder / "data")]
        if self._config is None:
            return command
        file = self.folder / "config.yaml"
        keys = {"SECRET_KEY": "0" * 64, "DATABASE_SECRET_KEY": "1" * 64, "SUPER_USERS": ["admin"]}
        file.write_text(json.dumps(keys | self._config))
        return [*command, "--config", str(file)]

    @property
    def credentials(self) -> tuple[str, str]:
        return "admin", (self.folder / "data" / "admin-password").read_text().strip()

    @property
    def basic(self) -> dict[str, str]:
        """The header of a log-in by password."""
        pair = ":".join(self.credentials).encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def auth_path(self, actions: str) -> str:
        return f"/v2/auth?service={self.host}&scope=repository:{REPOSITORY}:{actions}"

    def authorization(self, actions: str = "pull") -> dict[str, str]:
        answer = requests.get(self.url + self.auth_path(actions), headers=self.basic, timeout=30)
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['token']}"}


class Peer(Subject):
    """Docker's registry, of either generation: file system storage, access log on, nobody logs in."""

    def __init__(self, name: str, start: list[str]) -> None:
        super().__init__(name)
        self._start = start

    def command(self) -> list[str]:
        file = self.folder / "config.yml"
        file.write_text(_PEER.format(root=self.folder / "data", port=self.port))
        return [*self._start, str(file)]

    def environment(self) -> dict[str, str]:
        # Version 2.8 refuses the first where it has no use for it; version 3 sends traces by default,
        # to a collector that is not there.
        env = {key: value for key, value in os.environ.items() if key != "AWS_CA_BUNDLE"}
        return env | {"OTEL_TRACES_EXPORTER": "none"}


def find_all() -> tuple[list[Subject], list[str]]:
    """(those that are installed, what is missing and how to get it). Ours are always there."""
    subjects: list[Subject] = [Quayframe(OURS, "granian")]
    missing = []
    third = CACHE / "registry"
    if third.is_file():
        subjects.append(Peer(V3, [str(third), "serve"]))
    else:
        missing.append(f"{third} is missing (make clients): no comparison with distribution v3")
    second = shutil.which("docker-registry")
    if second is not None:
        subjects.append(Peer(DEBIAN, [second, "serve"]))
    else:
        missing.append("docker-registry is missing (apt-get install docker-registry): no comparison with it")
    subjects.append(Quayframe(GUNICORN, "gunicorn"))
    return subjects, missing


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False
