"""A database that a release before has filled becomes the present schema, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import quayframe.data.content
import quayframe.data.tenancy  # noqa: F401 - their tables are among those of `tables`
from quayframe.data import migrations
from quayframe.data.db import Database
from quayframe.data.migrations.schema import Schema
from quayframe.data.table import Table

# One row per table of the first release, as it wrote them; in an order that references allow.
FIRST: dict[str, dict[str, Any]] = {
    "account": {
        "id": 7,
        "uuid": "u7",
        "name": "old",
        "kind": "user",
        "email": "old@example.com",
        "password_hash": "$2b$",
        "enabled": 1,
        "verified": 1,
        "auth_epoch": 3,
        "created_ms": 1,
    },
    "team": {"id": 2, "uuid": "t2", "organization_id": 7, "name": "owners", "role": "admin"},
    "team_member": {"id": 1, "team_id": 2, "account_id": 7},
    "login_failure": {"id": 1, "key": "k", "failures": 2, "last_ms": 5},
    "login_link": {"id": 1, "account_id": 7, "provider": "ldap", "subject": "s"},
    "repository": {
        "id": 4,
        "uuid": "r4",
        "namespace_id": 7,
        "name": "app/one",
        "visibility": "private",
        "kind": "image",
        "state": "NORMAL",
        "creator_id": 7,
        "created_ms": 2,
    },
    "permission": {"id": 1, "repository_id": 4, "account_id": 7, "role": "admin"},
    "stored_blob": {"id": 9, "digest": "sha256:aa", "size": 11, "created_ms": 3},
    "blob_placement": {"id": 1, "blob_id": 9, "location": "default", "storage_key": "sha256/aa/aa.u"},
    "repository_blob": {"id": 1, "repository_id": 4, "namespace_id": 7, "blob_id": 9},
    "size_delta": {"id": 1, "namespace_id": 7, "repository_id": 4, "delta": 11, "at_ms": 3},
    "trash": {"id": 1, "location": "default", "storage_key": "gone", "due_ms": 4, "attempts": 0},
    "manifest": {
        "id": 5,
        "repository_id": 4,
        "digest": "sha256:bb",
        "media_type": "m",
        "body": b"\x00\xff{}",
        "size": 4,
        "subject_seen": 0,
        "layers_size": 11,
        "created_ms": 3,
    },
    "manifest_blob": {"id": 1, "manifest_id": 5, "blob_id": 9},
    "manifest_child": {"id": 1, "parent_id": 5, "child_id": 5},
    "manifest_hold": {"id": 1, "manifest_id": 5, "reason": "push", "expires_ms": 99},
    "tag": {
        "id": 6,
        "repository_id": 4,
        "name": "Latest",
        "manifest_id": 5,
        "start_ms": 3,
        "immutable": 0,
        "version": 1,
    },
    "tag_interval": {
        "id": 1,
        "tag_id": 6,
        "repository_id": 4,
        "manifest_id": 5,
        "start_ms": 3,
        "reversion": 0,
    },
    "upload": {
        "id": 1,
        "uuid": "up",
        "repository_path": "old/app/one",
        "location": "default",
        "state": "{}",
        "size": 0,
        "algorithm": "sha256",
        "version": 0,
        "created_ms": 3,
        "touched_ms": 3,
    },
    "service_key": {"id": 1, "kid": "kid", "service": "quay", "jwk": "{}", "created_ms": 1, "approved_ms": 1},
    "token": {
        "id": 1,
        "uuid": "to",
        "kind": "oauth",
        "account_id": 7,
        "title": "t",
        "lookup": "l",
        "created_ms": 1,
    },
    "event": {"id": 3, "seq": 1, "kind": "push_repo", "at_ms": 3, "data": "{}", "in_log": 1},
    "subscription": {"id": 1, "uuid": "s", "repository_id": 4, "kind": "push_repo", "enabled": 1},
    "delivery": {"id": 1, "event_id": 3, "subscription_id": 1},
    "event_cursor": {"id": 1, "name": "plugin:x", "seq": 1},
    "job": {
        "id": 1,
        "kind": "sweep",
        "payload": "{}",
        "due_ms": 1,
        "attempts": 0,
        "max_attempts": 10,
        "dead": 0,
        "created_ms": 1,
    },
    "lease": {"id": 1, "name": "sequencer", "token": "t", "until_ms": 1},
}

# What a step fills in where it adds a column; elsewhere the new column has its table's default.
FILLED = {("tag_interval", "name"): "Latest"}


def fill(database: Database) -> None:
    with database.session() as session:
        for table, row in FIRST.items():
            mark = "`" if database.dialect == "mysql" else '"'
            columns = ", ".join(f"{mark}{name}{mark}" for name in row)
            places = ", ".join("?" for _ in row)
            session.execute_sql(
                database.translate(f"INSERT INTO {mark}{table}{mark} ({columns}) VALUES ({places})"),
                tuple(row.values()),
            )


def test_the_first_releases_rows_are_all_there_after_every_step(
    database_uri: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_uri)
    with database.session() as session:
        schema = Schema(database.dialect, session)
        schema.table("migration", name="name", applied_ms="time")
        schema.index("migration", "name", unique=True)
        first, apply = migrations.steps()[0]
        apply(schema)
        session.execute_sql(
            database.translate("INSERT INTO migration (name, applied_ms) VALUES (?, ?)"), (first, 1)
        )
    fill(database)

    assert migrations.migrate(database) == [name for name, _ in migrations.steps()[1:]]

    by_name = {table._meta.table_name: table for table in Table.__subclasses__()}
    for name, row in FIRST.items():
        columns = {field.column_name: field for field in by_name[name]._meta.sorted_fields}
        found = database.rows(by_name[name].select(*(columns[column] for column in row)))
        assert {name: [tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in found]} == {
            name: [tuple(row.values())]
        }
        # What is new has the default of its table, so that the services need not ask whether it is there.
        for field in columns.values():
            if field.column_name not in row:
                assert (name, field.column_name, database.value(by_name[name].select(field))) == (
                    name,
                    field.column_name,
                    FILLED.get((name, field.column_name), field.default),
                )
