"""The portable column types, and no other is used.

Each class is both a peewee field (for building queries) and a column definition: `sql_types` gives its SQL
type on each dialect. Rows come back as plain tuples with the driver's values: int, str, bytes, None;
flags are 0 and 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import peewee

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
MYSQL = "mysql"


def _binary_text(base: dict[str, str]) -> dict[str, str]:
    return {
        SQLITE: base[SQLITE],
        POSTGRESQL: base[POSTGRESQL] + ' COLLATE "C"',
        MYSQL: base[MYSQL] + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    }


class Id(peewee.AutoField):
    """The primary key: grows, and a value is never used twice."""

    sql_types: ClassVar[dict[str, str]] = {
        SQLITE: "INTEGER PRIMARY KEY AUTOINCREMENT",
        POSTGRESQL: "BIGSERIAL PRIMARY KEY",
        MYSQL: "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    }


class Int(peewee.BigIntegerField):
    """64 bits, signed."""

    sql_types: ClassVar[dict[str, str]] = {SQLITE: "INTEGER", POSTGRESQL: "BIGINT", MYSQL: "BIGINT"}


class Ref(Int):
    """The id of a row of the table `to`; held by a foreign key unless `loose`."""

    def __init__(self, to: str, *, loose: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.to = to
        self.loose = loose


class Time(Int):
    """Milliseconds since the epoch."""


class Flag(peewee.BigIntegerField):
    """0 or 1."""

    sql_types: ClassVar[dict[str, str]] = {SQLITE: "INTEGER", POSTGRESQL: "SMALLINT", MYSQL: "SMALLINT"}

    def db_value(self, value: Any) -> int | None:
        return None if value is None else int(bool(value))


class Bytes(peewee.Field):
    """Up to 4 GiB on every dialect (peewee's own type holds 64 KiB on MariaDB)."""

    sql_types: ClassVar[dict[str, str]] = {SQLITE: "BLOB", POSTGRESQL: "BYTEA", MYSQL: "LONGBLOB"}


class Text(peewee.TextField):
    """Text without a length that matters."""

    sql_types: ClassVar[dict[str, str]] = _binary_text(
        {SQLITE: "TEXT", POSTGRESQL: "TEXT", MYSQL: "LONGTEXT"}
    )


class Name(peewee.CharField):
    """Short text that is compared byte by byte and sorted in ASCII order; at most 255 characters."""

    sql_types: ClassVar[dict[str, str]] = _binary_text(
        {SQLITE: "TEXT", POSTGRESQL: "VARCHAR(255)", MYSQL: "VARCHAR(255)"}
    )
