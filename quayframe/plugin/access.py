"""Access declarations: what each method of an HTTP resource needs of whoever asks.

A resource says it in one attribute, the core's resources and those of plugins alike::

    class Greeting:
        access = {"GET": PUBLIC, "PUT": Repo("admin")}

One middleware enforces it before the responder runs. It is the floor: what depends on the body or on a
second object is checked by the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..errors import StartError

RepoAction = Literal["pull", "push", "delete", "admin"]


@dataclass(frozen=True)
class Access:
    """One level of access. Compare with `is` or `==`; only `Repo` carries a value."""

    name: str


PUBLIC = Access("public")
"""Everybody, also without any credentials."""

SIGNED_IN = Access("signed-in")
"""Whoever has shown credentials of an account or robot that is enabled."""

SUPERUSER = Access("superuser")
"""Superusers of the registry."""

SELF_DECIDED = Access("self-decided")
"""The responder's service decides, in the same query that answers. For the core's hottest paths."""


@dataclass(frozen=True, init=False)
class Repo(Access):
    """`action` on the repository that the path parameter `repository` names."""

    action: RepoAction

    def __init__(self, action: RepoAction) -> None:
        if action not in get_args(RepoAction):
            raise ValueError(f"unknown action on a repository: {action!r}")
        object.__setattr__(self, "name", "repository")
        object.__setattr__(self, "action", action)


_RESPONDER = re.compile(
    r"on_(get|head|post|put|patch|delete|options|trace|connect|query|websocket|request)(?:_(\w+))?"
)
_REPOSITORY = re.compile(r"\{repository(?::[^}]*)?\}")


def declared(resource: object, template: str | None = None, suffix: str = "") -> dict[str, Access]:
    """The access that each method of `resource` needs, by HTTP method in upper case.

    Read from `resource.access`; for a route with a suffix, from `resource.access_<suffix>`. HEAD is
    declared like any other method. Raises StartError when a responder has no declaration, a
    declaration no responder, or `Repo` a `template` without the parameter `repository`.
    """
    name = type(resource).__name__
    attribute = f"access_{suffix}" if suffix else "access"
    declaration: Any = getattr(resource, attribute, None)
    if not isinstance(declaration, Mapping):
        raise StartError(f"the resource {name} does not declare the access its methods need ({attribute})")
    methods = _responders(resource, suffix)
    if missing := sorted(methods - set(declaration)):
        raise StartError(f"the resource {name} does not declare the access of {', '.join(missing)}")
    if surplus := sorted(str(method) for method in set(declaration) - methods):
        raise StartError(
            f"the resource {name} declares the access of {', '.join(surplus)}, but has no responder"
        )
    for method, access in declaration.items():
        if not isinstance(access, Access):
            raise StartError(f"the resource {name} declares for {method} something else than an access")
        if isinstance(access, Repo) and template is not None and not _REPOSITORY.search(template):
            raise StartError(f"the route {template} needs a repository, but has no parameter of that name")
    return dict(declaration)


def _responders(resource: object, suffix: str) -> set[str]:
    found = set()
    for attribute in dir(resource):
        match = _RESPONDER.fullmatch(attribute)
        if match and (match[2] or "") == suffix and callable(getattr(resource, attribute)):
            found.add(match[1].upper())
    return found
