"""An auth provider that needs no server."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr

from quayframe.plugin import AuthProvider, Identity, InvalidCredentials


class FakePerson(BaseModel):
    """One account of `FakeAuth`."""

    model_config = ConfigDict(extra="forbid")

    password: SecretStr
    email: str | None = None
    groups: tuple[str, ...] = ()
    superuser: bool | None = None
    disabled: bool = False


class FakeAuthConfig(BaseModel):
    """The accounts by user name."""

    model_config = ConfigDict(extra="forbid")

    people: dict[str, FakePerson] = {}


class FakeAuth(AuthProvider):
    """Knows the people of its configuration, by user name and by e-mail address."""

    name = "FakeAuth"
    title = "People written down in the configuration"
    Config: ClassVar[type[BaseModel]] = FakeAuthConfig

    def __init__(self, config: FakeAuthConfig) -> None:
        self._people = config.people

    def authenticate(self, username: str, password: str) -> Identity | None:
        found = self._named(username)
        if found is None:
            return None
        name, person = found
        # compared as bytes: compare_digest takes no other than ASCII text
        right = hmac.compare_digest(person.password.get_secret_value().encode(), password.encode())
        if not right or not password or person.disabled:
            raise InvalidCredentials("Invalid username or password.")
        return self._identity(name, person)

    def find(self, username: str) -> Identity | None:
        found = self._named(username)
        return None if found is None else self._identity(*found)

    def search(self, query: str, limit: int = 20) -> list[Identity]:
        names = sorted(name for name in self._people if name.startswith(query))
        return [self._identity(name, self._people[name]) for name in names[:limit]]

    def members(self, group: str) -> Iterator[Identity]:
        return iter([self._identity(n, p) for n, p in sorted(self._people.items()) if group in p.groups])

    def _named(self, username: str) -> tuple[str, FakePerson] | None:
        for name, person in self._people.items():
            if username and username in (name, person.email):
                return name, person
        return None

    def _identity(self, name: str, person: FakePerson) -> Identity:
        return Identity(
            subject=f"fake-{name}",
            username=name,
            email=person.email,
            email_verified=person.email is not None,
            groups=person.groups,
            superuser=person.superuser,
        )
