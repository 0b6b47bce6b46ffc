"""Write transactions: all or nothing, again when they must, outside only after the commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee
import pytest

from quayframe.data import tables
from quayframe.data.db import Database, Tx
from quayframe.plugin import boundary

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


def test_what_work_returns_is_returned_and_its_rows_are_there(database: Database) -> None:
    made = database.write(lambda tx: lease(tx, "a", 7))
    assert database.rows(Lease.select(Lease.id, Lease.until_ms)) == [(made, 7)]


def test_an_exception_undoes_everything_and_comes_out_as_it_is(database: Database) -> None:
    def work(tx: Tx) -> None:
        lease(tx, "a")
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        database.write(work)
    assert database.rows(Lease.select()) == []
    database.write(lambda tx: lease(tx, "b"))


def test_a_transaction_sees_its_own_rows_through_every_way_of_reading(database: Database) -> None:
    def work(tx: Tx) -> list[Any]:
        lease(tx, "a", 3)
        return [
            tx.rows(Lease.select(Lease.until_ms)),
            tx.one(Lease.select(Lease.until_ms)),
            tx.value(Lease.select(Lease.until_ms)),
            tx.lock(Lease.select(Lease.until_ms)),
            tx.claim(Lease.select(Lease.until_ms)),
            database.sql_rows("SELECT until_ms FROM lease WHERE name = ?", ("a",)),
            database.sql_one("SELECT until_ms FROM lease WHERE name = ?", ("a",)),
        ]

    assert database.write(work) == [[(3,)], (3,), 3, [(3,)], [(3,)], [(3,)], (3,)]


def test_others_do_not_see_what_is_not_committed_and_reads_go_on(database: Database) -> None:
    written, seen = threading.Event(), threading.Event()

    def work(tx: Tx) -> None:
        lease(tx, "a")
        written.set()
        assert seen.wait(WAIT_S)

    def read() -> tuple[Any, Any]:
        assert written.wait(WAIT_S)
        try:
            return database.rows(Lease.select()), database.sql_one("SELECT id FROM lease")
        finally:
            seen.set()

    assert in_threads(lambda: database.write(work), read)[1] == ([], None)
    assert until(database, "a") == 0


def test_an_update_counts_the_rows_it_found_even_unchanged(database: Database) -> None:
    def work(tx: Tx) -> list[int]:
        lease(tx, "a", 5)
        return [
            tx.run(Lease.update(until_ms=5).where(Lease.name == "a")),
            tx.run(Lease.update(until_ms=5).where(Lease.name == "b")),
            tx.run(Lease.delete().where(Lease.name == "a")),
        ]

    assert database.write(work) == [1, 0, 1]


def test_a_write_inside_a_write_is_a_mistake_and_undoes_the_outer(database: Database) -> None:
    def work(tx: Tx) -> None:
        lease(tx, "a")
        database.write(lambda inner: lease(inner, "b"))

    with pytest.raises(boundary.InsideTransaction):
        database.write(work)
    assert database.rows(Lease.select()) == []


def test_the_world_outside_cannot_be_called_in_a_transaction(database: Database) -> None:
    with pytest.raises(boundary.InsideTransaction, match="mail"):
        database.write(lambda tx: boundary.outside("mail"))
    boundary.outside("mail")


def test_a_statement_that_changes_rows_is_refused_outside_of_a_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError):
        database.run(Lease.delete())


# -- after --------------------------------------------------------------------------------------------


def test_after_runs_once_when_committed_outside_and_may_write(database: Database) -> None:
    seen: list[Any] = []

    def act() -> None:
        boundary.outside("mail")
        seen.append(until(database, "a"))
        database.write(lambda tx: lease(tx, "b"))

    def work(tx: Tx) -> None:
        tx.after(act)
        lease(tx, "a", 9)
        assert seen == []

    database.write(work)
    assert seen == [9]
    assert until(database, "b") == 0


def test_after_does_not_run_when_the_transaction_is_undone(database: Database) -> None:
    seen: list[int] = []

    def work(tx: Tx) -> None:
        tx.after(lambda: seen.append(1))
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)
    assert seen == []


def test_one_after_that_fails_does_not_stop_the_others_or_the_answer(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def work(tx: Tx) -> str:
        tx.after(lambda: 1 // 0)
        tx.after(lambda: seen.append(2))
        return "done"

    assert database.write(work) == "done"
    assert seen == [2]
    assert "ZeroDivisionError" in caplog.text


# -- errors in a transaction --------------------------------------------------------------------------


def test_a_taken_key_raises_and_may_be_told_in_other_words(database: Database) -> None:
    database.write(lambda tx: lease(tx, "a"))
    with pytest.raises(peewee.IntegrityError):
        database.write(lambda tx: lease(tx, "a"))

    def work(tx: Tx) -> None:
        try:
            lease(tx, "a")
        except peewee.IntegrityError as error:
            raise LookupError("taken") from error

    with pytest.raises(LookupError, match="taken"):
        database.write(work)


def test_a_failed_statement_whose_error_was_caught_commits_nothing(
    database: Database,
) -> None:
    database.write(lambda tx: lease(tx, "a"))

    def swallow(tx: Tx) -> None:
        lease(tx, "b")
        with pytest.raises(peewee.IntegrityError):
            lease(tx, "a")

    def go_on(tx: Tx) -> None:
        swallow(tx)
        lease(tx, "c")

    for work in (swallow, go_on):
        with pytest.raises(peewee.IntegrityError):
            database.write(work)
    assert [row[0] for row in database.rows(Lease.select(Lease.name))] == ["a"]


def test_a_mistake_in_sql_comes_out_as_it_is_and_does_not_hurt_the_next(database: Database) -> None:
    for read in (database.sql_one, database.sql_rows):
        with pytest.raises((peewee.PeeweeException, sqlite3.Error), match="nowhere"):
            read("SELECT 1 FROM nowhere")
    with pytest.raises((peewee.PeeweeException, sqlite3.Error), match="nowhere"):
        database.write(lambda tx: database.sql_one("SELECT 1 FROM nowhere"))
    assert database.write(lambda tx: lease(tx, "a")) > 0


# -- insert_absent ------------------------------------------------------------------------------------


def test_of_20_threads_that_insert_one_key_exactly_one_is_told_so(database: Database) -> None:
    start = threading.Barrier(20)

    def work() -> bool:
        start.wait(WAIT_S)
        return database.write(lambda tx: tx.insert_absent(Lease, name="a", token="t", until_ms=1))

    assert sorted(in_threads(*[work] * 20)) == [False] * 19 + [True]
    assert len(database.rows(Lease.select())) == 1


def test_a_transaction_goes_on_after_insert_absent_found_the_key_taken(database: Database) -> None:
    database.write(lambda tx: lease(tx, "a"))

    def work(tx: Tx) -> bool:
        lease(tx, "b")
        absent = tx.insert_absent(Lease, name="a", token="t", until_ms=1)
        lease(tx, "c")
        return absent

    assert database.write(work) is False
    assert len(database.rows(Lease.select())) == 3


def test_insert_absent_hides_only_a_taken_key(database: Database) -> None:
    with pytest.raises(peewee.IntegrityError):
        database.write(lambda tx: tx.insert_absent(Lease, name="a", token=None, until_ms=1))
    with pytest.raises(peewee.IntegrityError):
        database.write(lambda tx: tx.insert_absent(tables.ManifestBlob, manifest=99, blob=99))
    assert database.rows(Lease.select()) == []
