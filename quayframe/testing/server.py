"""A real registry for tests: `quayframe serve` in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

START_S = 30.0


@dataclass
class RegistryServer:
    """A registry under test. Start it with `start`, end it with `stop` or `kill`; it may be started again
    on the same data, then on the same port.

    :param folder: where its data, configuration and log go.
    :param config: keys of config.yaml.
    :param arguments: further arguments of `quayframe serve`.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Everything that its processes printed."""
        return self.folder / "serve.log"

    @property
    def host(self) -> str:
        """`127.0.0.1:<port>`, as clients name the registry."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def admin_password(self) -> str:
        return (self.data / "admin-password").read_text().strip()

    @property
    def admin(self) -> tuple[str, str]:
        """(user name, password) of the superuser."""
        return "admin", self.admin_password

    def prepare(self) -> Path:
        """Writes its config.yaml, for commands that come before the start; returns where it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump({"TESTING": True} | self.config))
        return file

    def start(self) -> RegistryServer:
        """Starts it and returns when it has printed that it is ready. Raises RuntimeError with its log."""
        file = self.prepare()
        command = [
            sys.executable,
            "-m",
            "quayframe",
            "serve",
            "--config",
            str(file),
            "--data",
            str(self.data),
            "--bind",
            f"127.0.0.1:{self.port}",
            *self.arguments,
        ]
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.env}
            )
        if "worker" in self.arguments:
            return self
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[before:].decode(errors="replace")
            marker = "Quayframe is ready at "
            if marker in text:
                self.port = int(text.partition(marker)[2].split()[0].rsplit(":", 1)[1])
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the registry did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self, timeout: float = 30) -> int:
        """Ends it gracefully; returns its exit status."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """kill -9 of the supervisor; its children end with it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def cli(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs `quayframe ...` on this registry's data; returns what it printed. Raises on failure."""
        command = [sys.executable, "-m", "quayframe", *arguments]
        env = {
            **os.environ,
            **self.env,
            "QUAYFRAME_CONFIG": str(self.folder / "config.yaml"),
            "QUAYFRAME_DATA": str(self.data),
        }
        done = subprocess.run(
            command, env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"quayframe {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def user(self, name: str, password: str = "correct-horse") -> tuple[str, str]:  # noqa: S107 - a test's
        """Makes a user; returns (name, password)."""
        self.cli("user", "create", name, "--password-stdin", stdin=password + "\n")
        return name, password

    def token(self, auth: tuple[str, str] | None, *scopes: str) -> str:
        """A bearer token for scopes such as `repository:a/b:pull,push`."""
        params = [("service", self.host), *(("scope", scope) for scope in scopes)]
        answer = requests.get(f"{self.url}/v2/auth", params=params, auth=auth, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def session(self, auth: tuple[str, str] | None, *scopes: str) -> requests.Session:
        """A requests session that sends such a token."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self.token(auth, *scopes)}"
        return session
