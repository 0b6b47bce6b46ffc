"""The one way to the database: pooled reads, and write transactions that run again when they must.

A `Database` belongs to one registry object; nothing here is global. Queries are peewee's, or SQL with
`?` for parameters; rows are plain tuples.
"""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import peewee

from quayframe.errors import ConfigError, StorageFull, Unavailable
from quayframe.plugin import boundary

from . import connect
from .fields import MYSQL, POSTGRESQL, SQLITE

T = TypeVar("T")
Row = tuple[Any, ...]
log = logging.getLogger("quayframe.data")

ATTEMPTS = 8
# PostgreSQL: serialization failure, deadlock, lock not available. MariaDB: deadlock, lock wait timeout,
# record changed since last read. Nothing of such a transaction has happened, so it may run again.
_AGAIN_SQLSTATE = {"40001", "40P01", "55P03"}
_AGAIN_MYSQL = {1213, 1205, 1020}


class Tx:
    """A write transaction under way. It touches the database only; `after` is for the world outside."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._after: list[Callable[[], object]] = []

    def rows(self, query: Any) -> list[Row]:
        return self.db.rows(query)

    def one(self, query: Any) -> Row | None:
        return self.db.one(query)

    def value(self, query: Any) -> Any:
        return self.db.value(query)

    def lock(self, query: Any) -> list[Row]:
        """The rows of a SELECT, locked until the end of the transaction (SQLite locks everything)."""
        if self.db.dialect != SQLITE:
            query = query.for_update()
        return self.db.rows(query)

    def claim(self, query: Any) -> list[Row]:
        """Like `lock`, passing over rows that somebody else has locked."""
        if self.db.dialect != SQLITE:
            query = query.for_update(skip_locked=True)
        return self.db.rows(query)

    def run(self, query: Any) -> int:
        """Runs an UPDATE, DELETE or INSERT; returns how many rows it changed."""
        return self.db.run(query)

    def insert(self, table: type[peewee.Model], **values: Any) -> int:
        """Inserts one row and returns its id. Raises peewee.IntegrityError when a key is taken."""
        query = table.insert(**values)
        if self.db.dialect == POSTGRESQL:
            found = self.db.one(query.returning(table._meta.primary_key))
            assert found is not None
            return int(found[0])
        return self.db.insert_id(query)

    def insert_absent(self, table: type[peewee.Model], **values: Any) -> bool:
        """Inserts one row unless a unique key is taken; tells whether it did."""
        return self.db.run(table.insert(**values).on_conflict_ignore()) > 0

    def after(self, act: Callable[[], object]) -> None:
        """Registers what is to run outside, once, when this transaction has been committed."""
        self._after.append(act)


class Database:
    """A database and this process's connections to it. Safe to use from many threads."""

    def __init__(self, uri: str, args: Mapping[str, Any] | None = None, *, pool: int = 20) -> None:
        self.dialect, self._db = connect.open_uri(uri, dict(args or {}), pool)
        self._writer = threading.Lock()
        self._translated: dict[str, str] = {}
        self._direct = self.dialect == SQLITE
        self._local = threading.local()

    # -- reading ------------------------------------------------------------------------------

    def rows(self, query: Any) -> list[Row]:
        return self._read(lambda: self._db.execute(query).fetchall())

    def one(self, query: Any) -> Row | None:
        return self._read(lambda: self._db.execute(query).fetchone())

    def value(self, query: Any) -> Any:
        row = self.one(query)
        return None if row is None else row[0]

    def sql_rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query in SQL, `?` for each parameter."""
        return self._read(lambda: self._db.execute_sql(self.translate(sql), params).fetchall())

    def sql_one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query in SQL. The pull's way: nothing is built, nothing is converted."""
        if self._direct:
            try:
                row: Row | None = self._db.connection().execute(sql, params).fetchone()
                return row
            except sqlite3.Error as error:
                raise self._unavailable(error) from error
        return self._read(lambda: self._db.execute_sql(self.translate(sql), params).fetchone())

    def translate(self, sql: str) -> str:
        if self.dialect == SQLITE:
            return sql
        known = self._translated.get(sql)
        if known is None:
            known = self._translated[sql] = sql.replace("?", "%s")
        return known

    def _read(self, work: Callable[[], T]) -> T:
        inside = getattr(self._local, "inside", False)
        for last in (inside, True):
            try:
                with self._connected():
                    return work()
            except (peewee.OperationalError, peewee.InterfaceError, connect.PoolExhausted) as error:
                # A pooled connection that the server closed long ago says so only now: once more.
                if inside:
                    raise
                if last or self._direct:
                    raise self._unavailable(error) from error
        raise AssertionError("unreachable")

    # -- writing ------------------------------------------------------------------------------

    def run(self, query: Any) -> int:
        """Runs one statement; only inside `write`."""
        return int(self._db.execute(query).rowcount)

    def insert_id(self, query: Any) -> int:
        return int(self._db.execute(query).lastrowid)

    def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in one write transaction and returns what it returned.

        It runs again on busy, deadlock and serialization failure, so it must touch nothing but the
        database. Raises Unavailable when that does not help, or the database is away.
        """
        if getattr(self._local, "inside", False):
            raise boundary.InsideTransaction("a write transaction inside a write transaction")
        for attempt in range(ATTEMPTS):
            tx = Tx(self)
            try:
                result = self._attempt(tx, work)
            except (
                peewee.OperationalError,
                peewee.InterfaceError,
                peewee.InternalError,
                sqlite3.Error,
                connect.PoolExhausted,
            ) as error:
                if not _may_run_again(error):
                    raise self._unavailable(error) from error
                if attempt == ATTEMPTS - 1:
                    raise Unavailable("the database is too busy for this change; try again") from error
                time.sleep(random.uniform(0, min(0.4, 0.01 * 2**attempt)))  # noqa: S311 - jitter
                continue
            for act in tx._after:
                act()
            return result
        raise AssertionError("unreachable")

    def _attempt(self, tx: Tx, work: Callable[[Tx], T]) -> T:
        # SQLite has one writer; waiting in line here is fairer than its busy handler.
        if self._direct and not self._writer.acquire(timeout=20):
            raise Unavailable("the database is too busy for this change; try again")
        try:
            with self._connected(), boundary.transaction():
                self._db.execute_sql("BEGIN IMMEDIATE" if self._direct else "BEGIN")
                self._local.inside = True
                try:
                    result = work(tx)
                    self._db.execute_sql("COMMIT")
                except BaseException:
                    self._rollback()
                    raise
                finally:
                    self._local.inside = False
                return result
        finally:
            if self._direct:
                self._writer.release()

    def _rollback(self) -> None:
        try:
            self._db.execute_sql("ROLLBACK")
        except (peewee.PeeweeException, sqlite3.Error):
            self._drop_connection()

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
        except (peewee.OperationalError, peewee.InterfaceError):
            self._drop_connection()
            raise
        finally:
            if not self._db.is_closed():
                self._db.close()

    def _drop_connection(self) -> None:
        try:
            manual_close = getattr(self._db, "manual_close", self._db.close)
            manual_close()
        except Exception as error:
            log.debug("closing a broken connection: %s", error)

    def _unavailable(self, error: Exception) -> Exception:
        text = str(error)
        if self._direct:
            if "disk is full" in text or "readonly" in text:
                return StorageFull("the registry's database cannot be written: " + text)
            if not any(word in text for word in ("locked", "busy", "disk I/O", "unable to open")):
                return error
        log.warning("database: %s", text.strip().replace("\n", " "))
        return Unavailable("the registry's database is away; try again", retry_after=2)

    def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""
        self.sql_one("SELECT 1")

    def close(self) -> None:
        """Closes this thread's connection and the idle ones."""
        if not self._db.is_closed():
            self._db.close()
        if hasattr(self._db, "close_idle"):
            self._db.close_idle()

    @contextmanager
    def session(self) -> Iterator[peewee.Database]:
        """peewee's own database object with a connection; for migrations."""
        with self._connected():
            yield self._db


def _may_run_again(error: BaseException) -> bool:
    cause: BaseException = error.__cause__ or error.__context__ or error
    if getattr(cause, "sqlstate", None) in _AGAIN_SQLSTATE:
        return True
    if isinstance(cause, sqlite3.Error):
        return "locked" in str(cause) or "busy" in str(cause)
    code = cause.args[0] if cause.args else None
    return isinstance(code, int) and code in _AGAIN_MYSQL


def sqlite_path(uri: str) -> str | None:
    """The file of an SQLite URI; None for another database."""
    if not uri.startswith("sqlite:"):
        return None
    path = uri.removeprefix("sqlite:///")
    if path == uri or not path:
        raise ConfigError(f"DB_URI {uri}: an SQLite database is sqlite:///relative/path or sqlite:////absolute/path")
    return os.path.abspath(path)


__all__ = ["MYSQL", "POSTGRESQL", "SQLITE", "Database", "Row", "Tx", "sqlite_path"]
