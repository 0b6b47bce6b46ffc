"""Log-in by the registry's own users."""

from __future__ import annotations

from typing import ClassVar

from quayframe.plugin import AuthProvider, Identity, InvalidCredentials, NoConfig
from quayframe.services.accounts import Account, Accounts


class DatabaseAuth(AuthProvider):
    """Users of the registry's database, with bcrypt hashes."""

    name = "Database"
    title = "Users of this registry"
    Config = NoConfig
    needs: ClassVar[tuple[str, ...]] = ("accounts",)

    def __init__(self, config: NoConfig, *, accounts: Accounts) -> None:
        self._accounts = accounts

    def authenticate(self, username: str, password: str) -> Identity | None:
        found = self._accounts.check_password(username, password)
        if found is False:
            raise InvalidCredentials(username)
        return _identity(found) if isinstance(found, Account) else None

    def find(self, username: str) -> Identity | None:
        found = self._accounts.find(username)
        return _identity(found) if found is not None and found.kind == "user" else None


def _identity(account: Account) -> Identity:
    return Identity(account.uuid, account.name, account.email, account.verified)
