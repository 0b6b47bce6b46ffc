"""db copy: between all kinds of databases, killed, begun again, and refused where it would do harm."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copying_world import BOX, account, dump, fill, laptop, repository

from quayframe.data import copying, migrations
from quayframe.data import tables as t
from quayframe.data import tenancy as people
from quayframe.data.db import Database, Tx
from quayframe.errors import Refused, StartError
from quayframe.services import db_copy, gc_holds
from quayframe.services.crypto import SecretBox
from quayframe.services.db_copy import DatabaseCopy

Open = Callable[..., Database]
KINDS = ("sqlite", "postgresql", "mariadb")
PAIRS = [(a, b) for a in KINDS for b in KINDS]


def copy(source: Database, uri: str, box: SecretBox = BOX, **options: Any) -> db_copy.Copied:
    return DatabaseCopy(source, box, readonly=options.pop("readonly", True)).run(uri, **options)


@pytest.fixture
def uris(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The URI of another empty database of a kind."""

    def new(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"
        return str(request.getfixturevalue(f"{kind}_server").new_database())

    return new


@pytest.fixture
def filled(uris: Callable[[str], str], open_database: Open) -> Database:
    db = open_database(uris("sqlite"))
    laptop(db, 50)
    return db


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_every_column_of_every_table_is_equal_and_ids_are_not_given_again(
    one: str, other: str, uris: Callable[[str], str], open_database: Open
) -> None:
    source, uri = open_database(uris(one)), uris(other)
    fill(source)
    copied = copy(source, uri)
    target = open_database(uri)
    assert dump(target) == dump(source)
    assert {name: found.rows for name, found in copied.tables.items()} == dict.fromkeys(dump(source), 2)
    assert migrations.pending(target) == []
    assert target.write(lambda tx: account(tx, "new")) == 101
    with copying.opened(target) as side:
        assert {form.name: side.given(form) for form in copying.forms() if form.name != "account"} == {
            form.name: 100 for form in copying.forms() if form.name != "account"
        }


def test_a_laptops_thousand_repositories_come_back_equal(
    uris: Callable[[str], str], open_database: Open
) -> None:
    source = open_database(uris("sqlite"))
    laptop(source, 1000)
    before, last = dump(source), source
    for kind in ("postgresql", "mariadb", "sqlite"):
        uri = uris(kind)
        copy(last, uri)
        last = open_database(uri)
        assert dump(last) == before, kind


_KILLED = """
import os, signal, sys
from quayframe.data import copying
from quayframe.data.db import Database
from quayframe.services.crypto import SecretBox
from quayframe.services.db_copy import DatabaseCopy

source, target, where, at = sys.argv[1:]
copying.Form.page = 7
left = int(at)
insert = copying.insert

def die(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(*args, **kwargs):
    insert(*args, **kwargs)
    die()

if where == "write":
    copying.insert = dying
DatabaseCopy(Database(source), SecretBox("1" * 40), readonly=True).run(
    target, die if where == "pages" else lambda *_: None
)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_the_middle_and_run_again_is_equal(
    kind: str, uris: Callable[[str], str], open_database: Open
) -> None:
    source, target = uris("sqlite"), uris(kind)
    laptop(open_database(source), 300)
    pages = 2 * sum(-(-len(rows) // 7) for rows in dump(open_database(source)).values())
    # Inside of transactions, and, when all is written, while it is compared.
    for where, at in (("write", 1), ("write", 60), ("write", 100), ("pages", pages - 5)):
        arguments = [sys.executable, "-c", _KILLED, source, target, where, str(at)]
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        with pytest.raises(StartError, match="not finished"):
            migrations.pending(open_database(target))
    copy(open_database(source), target)
    assert dump(open_database(target)) == dump(open_database(source))


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_changed_between_two_runs_is_followed(
    kind: str, uris: Callable[[str], str], open_database: Open, filled: Database
) -> None:
    uri = uris(kind)
    copy(filled, uri, more=True)

    def change(tx: Tx) -> None:
        # Names go round, rows go and refer to others, a manifest goes and its tag names a new one.
        for ident, name in ((1, "x1"), (2, "x2"), (3, "x3")):
            tx.run(t.Repository.update(name=name).where(t.Repository.id == ident))
        for ident, name in ((1, "r1"), (2, "r2"), (3, "r0")):
            tx.run(t.Repository.update(name=name).where(t.Repository.id == ident))
        new = tx.insert(
            t.Manifest,
            repository=5,
            digest="sha256:new",
            media_type="m",
            body=b"\0",
            size=1,
            created_ms=2,
        )
        tx.run(t.Tag.update(manifest=new, start_ms=99, version=2).where(t.Tag.id == 5))
        tx.run(t.TagInterval.delete().where(t.TagInterval.id == 5))
        tx.run(t.Manifest.delete().where(t.Manifest.id == 5))
        tx.run(t.TagInterval.delete().where(t.TagInterval.id == 50))
        tx.run(t.Tag.delete().where(t.Tag.id == 50))
        tx.run(t.Manifest.delete().where(t.Manifest.id == 50))
        tx.run(t.Repository.delete().where(t.Repository.id == 50))
        repository(tx, 1, "r49")
        tx.run(t.EventRow.update(seq=None).where(t.EventRow.id == 2))
        tx.run(t.EventRow.update(seq=2).where(t.EventRow.id == 1))
        tx.run(t.EventRow.update(seq=1).where(t.EventRow.id == 2))
        tx.run(t.Job.delete().where(t.Job.id <= 50))
        tx.run(t.Account.update(owner=None).where(t.Account.name == "late+robot"))

    filled.write(change)
    copy(filled, uri)
    assert dump(open_database(uri)) == dump(filled)


def test_no_registry_starts_on_a_copy_that_more_is_to_follow(
    uris: Callable[[str], str], open_database: Open, filled: Database
) -> None:
    uri = uris("sqlite")
    copy(filled, uri, more=True)
    with pytest.raises(StartError, match="run quayframe db copy again"):
        migrations.pending(open_database(uri))
    copy(filled, uri)
    assert migrations.pending(open_database(uri)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_while_it_runs_is_left_out_and_told(
    kind: str, uris: Callable[[str], str], open_database: Open
) -> None:
    source, uri = open_database(uris(kind)), uris("sqlite")
    laptop(source, 20)
    before = dump(source)
    wrote = False

    def write() -> None:
        def work(tx: Tx) -> None:
            repository(tx, 1, "later")
            tx.run(t.Tag.update(version=5))
            tx.insert(t.EventRow, kind="create_repo", at_ms=1, data="{}")

        source.write(work)
        source.close()

    def tell(what: str, done: int, of: int) -> None:
        nonlocal wrote
        if not wrote:
            wrote = True
            # Another connection, as another process has it.
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(30)

    copied = copy(source, uri, tell=tell, readonly=False)
    assert (copied.later, copied.events) == ({"event": 1, "repository": 1}, {"create_repo": 1})
    after = dump(open_database(uri))
    (lease,) = after.pop("lease")
    assert lease[1].startswith(gc_holds.PREFIX + "db-copy:")
    assert after == {name: rows for name, rows in before.items() if name != "lease"}
    assert dump(source)["lease"] == []


# -- refused ------------------------------------------------------------------------------------------


def test_another_registrys_target_is_refused_and_left_as_it_was(
    uris: Callable[[str], str], open_database: Open, filled: Database
) -> None:
    uri = uris("sqlite")
    other = open_database(uri)
    migrations.migrate(other)
    other.write(lambda tx: account(tx, "theirs"))
    before = dump(other)
    with pytest.raises(Refused, match="holds a registry already"):
        copy(filled, uri)
    assert dump(other) == before


def test_a_finished_copy_is_not_filled_again(uris: Callable[[str], str], filled: Database) -> None:
    uri = uris("sqlite")
    copy(filled, uri)
    with pytest.raises(Refused, match="holds a registry already"):
        copy(filled, uri)


def test_a_target_with_secrets_of_another_key_is_refused(
    uris: Callable[[str], str], filled: Database
) -> None:
    uri = uris("sqlite")
    copy(filled, uri)
    with pytest.raises(Refused, match="another DATABASE_SECRET_KEY"):
        copy(filled, uri, SecretBox("2" * 40))


def test_an_unfinished_copy_goes_on_with_the_same_key_and_registry_only(
    uris: Callable[[str], str], open_database: Open, filled: Database
) -> None:
    uri = uris("sqlite")
    copy(filled, uri, more=True)
    with pytest.raises(Refused, match="another DATABASE_SECRET_KEY"):
        copy(filled, uri, SecretBox("2" * 40))
    stranger = open_database(uris("sqlite"))
    laptop(stranger, 1)
    with pytest.raises(Refused, match="unfinished copy of another registry"):
        copy(stranger, uri)
    assert copy(filled, uri).rows


def test_another_schema_is_refused(uris: Callable[[str], str], open_database: Open, filled: Database) -> None:
    newer, older = uris("sqlite"), uris("sqlite")
    for uri, statement in (
        (newer, "INSERT INTO migration (name, applied_ms) VALUES ('m9999_later', 1)"),
        (older, "DELETE FROM migration WHERE name = 'm0003_content'"),
    ):
        db = open_database(uri)
        if uri == older:
            copy(filled, uri, more=True)
        else:
            migrations.migrate(db)
        with db.session() as session:
            session.execute_sql(statement)
    with pytest.raises(StartError, match="newer release"):
        copy(filled, newer)
    with pytest.raises(Refused, match="schema of another release"):
        copy(filled, older)


def test_a_row_that_the_target_cannot_hold_is_named(
    postgresql: str, filled: Database, open_database: Open
) -> None:
    filled.write(lambda tx: tx.run(people.Star.delete()))
    filled.write(lambda tx: tx.run(t.Account.update(description="a\0b").where(t.Account.id == 1)))
    with pytest.raises(Refused, match="account 1, description: a text with the character NUL"):
        copy(filled, postgresql)
    filled.write(lambda tx: tx.run(t.Account.update(description="ab").where(t.Account.id == 1)))
    copy(filled, postgresql)
    assert dump(open_database(postgresql)) == dump(filled)


def test_a_copy_that_others_change_is_found_unequal(
    uris: Callable[[str], str], open_database: Open, filled: Database
) -> None:
    uri = uris("sqlite")
    copy(filled, uri, more=True)
    target = open_database(uri)
    changed = False

    def tell(what: str, done: int, of: int) -> None:
        nonlocal changed
        if done > of // 2 and not changed:
            changed = True
            target.write(lambda tx: tx.run(t.Tag.update(version=7).where(t.Tag.id == 3)))

    with pytest.raises(Refused, match="not equal to its source in tag"):
        copy(filled, uri, tell=tell)
    with pytest.raises(StartError, match="not finished"):
        migrations.pending(target)
    copy(filled, uri)
    assert dump(target) == dump(filled)
