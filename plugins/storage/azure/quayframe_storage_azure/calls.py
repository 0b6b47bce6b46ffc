"""Requests to the service: made again a bounded number of times, failures in the contract's terms."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from quayframe.plugin.storage import StorageError, StorageUnavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

T = TypeVar("T")

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_PASSING = {408, 429, 500, 502, 503, 504}
_NO_CONTAINER = {"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}


class Calls:
    """Makes requests of one container.

    :param attempts: how often a request is made at most.
    """

    def __init__(self, container: str, url: str, attempts: int) -> None:
        self._where = f"container {container} at {url}"
        self._container = container
        self._attempts = attempts

    def __call__(self, what: str, request: Callable[[], T], *expected: int) -> T:
        """What `request` returns. Raises the service's own error for the statuses in `expected`, which
        the caller understands, and otherwise StorageError or StorageUnavailable."""
        from azure.core.exceptions import AzureError, HttpResponseError

        for attempt in range(1, self._attempts + 1):
            try:
                return request()
            except HttpResponseError as error:
                status = error.status_code
                if status in expected and code_of(error) not in _NO_CONTAINER:
                    raise
                wait = _wait(error, attempt)
                if status not in (None, *_PASSING) or attempt == self._attempts or wait is None:
                    raise self._translate(what, error, attempt) from error
            except AzureError as error:
                # The connection: refused, cut, or too slow.
                wait = _back_off(attempt)
                if attempt == self._attempts:
                    raise self._translate(what, error, attempt) from error
            time.sleep(wait)
        raise AssertionError

    def _translate(self, what: str, error: AzureError, attempt: int) -> StorageError:
        status, code = getattr(error, "status_code", None), code_of(error)
        detail = code or str(error.message).partition("\n")[0]
        text = f"{what}, {self._where}: {status or 'no answer'} ({detail})"
        if code in _NO_CONTAINER:
            return StorageUnavailable(
                f"{text}: there is no container {self._container}: make it, or correct azure_container"
            )
        if status in {401, 403}:
            return StorageUnavailable(
                f"{text}: the credential is wrong, has expired or may not do this: give a valid "
                "azure_account_key or sas_token, and compare this machine's clock"
            )
        if status is None or status in _PASSING:
            times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            return StorageUnavailable(f"{text}, after {times}")
        return StorageError(text)


def code_of(error: AzureError) -> str:
    """The service's name for the failure, such as `BlobNotFound`; empty where it gave none."""
    code = getattr(error, "error_code", None)
    response = getattr(error, "response", None)
    if code is None and response is not None:
        code = response.headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def _back_off(attempt: int) -> float:
    longest: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads the retries of many processes


def _wait(error: AzureError, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None when the service asks for longer than a client of
    ours would wait."""
    response = getattr(error, "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if not asked.isdigit():
        return _back_off(attempt)
    return None if int(asked) > _LONGEST_WAIT_S else int(asked) + _back_off(1)
