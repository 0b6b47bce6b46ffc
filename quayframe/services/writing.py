"""Who may change what a repository holds, over the API."""

from __future__ import annotations

from quayframe.errors import InsufficientScope, NotSignedIn, RepositoryFrozen

from .access import Access, RepositoryRow
from .principal import Principal

_NUMBERS = {"READ_ONLY": 1, "MIRROR": 2, "MARKED_FOR_DELETION": 3}


def check_may_write(access: Access, principal: Principal, row: RepositoryRow) -> None:
    """Raises NotSignedIn, InsufficientScope without the role write, RepositoryFrozen."""
    if access.role(principal, row) not in ("write", "admin"):
        raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
    if row.state != "NORMAL":
        raise RepositoryFrozen(
            f"Repository is in read only or mirror mode: {_NUMBERS.get(row.state, row.state)}"
        )
