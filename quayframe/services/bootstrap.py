"""The first start: a superuser to begin with."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from quayframe.errors import AlreadyExists

from .accounts import Accounts
from .principal import SYSTEM

PASSWORD_FILE = "admin-password"  # noqa: S105 - a file's name
DEFAULT_NAME = "admin"


def first_name(superusers: Sequence[str]) -> str:
    """The name of the first superuser."""
    return DEFAULT_NAME if not superusers or DEFAULT_NAME in superusers else superusers[0]


def ensure_superuser(accounts: Accounts, superusers: Sequence[str], folder: Path) -> None:
    """Makes the superuser with a random password where there is no user yet.

    The password is in `folder/admin-password` (mode 600) before the account exists, so that a process
    that dies in between loses nothing; of processes that start at once all use the first one's."""
    if accounts.any_user():
        return
    password = _shared(folder / PASSWORD_FILE)
    try:
        accounts.create_user(SYSTEM, first_name(superusers), password)
    except AlreadyExists:
        return


def _shared(path: Path) -> str:
    own = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(own, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(18) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(own, path)
        return path.read_text().strip()
    finally:
        own.unlink(missing_ok=True)
