"""The database server goes away under a running registry: 503 with Retry-After, and recovery by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests
import servers
from protocol import Repo, code

from quayframe.testing.fixtures import MakeServer

KEYS = {"SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40}


@pytest.fixture(params=[servers.Postgresql, servers.Mariadb], ids=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[servers.Postgresql | servers.Mariadb]:
    """A database server of this test's own, to be stopped."""
    try:
        request.param.find()
    except servers.Missing as program:
        servers.without(program)
    server = request.param.new()
    yield server
    server.remove()


def test_away_and_back(
    make_registry_server: MakeServer, database: servers.Postgresql | servers.Mariadb, soak: bool
) -> None:
    config = KEYS | {"DB_URI": database.new_database()}
    server = make_registry_server(config, start=False)
    server.prepare()
    server.cli("migrate")
    server.start()
    name = "admin/away"
    session = server.session(server.admin, f"repository:{name}:push,pull")
    repo = Repo(session, name, server.url)
    digest, body = repo.image("v1")
    location = repo.begin()
    asks: dict[str, Callable[[], requests.Response]] = {
        "tag": lambda: repo.get("manifests/v1"),
        "digest": lambda: repo.get(f"manifests/{digest}"),
        "list": lambda: repo.get("tags/list"),
        "begin": lambda: repo.do("POST", "blobs/uploads/"),
        "push": lambda: repo.put("v2", body),
        "delete": lambda: repo.delete("manifests/v1"),
        "log-in": lambda: requests.get(f"{server.url}/v2/auth", auth=server.admin, timeout=30),
    }
    database.stop()
    end = time.monotonic() + (10 if soak else 3)
    while time.monotonic() < end:
        for what, ask in asks.items():
            begun = time.monotonic()
            answer = ask()
            assert (answer.status_code, code(answer)) == (503, "UNAVAILABLE"), what
            assert int(answer.headers["Retry-After"]) >= 1
            assert time.monotonic() - begun < 10
    health = requests.get(f"{server.url}/health/instance", timeout=30)
    assert health.status_code == 503
    assert health.json()["data"]["services"]["database"] is False
    database.start()

    deadline = time.monotonic() + 20
    while repo.get("manifests/v1").status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # Every connection of every process, and the upload goes on.
    assert {repo.get("manifests/v1").status_code for _ in range(40)} == {200}
    assert repo.get("manifests/v1").content == body
    assert repo.patch(location, b"x").status_code == 202
    assert repo.image("v3")
    assert server.process is not None
    assert server.process.poll() is None
