"""A server that goes away and comes back: Unavailable soon, then well again by itself."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import servers

from quayframe.data import migrations, tables
from quayframe.data.db import Database, Tx
from quayframe.errors import Unavailable

Lease = tables.Lease
SOON_S = 3


@pytest.fixture(scope="module", params=[servers.Postgresql, servers.Mariadb])
def own_server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that a test may stop."""
    try:
        server = request.param.new()
    except servers.Missing as program:
        servers.without(program)
    yield server
    server.remove()


@pytest.fixture
def database(own_server: Any, open_database: Callable[..., Database]) -> Iterator[Database]:
    made = open_database(own_server.new_database())
    migrations.migrate(made)
    made.write(lambda tx: tx.insert(Lease, name="a", token="t", until_ms=1))
    yield made
    if not own_server.pid:
        own_server.start()


def fill_pool(database: Database, size: int) -> None:
    """Makes `size` connections idle."""
    together = threading.Barrier(size)

    def hold() -> None:
        with database.session():
            together.wait(20)

    with ThreadPoolExecutor(size) as pool:
        for done in [pool.submit(hold) for _ in range(size)]:
            done.result(30)


def raise_it(tx: Tx) -> int:
    return tx.run(Lease.update(until_ms=Lease.until_ms + 1))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_after_a_restart_the_next_reads_and_writes_succeed(
    own_server: Any, database: Database, how: signal.Signals
) -> None:
    fill_pool(database, 6)
    own_server.restart(how)
    for _ in range(3):
        assert database.sql_one("SELECT name FROM lease") == ("a",)
    fill_pool(database, 6)
    own_server.restart(how)
    assert database.write(raise_it) == 1
    assert database.value(Lease.select(Lease.until_ms)) == 2


def test_a_server_that_is_away_is_told_soon_and_again_there_when_it_is_back(
    own_server: Any, database: Database
) -> None:
    fill_pool(database, 4)
    own_server.stop()
    asks: list[Callable[[], Any]] = [
        lambda: database.sql_one("SELECT 1"),
        lambda: database.rows(Lease.select()),
        lambda: database.write(raise_it),
        database.ping,
        lambda: migrations.pending(database),
    ]
    for ask in asks:
        start = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            ask()
        assert time.monotonic() - start < SOON_S
        assert int(caught.value.headers["Retry-After"]) >= 1
        assert "127.0.0.1" not in caught.value.text
    own_server.start()
    for ask in asks:
        ask()


def test_a_server_that_ends_during_a_transaction_ends_it_and_it_runs_again_when_back(
    own_server: Any, database: Database
) -> None:
    runs: list[int] = []

    def work(tx: Tx) -> None:
        raise_it(tx)
        runs.append(1)
        if len(runs) == 1:
            own_server.restart(signal.SIGKILL)
        tx.value(Lease.select(Lease.until_ms))

    database.write(work)
    assert len(runs) == 2
    assert database.value(Lease.select(Lease.until_ms)) == 2


def test_a_connection_that_breaks_in_the_commit_is_unavailable_and_does_not_run_again(
    own_server: Any, database: Database
) -> None:
    runs: list[int] = []

    def work(tx: Tx) -> None:
        raise_it(tx)
        runs.append(1)
        own_server.restart(signal.SIGKILL)

    with pytest.raises(Unavailable):
        database.write(work)
    assert runs == [1]
    assert database.value(Lease.select(Lease.until_ms)) == 1
    assert database.write(raise_it) == 1


def test_ids_are_not_used_again_after_a_restart(own_server: Any, database: Database) -> None:
    def insert(tx: Tx) -> int:
        return tx.insert(Lease, name="b", token="t", until_ms=1)

    first = database.write(insert)
    database.write(lambda tx: tx.run(Lease.delete().where(Lease.id == first)))
    own_server.restart()
    assert database.write(insert) > first


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_never_answers_holds_threads_together_not_one_after_the_other(
    scheme: str, open_database: Callable[..., Database]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)  # connects, and says nothing
        port = silent.getsockname()[1]
        database = open_database(f"{scheme}://u:p@127.0.0.1:{port}/d?connect_timeout=2", pool=4)

        def ask() -> float:
            start = time.monotonic()
            with pytest.raises(Unavailable):
                database.sql_one("SELECT 1")
            return time.monotonic() - start

        with ThreadPoolExecutor(16) as pool:
            took = [done.result(60) for done in [pool.submit(ask) for _ in range(16)]]
        assert max(took) < 10


@pytest.mark.parametrize(
    ("scheme", "user", "name"), [("postgresql", "quayframe", "nowhere"), ("mysql", "nobody", "nowhere")]
)
def test_a_wrong_account_or_name_is_unavailable_and_its_cause_is_in_the_log(
    scheme: str, user: str, name: str, request: pytest.FixtureRequest,
    open_database: Callable[..., Database], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    fixture = {"postgresql": "postgresql_server", "mysql": "mariadb_server"}[scheme]
    server = request.getfixturevalue(fixture)
    database = open_database(f"{scheme}://{user}:wrong@127.0.0.1:{server.port}/{name}")
    with pytest.raises(Unavailable):
        database.ping()
    assert {"postgresql": name, "mysql": user}[scheme] in caplog.text
