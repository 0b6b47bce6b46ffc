"""Databases for tests of copying: rows in every table, and a registry as a laptop has it."""

from __future__ import annotations

import uuid
from typing import Any

from quayframe.data import copying, migrations
from quayframe.data import tables as t
from quayframe.data.copying import Form
from quayframe.data.db import Database, Tx
from quayframe.data.fields import Bytes, Flag, Id, Int, Ref
from quayframe.services.crypto import SecretBox

BOX = SecretBox("1" * 40)


def dump(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, as the drivers give them."""
    with copying.opened(db) as side:
        return {form.name: [row for page in side.pages(form) for row in page] for form in copying.forms()}


def one_of_each(form: Form, ident: int) -> dict[str, Any]:
    """A row with a value of its own in each column; references are to rows with the same id."""
    values: dict[str, Any] = {}
    for field in form.fields:
        name = field.column_name
        if isinstance(field, Id | Ref):
            values[name] = ident
        elif isinstance(field, Flag):
            values[name] = ident % 2
        elif isinstance(field, Int):
            values[name] = 2**62 + ident
        elif isinstance(field, Bytes):
            values[name] = bytes(range(256)) * 300 + str(ident).encode()
        elif field.null and ident % 2:
            values[name] = None
        else:
            values[name] = f"{name} {ident} 'quoted' % ? ü 🙂 \\ \n"
    return values


def fill(db: Database, rows: int = 2, given: int = 100) -> None:
    """Rows in every table, where more ids have been given than there are rows."""
    migrations.migrate(db)

    def work(tx: Tx) -> None:
        for form in copying.forms():
            made = [one_of_each(form, ident) for ident in range(1, rows + 1)]
            copying.insert(tx, side, form, [tuple(row[c] for c in form.columns) for row in made])

    with copying.opened(db) as side:
        db.write(work)
        for form in copying.forms():
            side.give_above(form, given)


def account(tx: Tx, name: str, **values: Any) -> int:
    made = {"uuid": str(uuid.uuid4()), "kind": "user", "created_ms": 1} | values
    return tx.insert(t.Account, name=name, **made)


def repository(tx: Tx, owner: int, name: str, **values: Any) -> int:
    made = {"uuid": str(uuid.uuid4()), "visibility": "private", "created_ms": 1} | values
    return tx.insert(t.Repository, namespace=owner, name=name, **made)


def laptop(db: Database, repositories: int) -> None:
    """A registry as one that has been used for a while."""
    migrations.migrate(db)

    def work(tx: Tx) -> None:
        owner = account(tx, "admin")
        # A robot that was made before its owner: a reference to a later row.
        robot = account(tx, "late+robot", kind="robot", robot_token=BOX.encrypt("robot's"))
        late = account(tx, "late")
        tx.run(t.Account.update(owner=late).where(t.Account.id == robot))
        for number in range(repositories):
            made = repository(tx, owner, f"r{number}", creator=robot)
            body = b'{"of": %d, "fill": "%s"}' % (number, b"x" * 500)
            digest = f"sha256:{number:064x}"
            manifest = tx.insert(
                t.Manifest,
                repository=made,
                digest=digest,
                media_type="m",
                body=body,
                size=len(body),
                created_ms=1,
            )
            tag = tx.insert(t.Tag, repository=made, name="Latest", manifest=manifest, start_ms=number + 1)
            tx.insert(
                t.TagInterval,
                tag=tag,
                repository=made,
                manifest=manifest,
                start_ms=number + 1,
                name="Latest",
            )
            tx.insert(t.EventRow, seq=number + 1, kind="push_repo", at_ms=1, data="{}")
            tx.insert(t.Job, kind="sweep", payload="{}", due_ms=1, created_ms=1)

    db.write(work)
