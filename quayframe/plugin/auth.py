"""The contract of log-in providers: who is behind a user name and a password."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

from .provider import Provider


class InvalidCredentials(Exception):
    """The account is this provider's, and the password is wrong or the account may not log in."""


class AuthUnavailable(Exception):
    """The provider cannot be asked now (its server is away)."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is, in the provider's words. `subject` never changes for one person.

    `superuser` and `restricted` are None where the provider says nothing of it.
    """

    subject: str
    username: str
    email: str | None = None
    email_verified: bool = False
    groups: tuple[str, ...] = field(default=())
    superuser: bool | None = None
    restricted: bool | None = None


class AuthProvider(Provider):
    """Answers for user names and passwords. Called outside of transactions, from many threads."""

    kind = "auth"

    @abstractmethod
    def authenticate(self, username: str, password: str) -> Identity | None:
        """The identity behind a user name (or e-mail) and password.

        None = not mine, ask the next provider. Raises InvalidCredentials = mine and wrong;
        AuthUnavailable = cannot tell now. A wrong password and an unknown name take the same time.
        """

    def find(self, username: str) -> Identity | None:
        """The identity of this user name without a password; None = unknown, or cannot look up."""
        return None

    def search(self, query: str, limit: int = 20) -> list[Identity]:
        """Identities whose name begins with `query`; [] = none, or cannot search."""
        return []

    def members(self, group: str) -> Iterator[Identity] | None:
        """The members of a group, for team synchronization; None = cannot."""
        return None
