"""The line between a transaction and the world outside.

While a write transaction runs in this thread, no hook, storage or network call may be made: the
transaction may run again, and it must not last. Whoever makes such a call asks `outside()` first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


class InsideTransaction(RuntimeError):
    """A call that leaves the database was made inside a write transaction: a bug of the caller."""


@contextmanager
def transaction() -> Iterator[None]:
    """Marks this thread as being inside a write transaction."""
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        yield
    finally:
        _here.depth -= 1


def outside(what: str) -> None:
    """Raises InsideTransaction, naming `what`, when this thread is inside a write transaction."""
    if getattr(_here, "depth", 0):
        raise InsideTransaction(f"{what} inside a database transaction")
