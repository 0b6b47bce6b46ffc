"""Connections that are not needed are closed; what a connection was told for one reader stays off others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quayframe.data.db import Database
from quayframe.data.pool import Pool


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, open_database: Callable[..., Database]) -> Database:
    return open_database(request.getfixturevalue(request.param), pool=2)


def connection_id(database: Database) -> object:
    function = {"postgresql": "pg_backend_pid()", "mysql": "CONNECTION_ID()"}[database.dialect]
    return database.sql_one(f"SELECT {function}")


def test_an_idle_connection_is_used_again(database: Database) -> None:
    assert connection_id(database) == connection_id(database)


def test_a_connection_idle_for_long_is_closed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = connection_id(database)
    monkeypatch.setattr(Pool, "IDLE_S", -1)
    database.ping()
    assert connection_id(database) != first


def test_closing_ends_the_idle_connections_and_the_database_can_be_used_again(database: Database) -> None:
    first = connection_id(database)
    database.close()
    assert connection_id(database) != first


def test_a_connection_left_in_a_transaction_is_not_lent_again(database: Database) -> None:
    with database.session() as session:
        session.execute_sql("BEGIN")
        session.execute_sql("CREATE TEMPORARY TABLE left_over (id INT)")
        session.execute_sql("INSERT INTO left_over VALUES (1)")
    first = {"postgresql": "SELECT to_regclass('left_over')", "mysql": "SELECT @@in_transaction"}
    assert database.sql_one(first[database.dialect]) in ((None,), (0,))


def test_every_connection_is_read_committed_whatever_the_servers_default(database: Database) -> None:
    if database.dialect == "postgresql":
        with database.session() as session:
            session.execute_sql("SET default_transaction_isolation = 'serializable'")
            found = database.write(lambda tx: database.sql_one("SHOW transaction_isolation"))
        assert found == ("read committed",)
    else:
        assert database.sql_one("SELECT @@tx_isolation") == ("READ-COMMITTED",)
