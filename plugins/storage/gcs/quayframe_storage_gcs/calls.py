"""Requests to the service: made again a bounded number of times, failures in the contract's terms."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from quayframe.plugin.storage import StorageError, StorageUnavailable

T = TypeVar("T")

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_PASSING = {408, 429, 500, 502, 503, 504}


class Refused(Exception):
    """The service refused a request, or gave no answer to it (`status` None)."""

    def __init__(self, status: int | None, text: str, retry_after: str = "", no_bucket: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.no_bucket = no_bucket
        self._retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status is None or self.status in _PASSING

    def wait_s(self, attempt: int) -> float | None:
        """How long to wait after this attempt; None when the service asks for longer than we would."""
        if not self._retry_after.isdigit():
            return _back_off(attempt)
        asked = int(self._retry_after)
        return None if asked > _LONGEST_WAIT_S else asked + _back_off(1)


class Calls:
    """Makes requests of one bucket.

    :param attempts: how often a request is made at most.
    """

    def __init__(self, bucket: str, url: str, attempts: int) -> None:
        self._bucket = bucket
        self._where = f"bucket {bucket} at {url}"
        self._attempts = attempts

    def __call__(self, what: str, request: Callable[[], T], *expected: int) -> T:
        """What `request` returns. Raises Refused for the statuses in `expected`, which the caller
        understands, and otherwise StorageError or StorageUnavailable."""
        for attempt in range(1, self._attempts + 1):
            try:
                return request()
            except Refused as error:
                if error.status in expected and not error.no_bucket:
                    raise
                wait = error.wait_s(attempt)
                if not error.passing or attempt == self._attempts or wait is None:
                    raise self.translate(what, error, attempt) from error
            time.sleep(wait)
        raise AssertionError

    def translate(self, what: str, error: Refused, attempt: int) -> StorageError:
        """The error in the contract's terms, with the cure where there is one."""
        text = f"{what}, {self._where}: {error.status or 'no answer'} ({error.text[:300]})"
        if error.no_bucket or error.status == 404:
            # Who expects that an object may be missing has said so; what else there is is the bucket.
            return StorageUnavailable(
                f"{text}: there is no bucket {self._bucket}: make it, or correct bucket_name"
            )
        if error.status in {401, 403}:
            return StorageUnavailable(
                f"{text}: the credential is wrong, has expired or may not do this: give a valid "
                "service_account_key or access_key and secret_key, and compare this machine's clock"
            )
        if error.status == 410:
            return StorageUnavailable(text)
        if error.passing:
            return StorageUnavailable(f"{text}, after {attempt} attempt{'s' * (attempt > 1)}")
        return StorageError(text)


def _back_off(attempt: int) -> float:
    longest: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads the retries of many processes
