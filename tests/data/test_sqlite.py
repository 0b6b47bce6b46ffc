"""What SQLite needs to be safe: its settings on each connection, and one writer among processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import pytest

from quayframe.data import migrations, tables
from quayframe.data.db import Database, sqlite_path
from quayframe.errors import ConfigError, StorageFull

Lease = tables.Lease

WRITER = """
import sys
from quayframe.data import migrations, tables
from quayframe.data.db import Database

database = Database(sys.argv[1])
migrations.migrate(database)
Lease = tables.Lease

def work(tx):
    # Reads first: a transaction that does so and was not begun IMMEDIATE fails at once when another wrote.
    tx.insert_absent(Lease, name="a", token="t", until_ms=0)
    value = tx.value(Lease.select(Lease.until_ms).where(Lease.name == "a"))
    tx.run(Lease.update(until_ms=value + 1).where(Lease.name == "a"))

for _ in range(20):
    database.write(work)
"""


@pytest.fixture
def database(sqlite: str, open_database: Callable[..., Database]) -> Database:
    made = open_database(sqlite)
    migrations.migrate(made)
    return made


def test_every_threads_connection_is_wal_full_and_holds_foreign_keys(database: Database) -> None:
    def settings() -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [(database.sql_one(f"PRAGMA {name}") or [None])[0] for name in names]

    with ThreadPoolExecutor(1) as pool:
        found = [settings(), pool.submit(settings).result(20)]
    assert found == [["wal", 2, 1, 10000]] * 2


def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(peewee.IntegrityError):
        database.write(lambda tx: tx.insert(tables.ManifestBlob, manifest=1, blob=1))


def test_10_processes_with_20_increments_each_lose_none(sqlite: str) -> None:
    # On an empty file: they also make it, turn it to WAL and migrate it all at once.
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, sqlite], stderr=subprocess.PIPE) for _ in range(10)
    ]
    errors = [process.communicate(timeout=100)[1].decode() for process in running]
    assert [error for error in errors if error] == []
    assert Database(sqlite).value(Lease.select(Lease.until_ms)) == 200


def test_reads_go_on_while_another_process_writes(database: Database, sqlite: str) -> None:
    other = Database(sqlite)
    written, done = threading.Event(), threading.Event()

    def write() -> None:
        def work(tx: object) -> None:
            other.insert_id(Lease.insert(name="a", token="t", until_ms=1))
            written.set()
            assert done.wait(20)

        other.write(work)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert written.wait(20)
        assert database.rows(Lease.select()) == []
        done.set()
        writing.result(20)
    assert len(database.rows(Lease.select())) == 1


def test_a_full_disk_is_told_as_such_and_the_next_write_succeeds(database: Database) -> None:
    pages = database.sql_one("PRAGMA page_count")
    assert pages is not None
    database.sql_one(f"PRAGMA max_page_count = {pages[0] + 2}")

    def fill() -> None:
        database.write(
            lambda tx: tx.insert(tables.Job, kind="k", payload="x" * 100_000, due_ms=1, created_ms=1)
        )

    with pytest.raises(StorageFull):
        fill()
    database.sql_one("PRAGMA max_page_count = 100000")
    fill()
    assert len(database.rows(tables.Job.select(tables.Job.id))) == 1


def test_the_uri_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_path("sqlite:////a/b.db") == "/a/b.db"
    assert sqlite_path("sqlite:///b.db") == os.path.join(tmp_path, "b.db")
    assert sqlite_path("postgresql://h/d") is None


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("sqlite://", "SQLite database is"),
        ("sqlite:///", "SQLite database is"),
        ("sqlite:///:memory:", "SQLite database is"),
        ("oracle://h/d", "oracle"),
        ("nothing", "unknown database"),
        ("postgresql://h", "name is missing"),
        ("mysql://h:port/d", "port"),
    ],
)
def test_a_uri_that_cannot_be_used_is_named(uri: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        Database(uri)
