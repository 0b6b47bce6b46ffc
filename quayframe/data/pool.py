"""A pool of connections to a database server.

peewee's own pool connects while it holds a lock that every thread needs, so a server that does not
answer stops all threads, one connect timeout after the other. This one connects outside any lock.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, ClassVar

import peewee

from quayframe.errors import QuayframeError

log = logging.getLogger("quayframe.data")


class PoolExhausted(QuayframeError):
    """Every connection of this process is in use, or the server did not answer a moment ago."""


class Pool:
    """Lends at most `size` connections at a time; one is opened when none is idle."""

    WAIT_S: ClassVar[float] = 5
    """How long a thread waits for a connection that another has."""
    IDLE_S: ClassVar[float] = 300
    """A connection idle for longer is closed."""
    SLOW_S: ClassVar[float] = 1
    """A connect that failed after longer than this is not tried by others for as long again."""

    def __init__(self, size: int) -> None:
        self._slots = threading.Semaphore(size)
        self._idle: deque[tuple[float, Any]] = deque()
        self._silent_until = 0.0

    def take(self, connect: Callable[[], Any]) -> Any:
        """A connection for the caller alone, until `give`. Raises PoolExhausted and what `connect` raises."""
        if not self._slots.acquire(timeout=self.WAIT_S):
            raise PoolExhausted("every database connection of this process is in use")
        try:
            return self._take_idle() or self._open(connect)
        except BaseException:
            self._slots.release()
            raise

    def give(self, conn: Any, *, keep: bool) -> None:
        """Takes a connection back; `keep` says that it is in order and in no transaction."""
        if keep:
            self._idle.append((time.monotonic(), conn))
            self._close_old()
        else:
            _close(conn)
        self._slots.release()

    def close_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):
                _close(self._idle.pop()[1])

    def _take_idle(self) -> Any:
        # The one used last comes first, so that those not needed grow old.
        while self._idle:
            with suppress(IndexError):
                _, conn = self._idle.pop()
                if not _has_ended(conn):
                    return conn
                _close(conn)
        return None

    def _open(self, connect: Callable[[], Any]) -> Any:
        start = time.monotonic()
        if start < self._silent_until:
            raise PoolExhausted("the database server did not answer a moment ago")
        try:
            return connect()
        except Exception:
            if time.monotonic() - start > self.SLOW_S:
                self._silent_until = time.monotonic() + self.SLOW_S
            raise

    def _close_old(self) -> None:
        with suppress(IndexError):
            while self._idle[0][0] < time.monotonic() - self.IDLE_S:
                _close(self._idle.popleft()[1])


class Pooled(peewee.Database):
    """Mixed in before a peewee database class: its connections come from `pool`."""

    pool: Pool

    def __init__(self, database: str, *, pool: Pool, **kwargs: Any) -> None:
        super().__init__(database, **kwargs)
        self.pool = pool
        # peewee holds this while it connects; which connection is whose is kept per thread anyway.
        self._lock: Any = nullcontext()

    def _connect(self) -> Any:
        return self.pool.take(self.open_connection)

    def _close(self, conn: Any) -> None:
        self.pool.give(conn, keep=self.is_clean(conn))

    def open_connection(self) -> Any:
        """A new connection to the server, set up as this registry needs it."""
        raise NotImplementedError

    def is_clean(self, conn: Any) -> bool:
        """Whether the connection is open and outside any transaction."""
        raise NotImplementedError

    def discard(self) -> None:
        """Closes this thread's connection for good."""
        if not self.is_closed():
            conn: Any = self.connection()  # type: ignore[no-untyped-call]
            self.dispose()
            self.pool.give(conn, keep=False)


def _has_ended(conn: Any) -> bool:
    """Whether the server has closed an idle connection: only then is there something to read on it."""
    try:
        poll = select.poll()
        poll.register(_fileno(conn), select.POLLIN | select.POLLPRI)
        return bool(poll.poll(0))
    except Exception:  # closed on our side; each driver says so in its own way
        return True


def _fileno(conn: Any) -> int:
    return int(conn.fileno() if hasattr(conn, "fileno") else conn._sock.fileno())


def _close(conn: Any) -> None:
    try:
        conn.close()
    except Exception as error:
        log.debug("closing a broken connection: %s", error)
