"""kill -9 at every step of a push: what was acknowledged is there, what was not leaves nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from leftovers import leftovers
from protocol import OCI_CONFIG, OCI_LAYER, Repo, manifest, sha256

from quayframe.data.db import Database
from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer

NAME = "admin/killed"
CONFIG = json.dumps({"os": "linux"}).encode()
LAYER = bytes(range(256)) * 4096
HALF = len(LAYER) // 2


class Push:
    """A push of one image, step by step; what was acknowledged is remembered."""

    def __init__(self, server: RegistryServer, tag: str) -> None:
        self.server = server
        self.tag = tag
        # Content of its own, so that no other push has brought it.
        self.layer = tag.encode() + LAYER
        self.config = CONFIG + tag.encode()
        self.body = manifest(
            (OCI_CONFIG, sha256(self.config), len(self.config)),
            [(OCI_LAYER, sha256(self.layer), len(self.layer))],
        )
        self.blobs: dict[str, bytes] = {}
        self.tagged = False
        self.location = ""
        self.repo = Repo(requests.Session(), NAME, server.url)

    def token(self) -> None:
        self.repo.session.headers["Authorization"] = "Bearer " + self.server.token(
            self.server.admin, f"repository:{NAME}:push,pull"
        )

    def whole(self) -> None:
        self.repo.blob(self.config)
        self.blobs[sha256(self.config)] = self.config

    def begin(self) -> None:
        self.location = self.repo.begin()

    def first(self) -> None:
        assert self.repo.patch(self.location, self.layer[:HALF], 0).status_code == 202

    def second(self) -> None:
        assert self.repo.patch(self.location, self.layer[HALF:], HALF).status_code == 202

    def finish(self) -> None:
        assert self.repo.finish(self.location, sha256(self.layer)).status_code == 201
        self.blobs[sha256(self.layer)] = self.layer

    def put(self) -> None:
        assert self.repo.put(self.tag, self.body).status_code == 201
        self.tagged = True

    def steps(self) -> list[Callable[[], None]]:
        return [self.token, self.whole, self.begin, self.first, self.second, self.finish, self.put]


STEPS = ["token", "whole", "begin", "first", "second", "finish", "put"]


def ended(process: str, server: RegistryServer) -> int:
    """kill -9 of one of the supervisor's children and all of its own; how many there were."""
    assert server.process is not None
    killed = 0
    for pid in children(server.process.pid):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        is_web = "quayframe.server" in line
        if is_web == (process == "web"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                below = [int(child) for child in task.read_text().split()]
                found += below
                todo += below
    return found


def answers(server: RegistryServer) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{server.url}/health/instance", timeout=2).status_code == 200
    return False


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def check(server: RegistryServer, pushes: list[Push]) -> None:
    """All that was acknowledged is there and right, and only that is left after a sweep."""
    session = server.session(server.admin, f"repository:{NAME}:push,pull")
    repo = Repo(session, NAME, server.url)
    for push in pushes:
        for digest, data in push.blobs.items():
            assert repo.get(f"blobs/{digest}").content == data
        if push.tagged:
            assert repo.get(f"manifests/{push.tag}").content == push.body
        elif repo.get(f"manifests/{push.tag}").status_code == 200:
            # Done, though nobody was told: then it is whole.
            for part in (push.config, push.layer):
                assert repo.get(f"blobs/{sha256(part)}").content == part
    server.cli("sweep", "--idle", "0")
    db = Database(f"sqlite:///{server.data / 'quayframe.db'}")
    try:
        assert leftovers(db, server.data / "storage") == []
    finally:
        db.close()


@pytest.fixture
def server(make_registry_server: MakeServer) -> RegistryServer:
    return make_registry_server(arguments=("--workers", "1"))


def run_until(push: Push, count: int) -> None:
    for step in push.steps()[:count]:
        step()


def test_the_registry_killed_after_each_step_of_a_push(server: RegistryServer) -> None:
    pushes = []
    for count in range(1, len(STEPS) + 1):
        push = Push(server, f"after-{STEPS[count - 1]}")
        run_until(push, count)
        pushes.append(push)
        server.kill()
        server.start()
    check(server, pushes)


def test_the_web_server_killed_within_a_step_of_a_push(server: RegistryServer, soak: bool) -> None:
    """The request of the step is under way when the process dies, at moments that differ."""
    pushes: list[Push] = []
    chance = random.Random()
    steps = list(range(1, len(STEPS)))
    for count in steps * 5 if soak else chance.sample(steps, 2):
        push = Push(server, f"within-{STEPS[count]}-{len(pushes)}")
        run_until(push, count)
        pushes.append(push)
        step = push.steps()[count]

        def under_way(step: Callable[[], None] = step) -> None:
            with suppress(requests.RequestException, AssertionError):
                step()

        thread = threading.Thread(target=under_way)
        thread.start()
        time.sleep(chance.uniform(0, 0.012))
        assert ended("web", server)
        thread.join(30)
        # It comes back by itself.
        until(lambda: answers(server))
    check(server, pushes)


def test_a_push_goes_on_after_the_registry_was_killed(server: RegistryServer) -> None:
    push = Push(server, "resumed")
    run_until(push, STEPS.index("second"))
    server.kill()
    server.start()
    push.token()
    status = push.repo.session.get(push.location)
    assert status.headers["Range"] == f"0-{HALF - 1}"
    for step in push.steps()[STEPS.index("second") :]:
        step()

    check(server, [push])


def test_the_worker_killed_at_each_step_of_a_push_is_not_noticed(server: RegistryServer, soak: bool) -> None:
    push = Push(server, "worker")
    for number, step in enumerate(push.steps()):
        # It comes back later each time; every third death is enough for the short form.
        if soak or number % 3 == 0:
            until(lambda: ended("worker", server) > 0)
        step()
    until(lambda: numbered(server))

    check(server, [push])


def numbered(server: RegistryServer) -> bool:
    """Whether the worker is back and has given every event its number, without a gap."""
    db = Database(f"sqlite:///{server.data / 'quayframe.db'}")
    try:
        seqs = [seq for (seq,) in db.sql_rows("SELECT seq FROM event ORDER BY id")]
    finally:
        db.close()
    return None not in seqs and sorted(seqs) == list(range(1, len(seqs) + 1))
