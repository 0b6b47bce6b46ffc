"""Many at once: locks, deadlocks, what runs again and what gives up, connections that are lent."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee
import pytest

from quayframe.data import db as data_db
from quayframe.data import migrations, tables
from quayframe.data.db import Database, Tx
from quayframe.data.pool import Pool
from quayframe.errors import Unavailable

Lease = tables.Lease
WAIT_S = 20


def lease(tx: Tx, name: str, until_ms: int = 0) -> int:
    return tx.insert(Lease, name=name, token="t", until_ms=until_ms)


def until(database: Database, name: str) -> Any:
    return database.value(Lease.select(Lease.until_ms).where(Lease.name == name))


def raise_it(tx: Tx, name: str) -> int:
    return tx.run(Lease.update(until_ms=Lease.until_ms + 1).where(Lease.name == name))


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result(WAIT_S * 2) for done in [pool.submit(work) for work in works]]


def test_no_increment_is_lost_between_threads(database: Database) -> None:
    database.write(lambda tx: lease(tx, "a"))

    def raise_read(tx: Tx) -> None:
        (value,) = tx.lock(Lease.select(Lease.until_ms).where(Lease.name == "a"))[0]
        tx.run(Lease.update(until_ms=value + 1).where(Lease.name == "a"))

    def work() -> None:
        for _ in range(10):
            database.write(raise_read)

    in_threads(*[work] * 8)
    assert until(database, "a") == 80


def test_claim_passes_over_rows_that_another_has_locked(database: Database) -> None:
    database.write(lambda tx: [lease(tx, name) for name in ("a", "b")])
    free = Lease.select(Lease.name).where(Lease.until_ms == 0).order_by(Lease.id).limit(1)
    claimed, looked = threading.Event(), threading.Event()

    def take(tx: Tx) -> str:
        name = str(tx.claim(free)[0][0])
        raise_it(tx, name)
        return name

    def first() -> str:
        def work(tx: Tx) -> str:
            name = take(tx)
            claimed.set()
            if database.dialect != "sqlite":  # which has one writer, so that the other waits
                assert looked.wait(WAIT_S)
            return name

        return database.write(work)

    def second() -> str:
        assert claimed.wait(WAIT_S)
        try:
            return database.write(take)
        finally:
            looked.set()

    assert in_threads(first, second) == ["a", "b"]


def test_a_deadlock_runs_again_and_both_are_done(database: Database) -> None:
    database.write(lambda tx: [lease(tx, name) for name in ("a", "b")])
    first_try = threading.Barrier(2)
    runs: list[str] = []
    ran_after: list[str] = []

    def opposite(one: str, two: str) -> Callable[[], None]:
        def work(tx: Tx) -> None:
            runs.append(one)
            tx.after(lambda: ran_after.append(one))
            raise_it(tx, one)
            if runs.count(one) == 1 and database.dialect != "sqlite":
                first_try.wait(WAIT_S)
            raise_it(tx, two)

        return lambda: database.write(work)

    in_threads(opposite("a", "b"), opposite("b", "a"))
    assert (until(database, "a"), until(database, "b")) == (2, 2)
    assert sorted(ran_after) == ["a", "b"]
    assert len(runs) == (2 if database.dialect == "sqlite" else 3)


def test_a_deadlock_that_work_hides_runs_again_too(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("one writer: no deadlock")
    database.write(lambda tx: [lease(tx, name) for name in ("a", "b")])
    first_try = threading.Barrier(2)
    runs: list[str] = []

    def opposite(one: str, two: str) -> Callable[[], None]:
        def work(tx: Tx) -> None:
            runs.append(one)
            raise_it(tx, one)
            if runs.count(one) == 1:
                first_try.wait(WAIT_S)
            try:
                raise_it(tx, two)
            except peewee.PeeweeException as error:
                raise LookupError("not there") from error

        return lambda: database.write(work)

    in_threads(opposite("a", "b"), opposite("b", "a"))
    assert (until(database, "a"), until(database, "b")) == (2, 2)


def test_a_serialization_failure_runs_again(postgresql: str, open_database: Callable[..., Database]) -> None:
    database = open_database(postgresql)
    migrations.migrate(database)
    database.write(lambda tx: lease(tx, "a"))
    runs: list[int] = []

    def work(tx: Tx) -> None:
        runs.append(1)
        if len(runs) == 1:
            tx.db._db.execute_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            value = tx.value(Lease.select(Lease.until_ms))
            in_threads(lambda: database.write(lambda other: raise_it(other, "a")))
        else:
            value = tx.value(Lease.select(Lease.until_ms))
        tx.run(Lease.update(until_ms=value + 1).where(Lease.name == "a"))

    database.write(work)
    assert (until(database, "a"), len(runs)) == (2, 2)


def test_a_lock_that_never_comes_free_ends_in_unavailable(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    open_database: Callable[..., Database],
    database_uri: str,
) -> None:
    database.write(lambda tx: lease(tx, "a"))
    monkeypatch.setattr(data_db, "PATIENCE_S", 0.2)
    monkeypatch.setitem(data_db._BEGIN, "postgresql", data_db._BEGIN["postgresql"].replace("10s", "100ms"))
    other = open_database(database_uri)
    shorten_waits(other)
    locked, given_up = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        raise_it(tx, "a")
        locked.set()
        assert given_up.wait(WAIT_S)

    def wait() -> float:
        shorten_waits(other)
        assert locked.wait(WAIT_S)
        start = time.monotonic()
        try:
            with pytest.raises(Unavailable) as caught:
                other.write(lambda tx: raise_it(tx, "a"))
            assert caught.value.headers["Retry-After"]
            return time.monotonic() - start
        finally:
            given_up.set()

    assert in_threads(lambda: database.write(hold), wait)[1] < 10
    assert other.write(lambda tx: raise_it(tx, "a")) == 1
    assert until(database, "a") == 2


def shorten_waits(database: Database) -> None:
    """This thread's locks are waited for less long."""
    if database.dialect == "sqlite":
        database.sql_one("PRAGMA busy_timeout = 100")
    elif database.dialect == "mysql":
        with database.session() as session:
            session.execute_sql("SET SESSION innodb_lock_wait_timeout = 1")


