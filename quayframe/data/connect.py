"""From DB_URI to a peewee database object."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import peewee
from playhouse.pool import MaxConnectionsExceeded, PooledMySQLDatabase, PooledPostgresqlDatabase

from quayframe.errors import ConfigError

from .fields import MYSQL, POSTGRESQL, SQLITE

PoolExhausted = MaxConnectionsExceeded


class _MariaDB(PooledMySQLDatabase):  # type: ignore[misc]
    """READ COMMITTED, strict, and utf8mb4 on every connection."""

    def _connect(self) -> Any:
        conn = super()._connect()
        if not getattr(conn, "quayframe_ready", False):
            with conn.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 10")
                cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
            conn.quayframe_ready = True
        return conn


def open_uri(uri: str, args: dict[str, Any], pool: int) -> tuple[str, Any]:
    """(dialect, peewee database) for `sqlite:///`, `postgresql://` and `mysql://` URIs, with a driver
    name allowed after `+` as SQLAlchemy writes it. Connects nothing. Raises ConfigError."""
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme == "sqlite":
        return SQLITE, _sqlite(uri, args)
    if scheme in ("postgresql", "postgres"):
        return POSTGRESQL, _postgresql(uri, args, pool)
    if scheme in ("mysql", "mariadb"):
        return MYSQL, _mysql(uri, args, pool)
    raise ConfigError(f"DB_URI: unknown database {scheme or uri!r}; known are sqlite, postgresql, mysql")


def _sqlite(uri: str, args: dict[str, Any]) -> Any:
    from .db import sqlite_path

    path = sqlite_path(uri)
    args = {k: v for k, v in args.items() if k in ("timeout", "check_same_thread")}
    return peewee.SqliteDatabase(
        path,
        pragmas=[
            ("busy_timeout", 10000),
            ("journal_mode", "wal"),
            ("synchronous", "full"),
            ("foreign_keys", 1),
            # Hundreds of threads may each have a connection: keep their page caches small, and let
            # them share the file's pages instead.
            ("cache_size", -512),
            ("mmap_size", 268435456),
        ],
        timeout=args.pop("timeout", 10),
        check_same_thread=False,
        cached_statements=256,
    )


def _server(uri: str, args: dict[str, Any], default_port: int) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(uri)
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise ConfigError("DB_URI: the database's name is missing after the host")
    found: dict[str, Any] = {"host": parts.hostname or "localhost", "port": parts.port or default_port}
    if parts.username:
        found["user"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    found.update(parse_qsl(parts.query))
    # Quay's own names of pool settings; the pool is sized here.
    ignored = ("threadlocals", "autorollback", "max_connections", "stale_timeout", "timeout")
    found.update({k: v for k, v in args.items() if k not in ignored})
    return database, found


def _postgresql(uri: str, args: dict[str, Any], pool: int) -> Any:
    database, found = _server(uri, args, 5432)
    found.setdefault("connect_timeout", 5)
    return PooledPostgresqlDatabase(
        database,
        max_connections=int(args.get("max_connections", pool)),
        stale_timeout=300,
        timeout=5,
        prefer_psycopg3=True,
        **found,
    )


def _mysql(uri: str, args: dict[str, Any], pool: int) -> Any:
    database, found = _server(uri, args, 3306)
    found.setdefault("connect_timeout", 5)
    found["charset"] = "utf8mb4"
    return _MariaDB(
        database,
        max_connections=int(args.get("max_connections", pool)),
        stale_timeout=300,
        timeout=5,
        **found,
    )
