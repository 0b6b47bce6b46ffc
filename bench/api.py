"""The measures of the API and of log-ins with tokens. No peer has the like."""

from __future__ import annotations

import base64
import sqlite3
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

from bench import clients
from bench.report import Line, Results, at_least, at_most
from bench.subjects import Quayframe, Subject

REPOSITORIES = 10_000
SCOPE = "repo:read user:read org:admin"


class SignedIn:
    """The session of the first user, as a browser has it."""

    def __init__(self, subject: Quayframe) -> None:
        self._session = requests.Session()
        self._base = f"{subject.url}/api/v1/"
        token = self._session.get(f"{subject.url}/csrf_token", timeout=30).json()["csrf_token"]
        self._session.headers["X-CSRF-Token"] = token
        name, password = subject.credentials
        self.send("POST", "signin", {"username": name, "password": password})

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """One operation below /api/v1/; gives its answer. Raises requests.HTTPError."""
        answer = self._session.request(method, self._base + path, json=body, timeout=30)
        answer.raise_for_status()
        fresh = answer.headers.get("X-Next-CSRF-Token")
        if fresh:
            self._session.headers["X-CSRF-Token"] = fresh
        return answer.json()


class Account:
    """An organization with 10,000 repositories, a robot and an OAuth token, made when first asked for."""

    def __init__(self, subject: Quayframe) -> None:
        send = SignedIn(subject).send
        send("POST", "organization/", {"name": "bench"})
        app = send("POST", "organization/bench/applications", {"name": "bench"})
        path = f"organization/bench/applications/{app['client_id']}/tokens"
        self.token = str(send("POST", path, {"name": "bench", "scope": SCOPE})["token"])
        robot = send("PUT", "organization/bench/robots/puller")
        pair = f"{robot['name']}:{robot['token']}".encode()
        self.robot = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self._fill(subject)

    @staticmethod
    def _fill(subject: Quayframe) -> None:
        with sqlite3.connect(subject.folder / "data" / "quayframe.db", timeout=30) as database:
            (namespace,) = database.execute("SELECT id FROM account WHERE name = 'bench'").fetchone()
            rows = [(str(uuid.uuid4()), namespace, f"r{number:05d}") for number in range(REPOSITORIES)]
            database.executemany(
                "INSERT INTO repository (uuid, namespace_id, name, visibility, kind, state, created_ms)"
                " VALUES (?, ?, ?, 'private', 'image', 'NORMAL', 0)",
                rows,
            )
        database.close()


_accounts: dict[str, Account] = {}


def account(subject: Subject) -> Account:
    assert isinstance(subject, Quayframe)
    if subject.name not in _accounts:
        _accounts[subject.name] = Account(subject)
    return _accounts[subject.name]


def lists(_bench: Any, subject: Subject, results: Results) -> None:
    """One list of repositories at a time, of a namespace with 10,000."""
    who = account(subject)
    url = f"{subject.url}/api/v1/repository?namespace=bench"
    line = Line("ms", True, "<= 20 ms", at_most(20))
    results.add("API repository list of 10,000", line, subject.name, median_ms(url, who.bearer))


def user(bench: Any, subject: Subject, results: Results) -> None:
    """GET /api/v1/user/ with an OAuth token, beside the same list with and without one."""
    who = account(subject)
    load = clients.wrk(f"{subject.url}/api/v1/user/", who.bearer, 16, 2 if bench.quick else 5)
    line = Line("1/s", False, ">= 1,000/s", at_least(1000))
    results.add("API user with an OAuth token, 16 conn.", line, subject.name, load.rate)
    url = f"{subject.url}/api/v1/repository?public=true"
    more = median_ms(url, who.bearer) - median_ms(url, {})
    line = Line("ms", True, "<= 3 ms", at_most(3))
    results.add("API list, what a token adds", line, subject.name, max(0.0, more))


def robot(bench: Any, subject: Subject, results: Results) -> None:
    """/v2/auth with a robot's token."""
    assert isinstance(subject, Quayframe)
    who = account(subject)
    load = clients.wrk(subject.url + subject.auth_path("pull"), who.robot, 16, 2 if bench.quick else 5)
    line = Line("1/s", False, ">= 500/s", at_least(500))
    results.add("/v2/auth with a robot, 16 conn.", line, subject.name, load.rate)


def median_ms(url: str, headers: dict[str, str], times: int = 50) -> float:
    session = requests.Session()
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        answer = session.get(url, headers=headers, timeout=30)
        took.append((time.perf_counter() - begun) * 1000)
        answer.raise_for_status()
    return statistics.median(took)


Run = Callable[[Any, Subject, Results], None]
ALL: tuple[tuple[str, Run], ...] = (("api-list", lists), ("api-user", user), ("api-robot", robot))
