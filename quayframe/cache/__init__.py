"""A small cache of this process. What is in it may vanish at any time and is never the only copy."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class MemoryCache(Generic[V]):
    """At most `size` values, each for `life_s` seconds; the one unused the longest goes first.

    `get` takes no lock: a dict's look-up is atomic, and a value put back while another thread reads is
    the same value.
    """

    def __init__(self, size: int, life_s: float) -> None:
        self._size = size
        self._life = life_s
        self._values: OrderedDict[object, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> V | None:
        found = self._values.get(key)
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    def put(self, key: object, value: V) -> None:
        with self._lock:
            self._values[key] = (time.monotonic() + self._life, value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def drop(self, key: object) -> None:
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
