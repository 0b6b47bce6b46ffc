"""From DB_URI to a peewee database object."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import peewee

from quayframe.errors import ConfigError

from .fields import MYSQL, POSTGRESQL, SQLITE
from .pool import Pool, Pooled

# Settings of Quay's DB_CONNECTION_ARGS that say nothing here.
_IGNORED = ("threadlocals", "autorollback", "max_connections", "stale_timeout", "timeout")
# A peer that vanished is noticed after this, with a statement under way too.
_SILENCE_S = 30
_PATIENCE_S = 10


class Sqlite(peewee.SqliteDatabase):
    """One connection per thread, for as long as the thread lives."""

    def _connect(self) -> Any:
        # Turning a new file to WAL answers "locked" at once when somebody else does it at that moment,
        # whatever the busy timeout.
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return super()._connect()  # type: ignore[misc]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def discard(self) -> None:
        """Closes this thread's connection."""
        self.close()


class Postgresql(Pooled, peewee.PostgresqlDatabase):
    def open_connection(self) -> Any:
        conn = peewee.PostgresqlDatabase._connect(self)  # type: ignore[attr-defined]
        from psycopg.adapt import Loader

        class Numeric(Loader):
            def load(self, data: Any) -> int | float:
                return _number(bytes(data).decode())

        class Bool(Loader):
            def load(self, data: Any) -> int:
                return int(bytes(data) == b"t")

        conn.adapters.register_loader("numeric", Numeric)
        conn.adapters.register_loader("bool", Bool)
        return conn

    def is_clean(self, conn: Any) -> bool:
        idle = 0  # PQTRANS_IDLE
        return int(conn.pgconn.transaction_status) == idle


class MariaDB(Pooled, peewee.MySQLDatabase):
    """READ COMMITTED, strict, and utf8mb4 on every connection.

    `read_timeout` in seconds, None for none: how long a statement may take."""

    read_timeout: float | None = None

    def open_connection(self) -> Any:
        conn = peewee.MySQLDatabase._connect(self)  # type: ignore[attr-defined]
        # A Unix socket knows none of these.
        with suppress(OSError, AttributeError):
            conn._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_S * 1000)
            conn._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_S)
            conn._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENCE_S // 3)
        with conn.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {_PATIENCE_S}")
            cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
        conn._read_timeout = self.read_timeout
        return conn

    def is_clean(self, conn: Any) -> bool:
        in_transaction = 1  # SERVER_STATUS_IN_TRANS, of the last answer
        return bool(conn.open) and not conn.server_status & in_transaction


def open_uri(uri: str, args: dict[str, Any], pool: int) -> tuple[str, Any]:
    """(dialect, peewee database) for `sqlite:///`, `postgresql://` and `mysql://` URIs, with a driver
    name allowed after `+` as SQLAlchemy writes it. Connects nothing. Raises ConfigError."""
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme == "sqlite":
        return SQLITE, _sqlite(uri)
    size = max(1, int(args.get("max_connections") or pool))
    if scheme in ("postgresql", "postgres"):
        return POSTGRESQL, _postgresql(uri, args, size)
    if scheme in ("mysql", "mariadb"):
        return MYSQL, _mariadb(uri, args, size)
    raise ConfigError(f"DB_URI: unknown database {scheme or '(none)'}; known are sqlite, postgresql, mysql")


def sqlite_path(uri: str) -> str | None:
    """The file of an SQLite URI; None for another database. Raises ConfigError."""
    if not uri.startswith("sqlite:"):
        return None
    path = uri.removeprefix("sqlite:///")
    if path in (uri, "", ":memory:"):
        raise ConfigError(
            f"DB_URI {uri}: an SQLite database is sqlite:///relative/path or sqlite:////absolute/path"
        )
    return os.path.abspath(path)


def _sqlite(uri: str) -> Any:
    return Sqlite(
        sqlite_path(uri),
        pragmas=[
            ("busy_timeout", _PATIENCE_S * 1000),
            ("journal_mode", "wal"),
            ("synchronous", "full"),
            ("foreign_keys", 1),
            # Hundreds of threads may each have a connection: keep their page caches small, and let
            # them share the file's pages instead.
            ("cache_size", -512),
            ("mmap_size", 268435456),
        ],
        timeout=_PATIENCE_S,
        check_same_thread=False,
        cached_statements=256,
    )


def _server(uri: str, args: dict[str, Any], default_port: int) -> tuple[str, dict[str, Any]]:
    """The database's name and the driver's arguments. What DB_CONNECTION_ARGS says wins."""
    parts = urlsplit(uri)
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise ConfigError("DB_URI: the database's name is missing after the host")
    try:
        port = parts.port or default_port
    except ValueError:
        raise ConfigError("DB_URI: the port is no number from 1 to 65535") from None
    found: dict[str, Any] = {"host": unquote(parts.hostname or "localhost"), "port": port}
    if parts.username:
        found["user"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    found.update((k, int(v) if v.isdigit() else v) for k, v in parse_qsl(parts.query))
    found.update({k: v for k, v in args.items() if k not in _IGNORED})
    found.setdefault("connect_timeout", 5)
    return database, found


def _postgresql(uri: str, args: dict[str, Any], size: int) -> Any:
    database, found = _server(uri, args, 5432)
    if find_spec("psycopg") is None:
        raise ConfigError("DB_URI: PostgreSQL needs psycopg: pip install 'quayframe[postgresql]'")
    found["client_encoding"] = "UTF8"
    found.setdefault("keepalives_idle", _SILENCE_S)
    found.setdefault("keepalives_interval", _SILENCE_S // 3)
    found.setdefault("tcp_user_timeout", _SILENCE_S * 1000)
    return Postgresql(database, pool=Pool(size), prefer_psycopg3=True, **found)


def _mariadb(uri: str, args: dict[str, Any], size: int) -> Any:
    database, found = _server(uri, args, 3306)
    found["charset"] = "utf8mb4"
    try:
        from pymysql.constants import CLIENT, FIELD_TYPE  # type: ignore[import-untyped]
        from pymysql.converters import conversions  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError("DB_URI: MariaDB needs PyMySQL: pip install 'quayframe[mariadb]'") from None
    # An UPDATE counts the rows that it found, as elsewhere, not those that it made different.
    found["client_flag"] = int(found.get("client_flag", 0)) | CLIENT.FOUND_ROWS
    found["conv"] = {**conversions, FIELD_TYPE.NEWDECIMAL: _number, FIELD_TYPE.DECIMAL: _number}
    # The driver's connect_timeout ends with TCP's handshake; a server that then says nothing is away too.
    read_timeout = found.pop("read_timeout", None)
    made = MariaDB(database, pool=Pool(size), read_timeout=found["connect_timeout"], **found)
    made.read_timeout = read_timeout
    return made


def _number(text: str) -> int | float:
    """What SUM and AVG give, as SQLite would: a whole number as int."""
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else float(value)
