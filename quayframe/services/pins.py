"""Which tags are immutable: by the API's word, by a label, by a policy (FEATURE_IMMUTABLE_TAGS).

What a policy pins is not stored: it is computed when asked, so a policy holds from the moment it is made, for
old tags and new, and lets go of all of them when it goes.
"""

from __future__ import annotations

import time
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
_MATCHING_S = 2.0
"""CPU time that one act or answer may match patterns of policies: the owner of a repository writes them, and
has as many tags as it likes. Simple patterns do a hundred thousand tags in it."""


class Pins:
    """:param enabled: FEATURE_IMMUTABLE_TAGS; off, no tag is immutable, whatever was said before.
    :param can_expire: FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE."""

    def __init__(self, *, enabled: bool, can_expire: bool = False) -> None:
        self.enabled = enabled
        self.can_expire = can_expire
        # Of each transaction under way, by repository: the policies are read once.
        self._known: WeakKeyDictionary[Tx, dict[int, _Covering]] = WeakKeyDictionary()

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
            known[repository_id] = _Covering(_policies(tx, repository_id))
        return known[repository_id].of(name)

    def reading(self, db: Reader, repository_id: int) -> Callable[[str, bool, str | None], Reason | None]:
        """For many tags of one repository, outside of a transaction: from (name, immutable,
        immutable_reason) to what makes the tag immutable. The policies are read once, now."""
        covering = _Covering(_policies(db, repository_id) if self.enabled else [])

        def of(name: str, immutable: bool, immutable_reason: str | None) -> Reason | None:
            if not self.enabled:
                return None
            return _said(immutable_reason) if immutable else covering.of(name)

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


class _Covering:
    """Which policy covers a name. When the time for it is spent, one covers whatever was not looked at."""

    def __init__(self, policies: _Policies) -> None:
        self._policies = policies
        self._found: dict[str, Reason | None] = {}
        self._spent_s = 0.0

    def of(self, name: str) -> Reason | None:
        if not self._policies:
            return None
        if name not in self._found:
            if self._spent_s > _MATCHING_S:
                return Reason("immutable-policy", None, self._policies[0][0])
            begun = time.thread_time()
            self._found[name] = self._look(name)
            self._spent_s += time.thread_time() - begun
        return self._found[name]

    def _look(self, name: str) -> Reason | None:
        for uuid, pattern, matches in self._policies:
            if patterns.fits(pattern, name) == matches:
                return Reason("immutable-policy", None, uuid)
        return None