def test_always_busy_ends_in_unavailable_after_a_bounded_number_of_tries(database: Database) -> None:
    runs: list[int] = []

    def work(tx: Tx) -> None:
        runs.append(1)
        tx.after(lambda: runs.append(-1))
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = 5
        raise peewee.OperationalError(busy)

    with pytest.raises(Unavailable):
        database.write(work)
    assert runs == [1] * data_db.ATTEMPTS


# -- connections --------------------------------------------------------------------------------------


def test_no_connection_is_held_after_a_read_or_a_write(
    database_uri: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_uri, pool=2)
    migrations.migrate(database)
    all_here = threading.Barrier(10)

    def work() -> Any:
        # Each of ten threads reads and writes, then all wait for each other: with a connection held,
        # two connections would not do.
        database.rows(Lease.select())
        database.sql_one("SELECT 1")
        database.write(lambda tx: tx.insert_absent(Lease, name="a", token="t", until_ms=1))
        all_here.wait(WAIT_S)
        return database.sql_one("SELECT name FROM lease")

    assert in_threads(*[work] * 10) == [("a",)] * 10


def test_a_pool_that_is_empty_for_too_long_is_unavailable(
    database_uri: str, open_database: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(database_uri, pool=1)
    if database.dialect == "sqlite":
        pytest.skip("no pool")
    monkeypatch.setattr(Pool, "WAIT_S", 0.05)

    def other() -> str:
        with pytest.raises(Unavailable):
            database.sql_one("SELECT 1")
        with pytest.raises(Unavailable):
            database.write(lambda tx: None)
        return "told"

    assert database.write(lambda tx: in_threads(other)) == ["told"]
    assert database.sql_one("SELECT 1") == (1,)


def test_an_answer_cut_short_is_never_given_to_the_next_reader(
    database_uri: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_uri, pool=1)

    def stop_half_way() -> None:
        with database.session() as session:
            if database.dialect == "mysql":
                session.connection()._execute_command(3, "SELECT 'of another'")
            raise KeyboardInterrupt

    database.sql_one("SELECT 1")
    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert database.sql_one("SELECT 'mine'") == ("mine",)
