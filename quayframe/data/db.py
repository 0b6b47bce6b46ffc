"""The one way to the database: pooled reads, and write transactions that run again when they must.

A `Database` belongs to one registry object; nothing here is global. Queries are peewee's, or SQL with
`?` for parameters; rows are plain tuples of int, float, str, bytes and None on every database.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import peewee

from quayframe.errors import QuayframeError, StorageFull, Unavailable
from quayframe.plugin import boundary

from . import connect
from .connect import sqlite_path
from .failures import DRIVER_ERRORS, Kind, driver_error, kind, mariadb_code
from .fields import MYSQL, POSTGRESQL, SQLITE
from .tx import Row, Tx

T = TypeVar("T")
log = logging.getLogger("quayframe.data")

ATTEMPTS = 8
"""How often a write transaction is tried; once the connection is lost, RECONNECTS times."""
RECONNECTS = 3
PATIENCE_S = 20
"""No new attempt after this, and the longest wait for SQLite's one writer."""

# READ COMMITTED whatever the server's default; a lock is waited for as long as on MariaDB.
_BEGIN = {
    SQLITE: "BEGIN IMMEDIATE",
    POSTGRESQL: "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '10s'",
    MYSQL: "BEGIN",
}
_MARIADB_DUPLICATE = 1062


