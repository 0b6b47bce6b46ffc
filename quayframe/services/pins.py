"""Which tags are immutable: by the API's word, by a label, by a policy (FEATURE_IMMUTABLE_TAGS).

What a policy pins is not stored: it is computed when asked, so a policy holds from the moment it is made, for
old tags and new, and lets go of all of them when it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from quayframe.data.content import Policy
from quayframe.data.db import Tx
from quayframe.data.tables import Repository

from . import patterns
from .lifecycle import Reason


class Pinned(Protocol):
    """What of a tag's head decides whether it is pinned."""

    @property
    def repository_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def immutable(self) -> bool: ...
    @property
    def immutable_reason(self) -> str | None: ...


class Reader(Protocol):
    """A database, or a transaction."""

    def rows(self, query: Any) -> list[tuple[Any, ...]]: ...


_Policies = list[tuple[str, str, bool]]
"""(uuid, pattern, whether it is for the tags that fit)."""


class Pins:
    """:param enabled: FEATURE_IMMUTABLE_TAGS; off, no tag is immutable, whatever was said before.
    :param can_expire: FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE."""

    def __init__(self, *, enabled: bool, can_expire: bool = False) -> None:
        self.enabled = enabled
        self.can_expire = can_expire
        # Of each transaction under way, by repository: the policies are read once.
        self._known: WeakKeyDictionary[Tx, dict[int, _Policies]] = WeakKeyDictionary()

    def of(self, tx: Tx, head: Pinned) -> Reason | None:
        """What makes this tag immutable; None when it may be changed."""
        if not self.enabled:
            return None
        if head.immutable:
            return _said(head.immutable_reason)
        return self.by_policy(tx, head.repository_id, head.name)

    def by_policy(self, tx: Tx, repository_id: int, name: str) -> Reason | None:
        """The immutability policy that covers tags of this name; None where none does."""
        if not self.enabled:
            return None
        known = self._known.setdefault(tx, {})
        if repository_id not in known:
            known[repository_id] = _policies(tx, repository_id)
        return _covering(known[repository_id], name)

    def reading(self, db: Reader, repository_id: int) -> Callable[[str, bool, str | None], Reason | None]:
        """For many tags of one repository, outside of a transaction: from (name, immutable,
        immutable_reason) to what makes the tag immutable. The policies are read once, now."""
        policies = _policies(db, repository_id) if self.enabled else []

        def of(name: str, immutable: bool, immutable_reason: str | None) -> Reason | None:
            if not self.enabled:
                return None
            return _said(immutable_reason) if immutable else _covering(policies, name)

        return of


def _said(immutable_reason: str | None) -> Reason:
    return Reason("immutable-label" if immutable_reason == "label" else "immutable")


def _policies(db: Reader, repository_id: int) -> _Policies:
    namespace = Repository.select(Repository.namespace).where(Repository.id == repository_id)
    rows = db.rows(
        Policy.select(Policy.uuid, Policy.pattern, Policy.pattern_matches)
        .where((Policy.namespace == namespace) & (Policy.kind == "immutable"))
        .where(Policy.repository.is_null() | (Policy.repository == repository_id))
        .order_by(Policy.id)
    )
    return [(uuid, pattern, bool(matches)) for uuid, pattern, matches in rows]


def _covering(policies: _Policies, name: str) -> Reason | None:
    for uuid, pattern, matches in policies:
        if patterns.fits(pattern, name) == matches:
            return Reason("immutable-policy", None, uuid)
    return None
