"""The portable types keep what is put in, on every database."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import peewee
import pytest

from quayframe.data import fields, tables
from quayframe.data.db import Database, Tx
from quayframe.data.table import Table


def account(tx: Tx, name: str, **more: Any) -> int:
    return tx.insert(
        tables.Account, uuid=f"uuid of {name}"[:255], name=name, kind="user", created_ms=1, **more
    )


def repository(tx: Tx) -> int:
    owner = account(tx, "acme")
    return tx.insert(
        tables.Repository, uuid="r", namespace=owner, name="web", visibility="private", created_ms=1
    )


def manifest(tx: Tx, body: bytes) -> tuple[int, int]:
    repo = repository(tx)
    return repo, tx.insert(
        tables.Manifest, repository=repo, digest="sha256:00", media_type="m", body=body, size=len(body),
        created_ms=1,
    )  # fmt: skip


def test_a_manifest_of_4_mib_comes_back_byte_by_byte(database: Database) -> None:
    body = os.urandom(4 << 20)
    database.write(lambda tx: manifest(tx, body))
    assert database.value(tables.Manifest.select(tables.Manifest.body)) == body


def test_every_byte_and_every_kind_of_text_comes_back(database: Database) -> None:
    body, text = bytes(range(256)), "%s ? ' \" \\ \n ä 漢 😀 ::"
    database.write(lambda tx: manifest(tx, body))
    database.write(lambda tx: account(tx, "other", description=text))
    assert database.value(tables.Manifest.select(tables.Manifest.body)) == body
    found = tables.Account.select(tables.Account.description).where(tables.Account.description == text)
    assert database.rows(found) == [(text,)]


def test_tags_that_differ_in_case_are_two_and_sort_in_ascii_order(database: Database) -> None:
    names = ["a", "A", "_x", "Z", "b.1", "b-1", "b_1", "10", "9", "latest", "Latest"]

    def work(tx: Tx) -> None:
        repo, made = manifest(tx, b"{}")
        for name in names:
            tx.insert(tables.Tag, repository=repo, name=name, manifest=made, start_ms=1)

    database.write(work)
    head = tables.Tag
    assert [row[0] for row in database.rows(head.select(head.name).order_by(head.name))] == sorted(names)
    assert database.rows(head.select(head.name).where(head.name == "Latest")) == [("Latest",)]
    assert database.value(head.select(peewee.fn.COUNT(head.id)).where(head.name.in_(["a", "A"]))) == 2


@pytest.mark.parametrize("letter", ["x", "ä", "😀"])
def test_a_name_has_255_characters_of_up_to_4_bytes(database: Database, letter: str) -> None:
    name = letter * 255
    database.write(lambda tx: account(tx, name))
    assert database.rows(tables.Account.select(tables.Account.name)) == [(name,)]


def test_a_name_that_is_too_long_is_refused_by_servers_and_never_cut(database: Database) -> None:
    def work(tx: Tx) -> bool:
        return tx.insert_absent(tables.Account, uuid="u", name="x" * 256, kind="user", created_ms=1)

    if database.dialect == "sqlite":
        database.write(work)
        assert database.value(tables.Account.select(tables.Account.name)) == "x" * 256
    else:
        with pytest.raises(peewee.DataError):
            database.write(work)
        assert database.rows(tables.Account.select(tables.Account.id)) == []


def test_a_time_is_milliseconds_in_64_bits(database: Database) -> None:
    for ms in (0, -1, int(time.time() * 1000), 2**63 - 1):
        database.write(partial(Tx.insert, table=tables.Lease, name=str(ms), token="t", until_ms=ms))
        found = tables.Lease.select(tables.Lease.until_ms).where(tables.Lease.until_ms == ms)
        assert database.value(found) == ms


def test_a_flag_is_0_or_1_and_is_found_by_true_and_1(database: Database) -> None:
    database.write(lambda tx: (account(tx, "on", enabled=True), account(tx, "off", enabled=False)))
    enabled = tables.Account.enabled
    rows = database.rows(tables.Account.select(enabled).order_by(tables.Account.id))
    assert rows == [(1,), (0,)]
    assert [type(row[0]) for row in rows] == [int, int]
    for value in (True, 1):
        assert len(database.rows(tables.Account.select().where(enabled == value))) == 1
    assert database.sql_one("SELECT name FROM account WHERE enabled = ?", (1,)) == ("on",)


def test_an_id_is_never_used_again_after_its_row_was_deleted(database: Database) -> None:
    first = database.write(lambda tx: account(tx, "a"))
    database.write(lambda tx: tx.run(tables.Account.delete().where(tables.Account.id == first)))
    assert database.write(lambda tx: account(tx, "a")) > first


def test_sums_and_comparisons_are_plain_numbers(database: Database) -> None:
    def work(tx: Tx) -> None:
        for delta in (5, 2**40, -1):
            tx.insert(tables.SizeDelta, namespace=1, repository=1, delta=delta, at_ms=1)

    database.write(work)
    delta = tables.SizeDelta.delta
    total, mean = database.rows(tables.SizeDelta.select(peewee.fn.SUM(delta), peewee.fn.AVG(delta)))[0]
    assert (total, type(total)) == (2**40 + 4, int)
    assert mean == pytest.approx((2**40 + 4) / 3)
    truth = database.sql_one(
        "SELECT delta = 5, EXISTS (SELECT 1 FROM size_delta) FROM size_delta ORDER BY id"
    )
    assert truth == (1, 1)
    assert [type(value) for value in truth] == [int, int]
    assert database.value(tables.Account.select(peewee.fn.SUM(tables.Account.id))) is None


def test_sql_may_hold_a_percent_sign(database: Database) -> None:
    database.write(lambda tx: account(tx, "acme"))
    assert database.sql_rows("SELECT name FROM account WHERE name LIKE 'ac%' AND id > ?", (0,)) == [("acme",)]
    assert database.sql_rows("SELECT name FROM account WHERE name LIKE 'ac%'") == [("acme",)]


def test_tables_use_portable_types_only() -> None:
    portable = {
        kind for kind in vars(fields).values() if isinstance(kind, type) and hasattr(kind, "sql_types")
    }
    used = {
        (table.__name__, field.name): type(field)
        for table in Table.__subclasses__()
        for field in table._meta.sorted_fields
    }
    assert {where: kind for where, kind in used.items() if kind not in portable} == {}
