"""The manifest that a request is about to push, for the plugins that check it before it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from quayframe.events import Event

_pending: dict[int, bytes] = {}


@contextmanager
def pending(event: Event, body: bytes) -> Iterator[None]:
    """While this lasts, `content_of(event)` is `body`. By the event's identity, since a check runs in
    a thread of its plugin's pool."""
    _pending[id(event)] = body
    try:
        yield
    finally:
        del _pending[id(event)]


def content_of(event: Event) -> bytes | None:
    """The body of an event that is being checked; None for any other."""
    return _pending.get(id(event))
