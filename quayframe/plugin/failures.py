"""Failures that several kinds and hooks share."""

from __future__ import annotations


class Retry(Exception):
    """It did not work now and may work later: `after` is the number of seconds to wait first.

    From a check it becomes 503 with Retry-After; from an observer or a provider that works in the
    background, the next try comes no earlier.
    """

    def __init__(self, reason: str, *, after: float = 30) -> None:
        super().__init__(reason)
        self.after = after
