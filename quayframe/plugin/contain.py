"""Containment: what a provider must not raise becomes one error that the registry knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Internal, RegistryError
from .auth import AuthUnavailable, InvalidCredentials
from .boundary import InsideTransaction
from .executors import ExecutorUnavailable
from .failures import Retry
from .login import LoginFailed, LoginUnavailable
from .notifiers import InvalidOptions, Undeliverable
from .scanners import ScannerUnavailable
from .storage import StorageError
from .triggers import TriggerError

_log = logging.getLogger(__name__)

_always: tuple[type[Exception], ...] = (RegistryError, InsideTransaction, Retry)

FORESEEN: dict[str, tuple[type[Exception], ...]] = {
    "storage": (StorageError,),
    "auth": (InvalidCredentials, AuthUnavailable),
    "login": (LoginFailed, LoginUnavailable, InvalidCredentials),
    "trigger": (TriggerError,),
    "executor": (ExecutorUnavailable,),
    "notifier": (Undeliverable, InvalidOptions),
    "scanner": (ScannerUnavailable, InvalidCredentials),
}
"""The failures that each kind names in its contract: they pass through."""


@contextmanager
def contain(kind: str, name: str) -> Iterator[None]:
    """Around every call of a provider; also usable as a decorator.

    The failures of the kind's contract, RegistryError and InsideTransaction pass through. Anything else
    is logged with its traceback under the provider's kind and name, and becomes `errors.Internal`.
    A stream that the provider reads must raise RegistryError itself, else its failure counts as the
    provider's.
    """
    try:
        yield
    except (*_always, *FORESEEN.get(kind, ())):
        raise
    except Exception as error:
        _log.exception('%s provider "%s" failed unforeseen', kind, name, extra={"provider": f"{kind}:{name}"})
        raise Internal(f'the {kind} provider "{name}" failed; the log has the cause') from error
