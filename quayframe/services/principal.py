"""Who acts. Every service that writes takes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

ANONYMOUS_NAME = "(anonymous)"


class Place(Protocol):
    """A repository by its two names."""

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Principal:
    """Somebody who acts: `kind` is user, robot, token, anonymous or system (command line and worker).

    A token principal is the holder of a repository's own token: no account, one role on one repository.
    """

    kind: str
    account_id: int | None = None
    uuid: str | None = None
    name: str = ANONYMOUS_NAME
    epoch: int = 0
    superuser: bool = False
    """Of SUPER_USERS, and not kept from it by the scopes."""
    ip: str | None = None
    readonly_superuser: bool = False
    """Of GLOBAL_READONLY_SUPER_USERS: may read everything."""
    scopes: frozenset[str] | None = None
    """What an OAuth token may do at the most; None = everything that its account may."""
    via: str = "password"
    """password, session, oauth, app, repository: what it has shown."""
    token: str | None = None
    """The uuid of the token that was shown."""
    grant: tuple[int, str] | None = None
    """(repository id, role) of a repository's own token."""

    @property
    def performer(self) -> str | None:
        """The name for the log; None for nobody and for the system itself."""
        return self.name if self.account_id is not None else None

    def by(self, namespace: str | None = None) -> dict[str, Any]:
        """The fields of an event that say where, by whom and from which address it was done."""
        return {"namespace": namespace, "performer": self.performer, "ip": self.ip}

    def at(self, repository: Place) -> dict[str, Any]:
        """The same of what is done to a repository."""
        return self.by(repository.namespace) | {"repository": repository.name}

    def may(self, scope: str) -> bool:
        """Whether the scopes allow it; without scopes all is allowed."""
        return self.scopes is None or scope in self.scopes

    def reads(self, scope: str) -> bool:
        """Whether it may read what others need this scope for, because it may read everything."""
        return self.readonly_superuser and self.may(scope)


ANONYMOUS = Principal("anonymous")
SYSTEM = Principal("system", name="(system)", superuser=True)
