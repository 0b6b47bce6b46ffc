"""Rows that go with the row that they refer to, found by what the tables say of themselves: no list to
edit when a table is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from quayframe.data.db import Tx
from quayframe.data.fields import Ref
from quayframe.data.table import Table

Handler = Callable[[Tx, list[int]], int]
"""Deals with the rows that refer to these ids by one column; returns how many rows it touched."""


@cache
def referring(table: type[Table]) -> tuple[Any, ...]:
    """The columns, of all tables, that refer to rows of `table` by a foreign key."""
    name = _meta(table).table_name
    found = []
    for other in sorted(Table.__subclasses__(), key=lambda one: str(_meta(one).table_name)):
        for field in _meta(other).sorted_fields:
            if isinstance(field, Ref) and field.to == name and not field.loose:
                found.append(field)
    return tuple(found)


def drain(
    tx: Tx, table: type[Table], where: Any, budget: int, special: Mapping[Any, Handler] | None = None
) -> int:
    """Deletes rows of `table`, and first those that refer to them, however deep.

    :param budget: about how many rows at the most; fewer were deleted = nothing is left.
    :param special: by column, what happens to the rows that refer by it, instead of going.
    Returns how many rows were deleted."""
    special = special or {}
    columns: Any = table
    ids = [int(i) for (i,) in tx.rows(columns.select(columns.id).where(where).limit(budget))]
    if not ids:
        return 0
    done = 0
    for column in referring(table):
        if column in special:
            done += special[column](tx, ids)
        else:
            done += drain(tx, column.model, column.in_(ids), budget - done, special)
        if done >= budget:
            return done
    tx.run(table.delete().where(columns.id.in_(ids)))
    return done + len(ids)


def nulled(column: Any) -> Handler:
    """A handler: the rows stay, and refer to nothing from then on."""

    def handle(tx: Tx, ids: list[int]) -> int:
        tx.run(column.model.update({column: None}).where(column.in_(ids)))
        return 0

    return handle


def untouched(tx: Tx, ids: list[int]) -> int:
    """A handler: whoever calls has seen to these rows; where there still is one the foreign key refuses."""
    return 0


def _meta(table: type[Table]) -> Any:
    return vars(table)["_meta"]