class Database:
    """A database and this process's connections to it. Safe to use from many threads; made anew after
    a fork.

    Reads raise Unavailable when the database is away; errors in the query itself are peewee's."""

    def __init__(self, uri: str, args: Mapping[str, Any] | None = None, *, pool: int = 20) -> None:
        self.dialect, self._db = connect.open_uri(uri, dict(args or {}), pool)
        self._writer = threading.Lock()
        self._translated: dict[str, str] = {}
        self._direct = self.dialect == SQLITE
        self._local = threading.local()

    # -- reading ------------------------------------------------------------------------------

    def rows(self, query: Any) -> list[Row]:
        return self._read(lambda: list(self._db.execute(query).fetchall()))

    def one(self, query: Any) -> Row | None:
        row: Row | None = self._read(lambda: self._db.execute(query).fetchone())
        return row

    def value(self, query: Any) -> Any:
        row = self.one(query)
        return None if row is None else row[0]

    def sql_rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query in SQL, `?` for each parameter."""
        return self._read(lambda: list(self._db.execute_sql(self.translate(sql), params).fetchall()))

    def sql_one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query in SQL. The pull's way: nothing is built, nothing is converted."""
        if self._direct:
            try:
                row: Row | None = self._db.connection().execute(sql, params).fetchone()
                return row
            except (sqlite3.Error, peewee.PeeweeException) as error:
                if (tx := self._tx()) is not None:
                    tx._failed = error
                    raise
                self._raise(error)
        found: Row | None = self._read(lambda: self._db.execute_sql(self.translate(sql), params).fetchone())
        return found

    def translate(self, sql: str) -> str:
        """`sql` as the driver wants it: `?` becomes `%s`; a `?` inside a literal is not possible."""
        if self.dialect == SQLITE:
            return sql
        known = self._translated.get(sql)
        if known is None:
            known = self._translated[sql] = sql.replace("%", "%%").replace("?", "%s")
        return known

    def _read(self, work: Callable[[], T]) -> T:
        tx = self._tx()
        if tx is not None:
            return _in(tx, work)
        try:
            with self._connected():
                return work()
        except DRIVER_ERRORS as error:
            if kind(error) is not Kind.LOST:
                self._raise(error)
        # The server ended a connection that was idle: all others are likely to be as old.
        self._close_idle()
        try:
            with self._connected():
                return work()
        except DRIVER_ERRORS as error:
            self._raise(error)

    # -- writing ------------------------------------------------------------------------------

    def run(self, query: Any) -> int:
        """Runs one statement; only inside `write`."""
        return _in(self._writing(), lambda: int(self._db.execute(query).rowcount))

    def insert_id(self, query: Any) -> int:
        """Runs an INSERT and gives the new row's id (not on PostgreSQL); only inside `write`."""
        return _in(self._writing(), lambda: int(self._db.execute(query).lastrowid))

    def run_absent(self, query: Any) -> bool:
        """Runs an INSERT of one row unless a unique key is taken; only inside `write`."""

        def work() -> bool:
            sql, params = self._db.get_sql_context().sql(query).query()
            if self.dialect != MYSQL:
                return int(self._db.execute_sql(f"{sql} ON CONFLICT DO NOTHING", params).rowcount) > 0
            # INSERT IGNORE would also cut what is too long and drop what breaks a foreign key.
            try:
                return int(self._db.execute_sql(sql, params).rowcount) > 0
            except peewee.IntegrityError as error:
                if mariadb_code(error) != _MARIADB_DUPLICATE:
                    raise
                return False

        return _in(self._writing(), work)

    def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in one write transaction and returns what it returned.

        It runs again on busy, deadlock and serialization failure, so it must touch nothing but the
        database. Raises Unavailable when that does not help, or the database is away. When the
        connection breaks during the commit, Unavailable leaves open whether the act is done.
        """
        if self._tx() is not None:
            raise boundary.InsideTransaction("a write transaction inside a write transaction")
        if self.rehearsed() is not None:
            return self._rehearse(work)
        start = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            tx = Tx(self)
            try:
                result = self._attempt(tx, work)
            except DRIVER_ERRORS as error:
                what = kind(error)
                if what is Kind.LOST:
                    self._close_idle()
                    again = attempt < RECONNECTS and not tx._committing
                else:
                    again = what is Kind.AGAIN
                late = attempt == ATTEMPTS or time.monotonic() - start > PATIENCE_S
                if not again or late:
                    self._raise(error)
                time.sleep(random.uniform(0, min(0.4, 0.01 * 2**attempt)))  # noqa: S311 - jitter
                continue
            _run_after(tx._after)
            return result
        raise AssertionError("unreachable")

    @contextmanager
    def rehearsal(self) -> Iterator[list[Any]]:
        """What this thread writes inside is seen by itself alone and undone at the end, whatever
        happens; nothing that was to follow a commit runs. Gives the list in which the writers note what
        they did."""
        noted: list[Any] = []
        if self._direct and not self._writer.acquire(timeout=PATIENCE_S):
            raise Unavailable("the database is too busy for this; try again")
        try:
            with self._connected():
                try:
                    self._db.execute_sql(_BEGIN[self.dialect])
                    self._local.rehearsed = noted
                    yield noted
                except DRIVER_ERRORS as error:
                    self._raise(error)
                finally:
                    self._local.rehearsed = None
                    self._rollback()
        finally:
            if self._direct:
                self._writer.release()

    def rehearsed(self) -> list[Any] | None:
        """The list of this thread's rehearsal; None outside of one."""
        return getattr(self._local, "rehearsed", None)

    def _rehearse(self, work: Callable[[Tx], T]) -> T:
        """One write of a rehearsal: its failure leaves what the writes before it did."""
        tx = Tx(self)
        try:
            self._db.execute_sql("SAVEPOINT rehearsed")
            with boundary.transaction():
                self._local.tx = tx
                try:
                    result = work(tx)
                    if tx._failed is not None:
                        raise tx._failed
                    return result
                except Exception:
                    self._db.execute_sql("ROLLBACK TO SAVEPOINT rehearsed")
                    raise
                finally:
                    self._local.tx = None
        except DRIVER_ERRORS as error:
            self._raise(error)

    def _attempt(self, tx: Tx, work: Callable[[Tx], T]) -> T:
        # SQLite has one writer; waiting in line here is fairer than its busy handler.
        if self._direct and not self._writer.acquire(timeout=PATIENCE_S):
            raise Unavailable("the database is too busy for this change; try again")
        try:
            with self._connected(), boundary.transaction():
                self._db.execute_sql(_BEGIN[self.dialect])
                self._local.tx = tx
                try:
                    result = work(tx)
                    if tx._failed is not None:
                        raise tx._failed
                    tx._committing = True
                    self._db.execute_sql("COMMIT")
                except Exception as error:
                    self._rollback()
                    # A deadlock that `work` told in its own words is a deadlock still.
                    if tx._failed not in (None, error) and kind(tx._failed) in (Kind.AGAIN, Kind.LOST):
                        raise tx._failed from error
                    raise
                except BaseException:
                    self._db.discard()
                    raise
                finally:
                    self._local.tx = None
                return result
        finally:
            if self._direct:
                self._writer.release()

    def _rollback(self) -> None:
        try:
            self._db.execute_sql("ROLLBACK")
        except Exception:
            self._db.discard()

    def _tx(self) -> Tx | None:
        return getattr(self._local, "tx", None)

    def _writing(self) -> Tx:
        tx = self._tx()
        if tx is None:
            raise RuntimeError("a statement that changes the database, outside Database.write")
        return tx

    # -- connections --------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """A connection for this thread. SQLite keeps one per thread; servers lend from a pool, so
        that none is held while a body is read or written."""
        if self._direct or not self._db.is_closed():
            yield
            return
        self._db.connect()
        try:
            yield
        except Exception as error:
            if kind(error) is Kind.LOST:
                self._db.discard()
            raise
        except BaseException:
            # Stopped in the middle: an answer may still be on its way, and is not for the next one.
            self._db.discard()
            raise
        finally:
            if not self._db.is_closed():
                self._db.close()

    def _close_idle(self) -> None:
        if not self._direct:
            self._db.pool.close_idle()

    def _raise(self, error: Exception) -> NoReturn:
        """Raises what a driver's error is outside this module."""
        told = _told(error)
        if told is None:
            raise error
        raise told from error

    def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""
        self.sql_one("SELECT 1")

    def close(self) -> None:
        """Closes this thread's connection and the idle ones."""
        if not self._db.is_closed():
            self._db.close()
        self._close_idle()

    @contextmanager
    def session(self) -> Iterator[Any]:
        """peewee's own database object with a connection; for migrations. Raises Unavailable."""
        try:
            with self._connected():
                yield self._db
        except DRIVER_ERRORS as error:
            self._raise(error)


def _in(tx: Tx, work: Callable[[], T]) -> T:
    """Runs a statement of a transaction. After one has failed PostgreSQL refuses the others, MariaDB may
    have rolled back and would run them outside of any transaction: so none is tried."""
    if tx._failed is not None:
        raise tx._failed
    try:
        return work()
    except DRIVER_ERRORS as error:
        tx._failed = error
        raise


def _run_after(acts: list[Callable[[], object]]) -> None:
    for act in acts:
        try:
            act()
        except Exception:
            log.exception("what was to follow a committed transaction failed")


def _told(error: Exception) -> QuayframeError | None:
    """What a client is told of a driver's error; None for a mistake of ours."""
    what = kind(error)
    if what is Kind.OTHER:
        return None
    text = str(driver_error(error)).strip().replace("\n", " ")
    if what is Kind.AGAIN:
        return Unavailable("the database is too busy for this change; try again")
    log.warning("database: %s", text)
    if what is Kind.FULL:
        return StorageFull("the registry's database is full or cannot be written")
    return Unavailable("the registry's database is away; try again", retry_after=2)


__all__ = ["MYSQL", "POSTGRESQL", "SQLITE", "Database", "Row", "Tx", "sqlite_path"]
