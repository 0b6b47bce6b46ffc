"""Portable definitions of tables, columns and indexes for the migration steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import peewee

from quayframe.errors import Unavailable

from ..fields import MYSQL, POSTGRESQL, SQLITE, Bytes, Flag, Id, Int, Name, Text

_TYPES: dict[str, Any] = {"int": Int, "time": Int, "flag": Flag, "bytes": Bytes, "text": Text, "name": Name}


class Schema:
    """Makes what is missing and leaves alone what is there.

    A column is written as its type (`int time flag bytes text name`, `ref:<table>`), followed by `?`
    where null is allowed or `=<number or word>` for a default.
    """

    def __init__(self, dialect: str, session: Any) -> None:
        self.dialect = dialect
        self.session = session

    def has_table(self, table: str) -> bool:
        return bool(self.session.table_exists(table))

    def table(self, table: str, **columns: str) -> None:
        """Makes a table with an `id` and these columns."""
        quote = self._quote
        parts = [f"{quote('id')} {Id.sql_types[self.dialect]}"]
        foreign = []
        for name, spec in columns.items():
            definition, refers = self._column(spec)
            parts.append(f"{quote(name)} {definition}")
            if refers:
                foreign.append(f"FOREIGN KEY ({quote(name)}) REFERENCES {quote(refers)} ({quote('id')})")
        tail = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin" if self.dialect == MYSQL else ""
        self.session.execute_sql(
            f"CREATE TABLE IF NOT EXISTS {quote(table)} ({', '.join(parts + foreign)}){tail}"
        )

    def column(self, table: str, name: str, spec: str) -> None:
        """Adds a column to a table, with a default or null, so that the release before can still write."""
        if name in [column.name for column in self.session.get_columns(table)]:
            return
        definition, refers = self._column(spec)
        if refers:
            definition += f" REFERENCES {self._quote(refers)} ({self._quote('id')})"
        self.session.execute_sql(
            f"ALTER TABLE {self._quote(table)} ADD COLUMN {self._quote(name)} {definition}"
        )

    def index(self, table: str, *columns: str, unique: bool = False) -> None:
        name = f"{table}_{'_'.join(columns)}"[:60]
        if name in [index.name for index in self.session.get_indexes(table)]:
            return
        kind = "UNIQUE INDEX" if unique else "INDEX"
        listed = ", ".join(self._quote(column) for column in columns)
        self.session.execute_sql(f"CREATE {kind} {self._quote(name)} ON {self._quote(table)} ({listed})")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process migrates at a time."""
        if self.dialect == SQLITE:
            self.session.execute_sql("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.session.execute_sql("ROLLBACK")
                raise
            self.session.execute_sql("COMMIT")
            return
        # MariaDB's names are the server's, PostgreSQL's numbers the database's own.
        name = "CONCAT('quayframe.', MD5(DATABASE()))"
        take, give = {
            POSTGRESQL: ("SELECT 1 FROM pg_advisory_lock(74261)", "SELECT pg_advisory_unlock(74261)"),
            MYSQL: (f"SELECT GET_LOCK({name}, 600)", f"SELECT RELEASE_LOCK({name})"),
        }[self.dialect]
        row = self.session.execute_sql(take).fetchone()
        if not row or row[0] != 1:
            raise Unavailable("another process is migrating this database")
        try:
            yield
        finally:
            # With the connection gone the lock is gone too; what broke it is worth more than this.
            with suppress(peewee.PeeweeException):
                self.session.execute_sql(give)

    def _column(self, spec: str) -> tuple[str, str | None]:
        spec, has_default, default = spec.partition("=")
        null = spec.endswith("?")
        kind, _, refers = spec.rstrip("?").partition(":")
        sql = Int.sql_types[self.dialect] if kind == "ref" else _TYPES[kind].sql_types[self.dialect]
        if not null:
            sql += " NOT NULL"
        if has_default:
            sql += f" DEFAULT {default if default.isdigit() else repr(default)}"
        return sql, refers or None

    def _quote(self, name: str) -> str:
        return f"`{name}`" if self.dialect == MYSQL else f'"{name}"'
