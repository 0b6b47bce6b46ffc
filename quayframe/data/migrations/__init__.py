"""The schema, as steps that are recorded one by one; each is safe to run again.

A step is a module of this package called `mNNNN_<what>` with a function `apply(schema)`. Within a minor
version a step only adds, so that the release before it keeps running on the new schema.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable

from quayframe.errors import StartError

from ..db import Database
from .schema import Schema

COPYING = "~copying "
"""A name in the table of steps that begins so is the mark of a copy into this database (`data.copying`):
no release knows such a step, so none runs on half of a database."""

Step = tuple[str, Callable[[Schema], None]]


def steps() -> list[Step]:
    """All steps in order."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("m"))
    return [(name, importlib.import_module(f"{__name__}.{name}").apply) for name in names]


def version() -> str:
    """The newest step that this code knows."""
    return steps()[-1][0]


def applied(db: Database) -> list[str]:
    """The steps that this database records, in order; [] for an empty one."""
    with db.session() as session:
        schema = Schema(db.dialect, session)
        if not schema.has_table("migration"):
            return []
        return [str(row[0]) for row in session.execute_sql("SELECT name FROM migration ORDER BY name")]


def pending(db: Database) -> list[str]:
    """The steps still to run. Raises StartError when the database is newer than this code."""
    done = applied(db)
    known = [name for name, _ in steps()]
    if any(name.startswith(COPYING) for name in done):
        raise StartError(
            "a copy into this database is not finished; run quayframe db copy again, as it was begun"
        )
    if unknown := [name for name in done if name not in known]:
        raise StartError(
            f"the database has the schema of a newer release (step {unknown[-1]}); "
            "install that release, or restore a backup from before it"
        )
    return [name for name in known if name not in done]


def migrate(db: Database) -> list[str]:
    """Runs what is pending, one process at a time; returns the names of the steps it ran."""
    if not pending(db):
        return []
    with db.session() as session:
        schema = Schema(db.dialect, session)
        with schema.alone():
            schema.table("migration", name="name", applied_ms="time")
            schema.index("migration", "name", unique=True)
            todo = pending(db)
            for name, apply in steps():
                if name in todo:
                    apply(schema)
                    session.execute_sql(
                        db.translate("INSERT INTO migration (name, applied_ms) VALUES (?, ?)"),
                        (name, int(time.time() * 1000)),
                    )
            return todo
