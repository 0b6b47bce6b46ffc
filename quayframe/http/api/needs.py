"""What an operation needs of its caller: the floor, checked before anything of it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quayframe.errors import InsufficientScope, NameInvalid, NotFound, NotSignedIn
from quayframe.plugin.access import Access
from quayframe.services.access import NamespaceRow, RepositoryRow

if TYPE_CHECKING:
    from .operation import Call

Check = Callable[["Call"], None]


@dataclass(frozen=True)
class Need(Access):
    """A named check. It raises NotSignedIn, InsufficientScope or NotFound, and may note what it found."""

    check: Check
    anonymous: bool = False
    """Whether somebody who is not signed in may be let through."""


def refuse(call: Call) -> InsufficientScope | NotSignedIn:
    """What a caller without the right is told."""
    return NotSignedIn() if call.principal.account_id is None else InsufficientScope()


def _open(call: Call) -> None:
    return None


def _anyone(call: Call) -> None:
    if call.principal.account_id is None and not call.registry.settings.FEATURE_ANONYMOUS_ACCESS:
        raise NotSignedIn()


def _signed_in(call: Call) -> None:
    if call.principal.account_id is None:
        raise NotSignedIn()


def _user_read(call: Call) -> None:
    if call.principal.account_id is None or not (
        call.principal.may("user:read") or call.principal.may("user:admin")
    ):
        # Not 403: what clients expect of a token without the scope as well.
        raise NotSignedIn(detail={"session_required": False})


def _user_admin(call: Call) -> None:
    _signed_in(call)
    if call.principal.kind != "user" or not call.principal.may("user:admin"):
        raise InsufficientScope()


def _reads(call: Call, scope: str) -> bool:
    """Whether this caller may read what only admins may, with this scope if it has a token."""
    return call.req.method in ("GET", "HEAD") and call.principal.reads(scope)


def _find(call: Call) -> RepositoryRow:
    """The repository of the path. A missing one is 404 for who administers its namespace alone."""
    access = call.registry.access
    try:
        name = call.api.repository_name(call.params["repository"])
    except NameInvalid:
        raise refuse(call) from None
    row = access.repository(name.namespace, name.name)
    if row is None:
        namespace = access.namespace(name.namespace)
        if namespace is not None and access.may_read_namespace(call.principal, namespace):
            raise NotFound()
        raise refuse(call)
    call.found_repository = row
    return row


def _repository(check: Callable[[Call, RepositoryRow], bool]) -> Check:
    def run(call: Call) -> None:
        row = _find(call)
        if not check(call, row):
            raise refuse(call)

    return run


def _read(call: Call, row: RepositoryRow) -> bool:
    return call.registry.access.may_pull(call.principal, row)


def _write(call: Call, row: RepositoryRow) -> bool:
    return call.registry.access.role(call.principal, row) in ("write", "admin")


def _admin(call: Call, row: RepositoryRow) -> bool:
    role = call.registry.access.role(call.principal, row)
    return role == "admin" or (role is not None and _reads(call, "repo:admin"))


def _organization(call: Call) -> NamespaceRow:
    """The organization of the path; somebody else's, and one that is not there, look alike."""
    found = call.registry.access.namespace(call.params["orgname"])
    if found is None or found.kind != "organization":
        raise refuse(call)
    call.found_namespace = found
    return found


def _organization_admin(call: Call) -> None:
    found = _organization(call)
    if call.registry.access.may_admin_namespace(call.principal, found) or _reads(call, "org:admin"):
        return
    raise refuse(call)


def _organization_member(call: Call) -> None:
    found = _organization(call)
    if call.registry.access.team_role(call.principal, found) is None and not _reads(call, "org:admin"):
        raise refuse(call)


def _team_view(call: Call) -> None:
    found = _organization(call)
    access = call.registry.access
    if access.may_admin_namespace(call.principal, found) or _reads(call, "org:admin"):
        return
    if access.in_team(call.principal, found, call.params["teamname"]):
        return
    raise refuse(call)


def _superuser(call: Call) -> None:
    _signed_in(call)
    reads = _reads(call, "super:user")
    if not call.registry.settings.FEATURE_SUPER_USERS or not (call.principal.superuser or reads):
        raise InsufficientScope()


OPEN = Need("open", _open, anonymous=True)
"""Everybody, also where anonymous access is off: what leads to a log-in."""
ANYONE = Need("anyone", _anyone, anonymous=True)
SIGNED_IN = Need("signed-in", _signed_in)
USER_READ = Need("user:read", _user_read)
USER_ADMIN = Need("user:admin", _user_admin)
REPO_READ = Need("repo:read", _repository(_read), anonymous=True)
REPO_WRITE = Need("repo:write", _repository(_write))
REPO_ADMIN = Need("repo:admin", _repository(_admin))
ORG_ADMIN = Need("org:admin", _organization_admin)
ORG_MEMBER = Need("org:member", _organization_member)
TEAM_VIEW = Need("team:view", _team_view)
SUPERUSER = Need("super:user", _superuser)

__all__ = [
    "ANYONE",
    "OPEN",
    "ORG_ADMIN",
    "ORG_MEMBER",
    "REPO_ADMIN",
    "REPO_READ",
    "REPO_WRITE",
    "SIGNED_IN",
    "SUPERUSER",
    "TEAM_VIEW",
    "USER_ADMIN",
    "USER_READ",
    "Need",
    "refuse",
]
