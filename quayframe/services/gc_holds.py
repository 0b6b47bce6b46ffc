"""Holds on the removal of bytes: while one is there, objects in the trash stay in storage.

Whoever copies the registry takes one first and its snapshot of the database after it: what the snapshot
names is then still in storage, however long the copying takes.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quayframe.data.db import Database
from quayframe.data.tables import Lease
from quayframe.errors import RegistryError, Unavailable

from .clock import now_ms
from .crypto import new_token

PREFIX = "gc-hold:"
LIFE_MS = 600_000
"""A hold of a process that died ends by itself after this."""

log = logging.getLogger("quayframe.gc")


def held(db: Database) -> bool:
    """Whether somebody holds the bytes. Ask after the objects have been chosen: what was in the trash
    before a hold began, no snapshot under that hold names."""
    alive = Lease.name.startswith(PREFIX) & (Lease.until_ms > now_ms())
    return bool(db.rows(Lease.select(Lease.id).where(alive).limit(1)))


@contextmanager
def hold(db: Database, what: str, *, life_ms: int = LIFE_MS) -> Iterator[Callable[[], None]]:
    """Holds the bytes of all locations. Gives a function that raises Unavailable once the hold was lost,
    because the database could not be reached for as long as it lives; ask it when all is copied.

    :param what: what the hold is for, as operators see it: `backup`."""
    name, token = f"{PREFIX}{what}:{uuid.uuid4()}", new_token(16)
    until = now_ms() + life_ms
    db.write(lambda tx: tx.insert(Lease, name=name, token=token, until_ms=until))
    ended = threading.Event()
    lost = threading.Event()

    def extend() -> None:
        horizon = until
        while not ended.wait(life_ms / 3000):
            to = now_ms() + life_ms
            mine = (Lease.name == name) & (Lease.until_ms > now_ms())
            try:
                kept = db.write(lambda tx: tx.run(Lease.update(until_ms=to).where(mine)))  # noqa: B023
            except RegistryError as error:
                log.warning("the hold %s is not extended: %s", name, error)
                if now_ms() < horizon:
                    continue
                kept = 0
            if not kept:
                lost.set()
                break
            horizon = to
        db.close()

    def check() -> None:
        if lost.is_set():
            raise Unavailable("bytes may have been removed meanwhile: the hold on them was lost; begin again")

    thread = threading.Thread(target=extend, name="gc-hold", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
        db.write(lambda tx: tx.run(Lease.delete().where(Lease.name == name)))
