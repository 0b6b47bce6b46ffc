"""Fixtures for all tests: real servers, and the three databases."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Where the helpers are, whatever way pytest imports the tests. Last, so that none hides what is installed.
TESTS = Path(__file__).parent
for folder in sorted({file.parent for file in TESTS.rglob("*.py")} | {TESTS}):
    if "template_storage" not in folder.parts and str(folder) not in sys.path:
        sys.path.append(str(folder))

import servers  # noqa: E402
from object_servers import Seaweedfs  # noqa: E402
from protocol import Protocol  # noqa: E402

from quayframe.data import migrations  # noqa: E402
from quayframe.data.db import Database  # noqa: E402

DIALECTS = ("sqlite", "postgresql", "mariadb")


@contextmanager
def shared_server(kind: type[servers.S], factory: pytest.TempPathFactory) -> Iterator[servers.S]:
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        kind.find()
    except servers.Missing as program:
        servers.without(program)
    with servers.shared(kind, folder) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Postgresql]:
    """The run's PostgreSQL. Never stop it: others use it too; `servers.Postgresql.new()` makes another."""
    with shared_server(servers.Postgresql, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Mariadb]:
    """The run's MariaDB. Never stop it: others use it too."""
    with shared_server(servers.Mariadb, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Redis]:
    """The run's Redis. Never stop it, never flush it: others use it too."""
    with shared_server(servers.Redis, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweedfs]:
    """The run's S3. Never stop it: others use it too; use a folder of your own in its bucket."""
    with shared_server(Seaweedfs, tmp_path_factory) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: servers.Postgresql) -> str:
    """The URI of an empty PostgreSQL database of this test's own."""
    return postgresql_server.new_database()


@pytest.fixture
def mariadb(mariadb_server: servers.Mariadb) -> str:
    """The URI of an empty MariaDB database of this test's own."""
    return mariadb_server.new_database()


@pytest.fixture
def redis(redis_server: servers.Redis) -> str:
    """The URI of Redis; use keys of your own."""
    return redis_server.uri()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URI of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/registry.db"


@pytest.fixture(params=DIALECTS)
def database_uri(request: pytest.FixtureRequest) -> str:
    """The URI of an empty database of each kind in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def open_database() -> Iterator[Callable[..., Database]]:
    """Opens databases by URI, and closes them after the test."""
    opened: list[Database] = []

    def open_one(uri: str, **options: Any) -> Database:
        opened.append(Database(uri, **options))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(database_uri: str, open_database: Callable[..., Database]) -> Database:
    """A migrated database of each kind in turn."""
    made = open_database(database_uri)
    migrations.migrate(made)
    return made


@pytest.fixture
def make_protocol(tmp_path: Path) -> Iterator[Callable[..., Protocol]]:
    """Makes registries in this process, with a configuration of their own: `make_protocol(KEY=value)`."""
    made: list[Protocol] = []

    def make(**config: Any) -> Protocol:
        made.append(Protocol(tmp_path / f"registry-{len(made)}", config))
        return made[-1]

    yield make
    for protocol in made:
        protocol.close()
