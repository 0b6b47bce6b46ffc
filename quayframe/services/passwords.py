"""Password hashes (bcrypt), and the doors in front of them.

At most one bcrypt check runs per core at a time; a verified password is remembered in this process for
five minutes as an HMAC under a random key, bound to the stored hash, so that a changed password ends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from quayframe.errors import TooManyRequests

REMEMBER_S = 300
NOBODYS_HASH = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO6X1sHXoEplOi7ZXkX0E7dSPWjr5VxDm"


def hash_password(password: str) -> str:
    return bcrypt.hashpw(_bounded(password), bcrypt.gensalt()).decode()


def _bounded(password: str) -> bytes:
    """bcrypt reads 72 bytes: a longer password is hashed first, so that all of it counts."""
    raw = password.encode()
    return raw if len(raw) <= 72 else base64.b64encode(hashlib.sha384(raw).digest())


class PasswordChecker:
    """Compares passwords with stored hashes; one per process.

    :param at_once: bcrypt checks that may run at the same time.
    :param waiting: callers that may wait for their turn; one more is told 429.
    """

    def __init__(self, at_once: int = 1, waiting: int = 16) -> None:
        self._turn = threading.BoundedSemaphore(max(1, at_once))
        self._room = threading.BoundedSemaphore(max(1, at_once) + waiting)
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, password: str, stored: str | None) -> bool:
        """True when `password` is the one behind `stored`; None takes as long and is False.
        Raises TooManyRequests when too many checks wait already."""
        mark = hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")
        now = time.monotonic()
        if stored is not None and self._remembered.get(mark, 0) > now:
            return True
        with self._one_of_few():
            right = self._bcrypt(password, stored or NOBODYS_HASH) and stored is not None
        if right:
            with self._lock:
                self._remembered[mark] = now + REMEMBER_S
                while len(self._remembered) > 10_000:
                    self._remembered.popitem(last=False)
        return right

    def hash(self, password: str) -> str:
        """As `hash_password`, behind the same door. Raises TooManyRequests."""
        with self._one_of_few():
            return hash_password(password)

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise TooManyRequests("too many log-ins at once; try again")
        try:
            if not self._turn.acquire(timeout=10):
                raise TooManyRequests("too many log-ins at once; try again")
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._room.release()

    @staticmethod
    def _bcrypt(password: str, stored: str) -> bool:
        try:
            return bcrypt.checkpw(_bounded(password), stored.encode())
        except ValueError:
            return False
