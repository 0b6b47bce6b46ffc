"""A supervisor in a process of its own, ended by its id whatever a test does."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_running import ROOT, SLEEPER, Launch, Running, descendants, gone


@pytest.fixture(params=["granian", "gunicorn"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a supervisor and do not wait for it. Options of ServeOptions; `env`: more variables."""
    started: list[subprocess.Popen[str]] = []

    def start(env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        said = {
            "data": str(tmp_path),
            "port": 0,
            "workers": 1,
            "target": "tests.server.app:create",
            "worker_command": SLEEPER,
        } | options
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("run.py")), json.dumps(said)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        left = descendants(process.pid)
        process.kill()
        process.communicate()
        for pid in left:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def launch(spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> Launch:
    """The same, ready to answer."""

    def start(**options: Any) -> Running:
        process = spawn(**options)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 20)
        url = process.stdout.readline().strip() if ready else ""
        if not url:
            process.kill()
            raise AssertionError(f"no URL: {process.communicate()[1]}")
        return Running(process, url, tmp_path)

    return start
