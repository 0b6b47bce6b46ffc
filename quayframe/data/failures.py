"""What an error of a database driver means for the one who asked."""

from __future__ import annotations

import enum
import sqlite3

import peewee

from .pool import PoolExhausted


class Kind(enum.Enum):
    AGAIN = "again"
    """Busy, deadlock, serialization failure: nothing has happened, so it may run again."""
    LOST = "lost"
    """The connection is gone; what was asked in a transaction not yet committed has not happened."""
    AWAY = "away"
    """The database does not take this now: unreachable, shutting down, full of connections, a replica."""
    FULL = "full"
    """Its disk is full, or its file may not be written."""
    OTHER = "other"
    """A mistake of the caller, or nothing that a driver said."""


DRIVER_ERRORS = (peewee.PeeweeException, sqlite3.Error, PoolExhausted)
"""All that a statement or a connection can raise, for `except`."""

# A result code's low byte: https://www.sqlite.org/rescode.html
_SQLITE = {
    5: Kind.AGAIN,  # busy
    6: Kind.AGAIN,  # locked
    8: Kind.FULL,  # readonly
    10: Kind.AWAY,  # input/output error
    13: Kind.FULL,
    14: Kind.AWAY,  # cannot open
}

# https://www.postgresql.org/docs/15/errcodes-appendix.html; the code first, then its class.
_POSTGRESQL = {
    "40001": Kind.AGAIN,  # serialization failure
    "40P01": Kind.AGAIN,  # deadlock
    "55P03": Kind.AGAIN,  # lock not available
    "53100": Kind.FULL,
    "57014": Kind.AWAY,  # statement cancelled, by its time limit
    "25006": Kind.AWAY,  # read only: a replica
    "25P03": Kind.LOST,  # idle in a transaction for too long
    "08": Kind.LOST,
    "57": Kind.LOST,  # shutting down, crashed, starting
    "53": Kind.AWAY,  # out of memory or connections
    "28": Kind.AWAY,  # refused by pg_hba or password
    "3D": Kind.AWAY,  # no such database
}

# https://mariadb.com/kb/en/mariadb-error-codes/; from 2000 on the client's own.
_MARIADB = {
    **dict.fromkeys((1213, 1205, 1020), Kind.AGAIN),  # deadlock, lock wait timeout, record has changed
    **dict.fromkeys((1021, 1114), Kind.FULL),
    **dict.fromkeys((0, 1053, 1077, 1079, 1152, *range(1156, 1162), 1184, 1927), Kind.LOST),
    **dict.fromkeys((2006, 2013, 2014, 2027, 2055, 4031), Kind.LOST),
    **dict.fromkeys((1040, 1043, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1290, 1792, 1836), Kind.AWAY),
    **dict.fromkeys((2002, 2003, 2005, 2012, 2026), Kind.AWAY),
}


def kind(error: BaseException) -> Kind:
    """What `error` means; Kind.OTHER for what no driver raised."""
    if isinstance(error, PoolExhausted):
        return Kind.AWAY
    cause = driver_error(error)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return Kind.OTHER if code is None else _SQLITE.get(code & 0xFF, Kind.OTHER)
    if not isinstance(error, peewee.PeeweeException):
        return Kind.OTHER
    module = type(cause).__module__.partition(".")[0]
    if module == "psycopg":
        state = getattr(cause, "sqlstate", None)
        if state:
            return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2], Kind.OTHER)
        # The client library's own: it could not connect, or the connection broke.
        return Kind.LOST if isinstance(error, peewee.OperationalError) else Kind.OTHER
    code = mariadb_code(error)
    return Kind.OTHER if code is None else _MARIADB.get(code, Kind.OTHER)


def mariadb_code(error: BaseException) -> int | None:
    """The number of a MariaDB error; None for one without."""
    cause = driver_error(error)
    code = cause.args[0] if cause.args else None
    return code if isinstance(code, int) else None


def driver_error(error: BaseException) -> BaseException:
    """The driver's own exception inside peewee's."""
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error
