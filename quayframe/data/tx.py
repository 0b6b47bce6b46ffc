"""A write transaction, as the functions that run in it see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import peewee

from .fields import MYSQL, POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from .db import Database

Row = tuple[Any, ...]


class Tx:
    """A write transaction under way. It touches the database only; `after` is for the world outside.

    A statement that fails ends it, on every database: whoever catches the error can only say it in
    other words; each further statement and the commit raise it again. `insert_absent` is the way to
    insert what may be there.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self._after: list[Callable[[], object]] = []
        self._failed: Exception | None = None
        self._committing = False

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

    def share(self, query: Any) -> list[Row]:
        """The rows of a SELECT, kept from being deleted; others may share them at the same time."""
        if self.db.dialect == POSTGRESQL:
            query = query.for_update("FOR KEY SHARE")
        elif self.db.dialect == MYSQL:
            query = query.for_update("LOCK IN SHARE MODE")
        return self.db.rows(query)

    def in_turn(self, query: Any) -> list[Row]:
        """Like `lock`, but others may go on making rows that refer to these."""
        if self.db.dialect == POSTGRESQL:
            query = query.for_update("FOR NO KEY UPDATE")
        elif self.db.dialect == MYSQL:
            query = query.for_update()
        return self.db.rows(query)

    def claim(self, query: Any) -> list[Row]:
        """Like `lock`, passing over rows that somebody else has locked."""
        if self.db.dialect != SQLITE:
            query = query.for_update(skip_locked=True)
        return self.db.rows(query)

    def run(self, query: Any) -> int:
        """Runs an UPDATE, DELETE or INSERT; returns how many rows it found (an UPDATE that leaves a row
        as it was counts it)."""
        return self.db.run(query)

    def insert(self, table: type[peewee.Model], **values: Any) -> int:
        """Inserts one row and returns its id. Raises peewee.IntegrityError when a key is taken, which
        ends the transaction."""
        query = table.insert(**values)
        if self.db.dialect == POSTGRESQL:
            return int(self.db.rows(query.returning(table.id))[0][0])  # type: ignore[attr-defined]
        return self.db.insert_id(query)

    def insert_absent(self, table: type[peewee.Model], **values: Any) -> bool:
        """Inserts one row unless a unique key is taken; tells whether it did. Any other conflict (null,
        too long, a foreign key) raises as in `insert`."""
        return self.db.run_absent(table.insert(**values))

    def after(self, act: Callable[[], object]) -> None:
        """Registers what is to run outside, once, when this transaction has been committed. What it
        raises is logged: the act is done and cannot fail any more."""
        self._after.append(act)
