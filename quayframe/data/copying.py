"""What copying a whole database asks of each kind of database: all tables in an order that references
allow, one snapshot, pages in key order, the highest ids ever given, and the mark of a copy under way."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import peewee

import quayframe.data

from .db import Database
from .failures import DRIVER_ERRORS
from .fields import MYSQL, POSTGRESQL, SQLITE, Bytes, Id, Name, Ref, Text
from .migrations import COPYING
from .table import Table
from .tx import Row, Tx

_SNAPSHOT = {
    SQLITE: ("BEGIN",),
    POSTGRESQL: ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
    MYSQL: (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
}


@dataclass(frozen=True)
class Form:
    """A table as copying sees it: rows are tuples of all columns, the id first."""

    name: str
    columns: tuple[str, ...]
    fields: tuple[peewee.Field, ...]

    @cached_property
    def refers(self) -> set[str]:
        """The tables that foreign keys name, this one too where rows refer to one another."""
        return {field.to for field in self.fields if isinstance(field, Ref) and not field.loose}

    @cached_property
    def own_refs(self) -> list[int]:
        """Places in a row of references to rows of the same table."""
        refs = enumerate(self.fields)
        return [at for at, f in refs if isinstance(f, Ref) and not f.loose and f.to == self.name]

    @cached_property
    def page(self) -> int:
        """Rows that are read at once; few of them where one may be megabytes."""
        return 50 if any(isinstance(field, Bytes) for field in self.fields) else 1000


def forms() -> list[Form]:
    """All tables, those that others refer to first. Raises ValueError for references in a circle."""
    for module in pkgutil.iter_modules(quayframe.data.__path__):
        if not module.ispkg:
            importlib.import_module(f"quayframe.data.{module.name}")
    found = {}
    for table in Table.__subclasses__():
        if table.__module__.startswith("quayframe.data."):
            meta: Any = table._meta
            fields = sorted(meta.sorted_fields, key=lambda field: not isinstance(field, Id))
            names = tuple(field.column_name for field in fields)
            found[meta.table_name] = Form(meta.table_name, names, tuple(fields))
    ordered: list[Form] = []
    while found:
        free = [form for form in found.values() if not (form.refers - {form.name}) & found.keys()]
        if not free:
            raise ValueError(f"tables refer to one another in a circle: {', '.join(sorted(found))}")
        ordered += sorted(free, key=lambda form: form.name)
        for form in free:
            del found[form.name]
    return ordered


class Side:
    """One of the two databases of a copy, on this thread's one connection."""

    def __init__(self, db: Database, session: Any) -> None:
        self.db = db
        self._session = session

    def sql(self, text: str, params: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query in SQL, `?` for each parameter."""
        return list(self._session.execute_sql(self.db.translate(text), tuple(params)).fetchall())

    def do(self, text: str, params: Sequence[Any] = ()) -> None:
        """Runs a statement outside of any transaction."""
        self._session.execute_sql(self.db.translate(text), tuple(params))

    def quote(self, name: str) -> str:
        return f"`{name}`" if self.db.dialect == MYSQL else f'"{name}"'

    def has(self, table: str) -> bool:
        return bool(self._session.table_exists(table))

    def top(self, form: Form) -> int:
        """The highest id among the rows; 0 for an empty table."""
        return int(self.sql(f"SELECT COALESCE(MAX(id), 0) FROM {self.quote(form.name)}")[0][0])  # noqa: S608

    def count(self, form: Form, above: int = 0) -> int:
        """How many rows have an id above this."""
        text = f"SELECT COUNT(*) FROM {self.quote(form.name)} WHERE id > ?"  # noqa: S608
        return int(self.sql(text, (above,))[0][0])

    def between(self, form: Form, above: int, upto: int) -> list[Row]:
        """The rows with these ids, in their order."""
        columns = ", ".join(map(self.quote, form.columns))
        where = "WHERE id > ? AND id <= ? ORDER BY id"
        return self.sql(f"SELECT {columns} FROM {self.quote(form.name)} {where}", (above, upto))  # noqa: S608

    def pages(self, form: Form, above: int = 0) -> Iterator[list[Row]]:
        """All rows with higher ids, in the order of their ids."""
        columns = ", ".join(map(self.quote, form.columns))
        text = f"SELECT {columns} FROM {self.quote(form.name)} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        last = above
        while rows := self.sql(text, (last, form.page)):
            yield rows
            last = rows[-1][0]

    def unique(self, form: Form) -> set[str]:
        """The columns that unique indexes name, without the id."""
        indexes = self._session.get_indexes(form.name)
        return {column for index in indexes if index.unique for column in index.columns} - {"id"}

    # -- ids ------------------------------------------------------------------------------------

    def given(self, form: Form) -> int:
        """The highest id that was ever given in a table, whether or not its row is still there."""
        found: list[Row]
        if self.db.dialect == SQLITE:
            found = self.sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (form.name,))
        elif self.db.dialect == POSTGRESQL:
            # A name that the database itself gives back, quoted where that is needed.
            sequence = self.sql("SELECT pg_get_serial_sequence(?, 'id')", (self.quote(form.name),))[0][0]
            found = self.sql(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        else:
            found = self.sql(
                "SELECT AUTO_INCREMENT - 1 FROM information_schema.TABLES"
                " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
                (form.name,),
            )
        return max(self.top(form), int(found[0][0] or 0) if found else 0)

    def give_above(self, form: Form, ident: int) -> None:
        """The next id of a table will be above `ident`."""
        if ident <= 0:
            return
        name = self.quote(form.name)
        if self.db.dialect == POSTGRESQL:
            self.sql("SELECT setval(pg_get_serial_sequence(?, 'id'), ?)", (name, ident))
        elif self.db.dialect == MYSQL:
            self.do(f"ALTER TABLE {name} AUTO_INCREMENT = {ident + 1:d}")
        else:
            self.do(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, 0"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                (form.name, form.name),
            )
            self.do("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (ident, form.name))

    # -- the mark -------------------------------------------------------------------------------

    def mark(self) -> str | None:
        """Whose copy into this database is not finished: what `set_mark` was given."""
        found = self.sql("SELECT name FROM migration WHERE name LIKE ?", (f"{COPYING}%",))
        return str(found[0][0]).removeprefix(COPYING) if found else None

    def set_mark(self, whose: str) -> None:
        now = int(time.time() * 1000)
        self.do("INSERT INTO migration (name, applied_ms) VALUES (?, ?)", (COPYING + whose, now))

    def end_mark(self) -> None:
        self.do("DELETE FROM migration WHERE name LIKE ?", (f"{COPYING}%",))


@contextmanager
def opened(db: Database) -> Iterator[Side]:
    """A database without a transaction of ours. Raises Unavailable."""
    with db.session() as session:
        yield Side(db, session)


@contextmanager
def snapshot(db: Database) -> Iterator[Side]:
    """A database as it is now, whatever others write meanwhile. Raises Unavailable."""
    with db.session() as session:
        for statement in _SNAPSHOT[db.dialect]:
            session.execute_sql(statement)
        try:
            side = Side(db, session)
            # SQLite's snapshot begins with the first read.
            side.sql("SELECT COUNT(*) FROM migration")
            yield side
        finally:
            with suppress(*DRIVER_ERRORS):
                session.execute_sql("ROLLBACK")


# -- writing, inside a transaction ------------------------------------------------------------------


def insert(tx: Tx, side: Side, form: Form, rows: Sequence[Row]) -> None:
    """Inserts rows with their ids; not more of them than `portions` gives."""
    one = f"({', '.join('?' for _ in form.columns)})"
    columns = ", ".join(map(side.quote, form.columns))
    text = f"INSERT INTO {side.quote(form.name)} ({columns}) VALUES {', '.join(one for _ in rows)}"  # noqa: S608
    _run(tx, text, [value for row in rows for value in row])


def update(tx: Tx, side: Side, form: Form, ident: int, values: dict[str, Any]) -> None:
    changes = ", ".join(f"{side.quote(column)} = ?" for column in values)
    text = f"UPDATE {side.quote(form.name)} SET {changes} WHERE id = ?"  # noqa: S608
    _run(tx, text, [*values.values(), ident])


def delete(tx: Tx, side: Side, form: Form, ids: Sequence[int]) -> None:
    for ident in ids:
        _run(tx, f"DELETE FROM {side.quote(form.name)} WHERE id = ?", [ident])  # noqa: S608


def _run(tx: Tx, text: str, params: list[Any]) -> None:
    tx.run(peewee.SQL(tx.db.translate(text), params))


_VALUES = 20_000
_BYTES = 4_000_000


def portions(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows that one statement can take: every database limits its values and its bytes."""
    portion: list[Row] = []
    values = size = 0
    for row in rows:
        long = sum(len(value) for value in row if isinstance(value, str | bytes))
        if portion and (values + len(row) > _VALUES or size + long > _BYTES):
            yield portion
            portion, values, size = [], 0, 0
        portion.append(row)
        values += len(row)
        size += long
    if portion:
        yield portion


def unfit(form: Form, row: Row, dialect: str) -> str | None:
    """Why a database cannot hold a row that another one holds; None = it can."""
    if dialect == SQLITE:
        return None
    for field, value in zip(form.fields, row, strict=True):
        if not isinstance(value, str):
            continue
        where = f"{form.name} {row[0]}, {field.column_name}"
        if isinstance(field, Name) and len(value) > 255:
            return f"{where}: {len(value)} characters, where 255 are the most"
        if dialect == POSTGRESQL and isinstance(field, Name | Text) and "\0" in value:
            return f"{where}: a text with the character NUL, which PostgreSQL does not take"
    return None


def steps_of(side: Side) -> list[str]:
    """The steps of the schema that are recorded, without the mark of a copy."""
    if not side.has("migration"):
        return []
    found = side.sql("SELECT name FROM migration ORDER BY name")
    return [str(row[0]) for row in found if not str(row[0]).startswith(COPYING)]
