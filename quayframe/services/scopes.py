"""OAuth scopes: what they are called, and what a scope string means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quayframe.errors import RegistryError


@dataclass(frozen=True)
class Scope:
    """`dangerous`: it opens more than content."""

    name: str
    title: str
    description: str
    icon: str
    dangerous: bool


_MAY = "This application will be able to"
SCOPES: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope(
            "repo:read",
            "View all visible repositories",
            f"{_MAY} view and pull all repositories that you can see",
            "fa-hdd-o",
            False,
        ),
        Scope(
            "repo:write",
            "Read/Write to any accessible repositories",
            f"{_MAY} view, push and pull all repositories to which you can write",
            "fa-hdd-o",
            False,
        ),
        Scope(
            "repo:admin",
            "Administer Repositories",
            f"{_MAY} administer all repositories that you administer",
            "fa-hdd-o",
            False,
        ),
        Scope(
            "repo:create",
            "Create Repositories",
            f"{_MAY} create repositories wherever you can create them",
            "fa-plus",
            False,
        ),
        Scope(
            "user:read",
            "Read User Information",
            f"{_MAY} read your user name and e-mail address",
            "fa-user",
            False,
        ),
        Scope(
            "user:admin",
            "Administer User",
            f"{_MAY} administer your account: its robots, its tokens, its settings",
            "fa-gear",
            True,
        ),
        Scope(
            "org:admin",
            "Administer Organization",
            f"{_MAY} administer your organizations: teams, robots, applications, settings",
            "fa-gear",
            True,
        ),
        Scope(
            "super:user",
            "Super User Access",
            f"{_MAY} administer this registry: its users, organizations and keys",
            "fa-street-view",
            True,
        ),
    )
}
_IMPLIED = {
    "repo:write": frozenset(("repo:read",)),
    "repo:admin": frozenset(("repo:read", "repo:write")),
}


class ScopeUnknown(RegistryError):
    """404: what clients of the authorization page are told."""

    status = 404
    api_type = "invalid_request"
    message = "the scope is not known here"


def parse(text: str, *, superusers: bool = True) -> frozenset[str]:
    """The scopes of a scope string, separated by spaces or commas; none at all when one is unknown.

    :param superusers: FEATURE_SUPER_USERS; without it `super:user` is unknown.
    """
    asked = frozenset(part for part in re.split(r"[ ,]+", text.strip(" ,")) if part)
    known = SCOPES.keys() if superusers else SCOPES.keys() - {"super:user"}
    return asked if asked <= known else frozenset()


def effective(text: str) -> frozenset[str]:
    """What a token with this scope string may: its scopes and those that they imply."""
    named = parse(text)
    return named.union(*(_IMPLIED.get(name, frozenset()) for name in named))


def covers(has: str, asked: str) -> bool:
    """Whether a token with the one scope string may all that the other asks for."""
    return effective(asked) <= effective(has)
