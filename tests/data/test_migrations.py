"""The steps make what the tables say, once, whoever runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import quayframe.data.content
import quayframe.data.tenancy  # noqa: F401 - their tables are among those of `tables`
from quayframe.data import migrations, tables
from quayframe.data.db import Database
from quayframe.data.fields import Id, Ref
from quayframe.data.migrations.schema import Schema
from quayframe.data.table import Table
from quayframe.errors import StartError

ALL = sorted(Table.__subclasses__(), key=lambda table: table._meta.table_name)

# The keys that the services build on: insert_absent, conditional updates and look-ups of one row.
UNIQUE = {
    "account": ["name", "uuid"],
    "confirmation": ["lookup"],
    "ended_session": ["ident"],
    "global_message": ["uuid"],
    "oauth_application": ["client_id"],
    "oauth_assignment": ["uuid"],
    "oauth_code": ["lookup"],
    "policy": ["fingerprint", "uuid"],
    "prototype": ["uuid"],
    "registry_size": ["key"],
    "star": ["account_id repository_id"],
    "team_invite": ["lookup", "team_id account_id", "team_id email"],
    "stored_blob": ["digest"],
    "blob_placement": ["blob_id location"],
    "delivery": ["event_id subscription_id"],
    "event": ["seq"],
    "event_cursor": ["name"],
    "lease": ["name"],
    "login_failure": ["key"],
    "login_link": ["provider subject"],
    "manifest": ["repository_id digest"],
    "manifest_blob": ["manifest_id blob_id"],
    "manifest_child": ["parent_id child_id"],
    "label": ["uuid"],
    "manifest_hold": ["manifest_id reason"],
    "manifest_pulls": ["manifest_id"],
    "permission": ["repository_id account_id", "repository_id team_id"],
    "repository": ["namespace_id name", "uuid"],
    "repository_blob": ["repository_id blob_id"],
    "service_key": ["kid"],
    "tag": ["repository_id name"],
    "tag_interval": ["tag_id start_ms"],
    "tag_pulls": ["tag_id"],
    "team": ["organization_id name"],
    "team_member": ["account_id team_id"],
    "token": ["lookup", "uuid"],
    "upload": ["uuid"],
}

MIGRATE = """
import sys
from quayframe.data import migrations
from quayframe.data.db import Database

print(*migrations.migrate(Database(sys.argv[1])))
"""


def names() -> list[str]:
    return [name for name, _ in migrations.steps()]


def test_an_empty_database_has_all_steps_pending_and_is_left_alone_by_asking(
    database_uri: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_uri)
    assert (migrations.applied(database), migrations.pending(database)) == ([], names())
    with database.session() as session:
        assert session.get_tables() == []


def test_steps_run_once(database_uri: str, open_database: Callable[..., Database]) -> None:
    database = open_database(database_uri)
    assert migrations.migrate(database) == names()
    assert (migrations.migrate(database), migrations.pending(database)) == ([], [])
    assert migrations.applied(database) == names()
    assert migrations.version() == names()[-1]


def test_a_step_that_was_cut_short_can_run_again(database: Database) -> None:
    with database.session() as session:
        session.execute_sql("DELETE FROM migration")
        session.execute_sql("DROP TABLE lease")
    assert migrations.migrate(database) == names()
    assert database.rows(tables.Lease.select()) == []


def test_two_processes_at_once_run_each_step_once(
    database_uri: str, open_database: Callable[..., Database]
) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_uri],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    out, errors = zip(*(process.communicate(timeout=100) for process in running), strict=True)
    assert errors == ("", "")
    assert sorted(" ".join(out).split()) == names()
    assert migrations.pending(open_database(database_uri)) == []


def test_the_schema_of_a_newer_release_is_refused(database: Database) -> None:
    with database.session() as session:
        session.execute_sql("INSERT INTO migration (name, applied_ms) VALUES ('m9999_later', 1)")
    for ask in (migrations.pending, migrations.migrate):
        with pytest.raises(StartError, match="m9999_later"):
            ask(database)


def test_tables_and_real_columns_agree(database: Database) -> None:
    with database.session() as session:
        made = set(session.get_tables()) - {"migration", "sqlite_sequence"}
        assert made == {table._meta.table_name for table in ALL}
        for table in ALL:
            name = table._meta.table_name
            # SQLite says of its own primary key that it may be null.
            real = {
                column.name: column.null and not column.primary_key for column in session.get_columns(name)
            }
            assert {name: real} == {
                name: {field.column_name: field.null for field in table._meta.sorted_fields}
            }


def test_real_columns_have_the_types_of_their_fields(database: Database) -> None:
    plain = {"int": "bigint", "character varying(255)": "varchar(255)"}
    with database.session() as session:
        for table in ALL:
            real = {column.name: column for column in session.get_columns(table._meta.table_name)}
            for field in table._meta.sorted_fields:
                if isinstance(field, Id):
                    continue
                wanted = field.sql_types[database.dialect].split()[0].lower()
                got = real[field.column_name]
                got_type = str(got.full_type or got.data_type).lower().partition("(")[0].split()[0]
                wanted = plain.get(wanted, wanted).partition("(")[0]
                assert (field, {"character": "varchar"}.get(got_type, got_type)) == (field, wanted)


def test_defaults_of_tables_are_those_of_the_columns(database: Database) -> None:
    with database.session() as session:
        for table in ALL:
            real = {column.name: column.default for column in session.get_columns(table._meta.table_name)}
            for field in table._meta.sorted_fields:
                if not isinstance(field, Id):
                    default = real[field.column_name]
                    bare = default and str(default).partition("::")[0].strip("'")
                    assert (field, bare) == (field, None if field.default is None else str(field.default))


def test_references_are_foreign_keys_unless_loose(database: Database) -> None:
    with database.session() as session:
        for table in ALL:
            name = table._meta.table_name
            wanted = {
                (field.column_name, field.to)
                for field in table._meta.sorted_fields
                if isinstance(field, Ref) and not field.loose
            }
            real = {(key.column, key.dest_table) for key in session.get_foreign_keys(name)}
            assert (name, real) == (name, wanted)


def test_every_key_that_services_rely_on_is_unique(database: Database) -> None:
    with database.session() as session:
        for table in ALL:
            name = table._meta.table_name
            real = [
                " ".join(index.columns)
                for index in session.get_indexes(name)
                if index.unique and index.columns != ["id"]
            ]
            assert (name, sorted(real)) == (name, UNIQUE.get(name, []))


def test_a_later_step_adds_a_column_and_the_release_before_goes_on_writing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apply(schema: Any) -> None:
        schema.column("lease", "holder", "name?")
        schema.column("lease", "rank", "int=7")
        schema.column("lease", "account_id", "ref:account?")
        schema.index("lease", "holder")

    old = migrations.steps()
    monkeypatch.setattr(migrations, "steps", lambda: [*old, ("m9998_later", apply)])
    assert migrations.migrate(database) == ["m9998_later"]
    with database.session() as session:
        apply(Schema(database.dialect, session))
    database.write(lambda tx: tx.insert(tables.Lease, name="a", token="t", until_ms=1))
    assert database.sql_one("SELECT holder, rank, account_id FROM lease") == (None, 7, None)
