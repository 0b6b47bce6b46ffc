"""Policies of namespaces and repositories over their tags: which end (prune), which are immutable."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import peewee

from quayframe import events
from quayframe.data.content import Policy as Row
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Repository
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn

from . import patterns
from .access import Access, NamespaceRow, RepositoryRow
from .activity import Activity
from .clock import now_ms
from .lifecycle import Reason
from .principal import Principal
from .repositories import Check

Kind = Literal["prune", "immutable"]
METHODS = ("number_of_tags", "creation_date")
MOST = 20
"""Policies of one kind that a namespace or a repository may have: each is looked at in every push."""
OLDEST_MS = 100 * 366 * 86_400_000
"""The longest age that a policy may name: a hundred years."""
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Owner:
    """Whose tags a policy is about: all of a namespace's, or those of one repository in it."""

    namespace: NamespaceRow
    repository: RepositoryRow | None = None

    @property
    def word(self) -> str:
        return "namespace" if self.repository is None else "repository"


@dataclass(frozen=True)
class Policy:
    """What a policy says. `uuid`: None for one that is not stored. Of prune: `method` is number_of_tags with
    a number as `value`, or creation_date with a duration. `pattern` None is every tag; `matches` False means
    the tags that the pattern does not fit."""

    kind: Kind
    uuid: str | None = None
    method: str | None = None
    value: int | str | None = None
    pattern: str | None = None
    matches: bool = True

    def covers(self, tag: str) -> bool:
        return self.pattern is None or patterns.fits(self.pattern, tag) == self.matches

    @property
    def age_ms(self) -> int | None:
        """Of creation_date: how old a tag becomes."""
        found = _DURATION.fullmatch(str(self.value)) if self.method == "creation_date" else None
        return int(found[1]) * _UNITS[found[2]] * 1000 if found else None

    def reason(self, start_ms: int, place: int, now: int) -> Reason | None:
        """How it ends a tag that it covers; None where it does not.

        :param place: of the tag among those that are counted, the newest being 1."""
        if self.age_ms is not None:
            return Reason("prune", start_ms + self.age_ms, self.uuid)
        return Reason("prune", now, self.uuid) if place > int(self.value or 0) else None


_Make = Callable[..., events.Event]
_IMMUTABILITY: dict[str, _Make] = {
    "create": events.CreateImmutabilityPolicy,
    "change": events.UpdateImmutabilityPolicy,
    "delete": events.DeleteImmutabilityPolicy,
}
_EVENTS: dict[tuple[str, str], dict[str, _Make]] = {
    ("prune", "namespace"): {
        "create": events.CreateNamespaceAutoprunePolicy,
        "change": events.UpdateNamespaceAutoprunePolicy,
        "delete": events.DeleteNamespaceAutoprunePolicy,
    },
    ("prune", "repository"): {
        "create": events.CreateRepositoryAutoprunePolicy,
        "change": events.UpdateRepositoryAutoprunePolicy,
        "delete": events.DeleteRepositoryAutoprunePolicy,
    },
    ("immutable", "namespace"): _IMMUTABILITY,
    ("immutable", "repository"): _IMMUTABILITY,
}


def prune(method: str, value: int | str, pattern: str | None = None, matches: bool = True) -> Policy:
    """A checked auto-prune policy. Raises InvalidRequest."""
    if method not in METHODS:
        raise InvalidRequest("Invalid method provided")
    made = Policy("prune", None, method, value, pattern or None, matches)
    if method == "number_of_tags":
        sound = isinstance(value, int) and 0 < value < 2**31
    else:
        sound = isinstance(value, str) and 0 < (made.age_ms or 0) <= OLDEST_MS
    if not sound:
        raise InvalidRequest("Invalid value given for method type")
    if made.pattern is not None:
        patterns.check(made.pattern)
    return made


def immutable(pattern: str, matches: bool = True) -> Policy:
    """A checked immutability policy. Raises InvalidRequest."""
    patterns.check(pattern)
    return Policy("immutable", pattern=pattern, matches=matches)


class Policies:
    def __init__(self, db: Database, access: Access, activity: Activity, check: Check) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._check = check

    def owner(self, repository: RepositoryRow) -> Owner:
        """Raises NotFound when its namespace is just going."""
        namespace = self._access.namespace(repository.namespace)
        if namespace is None:
            raise NotFound()
        return Owner(namespace, repository)

    def all(self, principal: Principal, owner: Owner, kind: Kind) -> list[Policy]:
        """In the order of making. Raises NotSignedIn, InsufficientScope."""
        self._allow(principal, owner, reading=True)
        rows = self._db.rows(stored(_of(owner, kind)))
        return [read(row) for row in rows]

    def get(self, principal: Principal, owner: Owner, kind: Kind, ident: str) -> Policy:
        """Raises NotFound, NotSignedIn, InsufficientScope."""
        self._allow(principal, owner, reading=True)
        row = self._db.one(stored(_of(owner, kind) & (Row.uuid == ident)))
        if row is None:
            raise NotFound()
        return read(row)

    def create(self, principal: Principal, owner: Owner, policy: Policy) -> str:
        """Stores a policy; its uuid. Raises InvalidRequest when it is there, NotFound for a namespace or a
        repository that is just going, NotSignedIn, InsufficientScope."""
        ident = str(uuid.uuid4())
        event = self._asked(principal, owner, "create", policy, ident)

        def work(tx: Tx) -> str:
            self._take_turn(tx, principal, owner)
            if tx.value(Row.select(peewee.fn.COUNT(Row.id)).where(_of(owner, policy.kind))) >= MOST:
                raise InvalidRequest(f"a {owner.word} has at most {MOST} policies of a kind")
            row = {"uuid": ident, "kind": policy.kind, "namespace": owner.namespace.id}
            repository = owner.repository.id if owner.repository else None
            made = tx.insert_absent(
                Row, **row, repository=repository, created_ms=now_ms(), **_values(owner, policy)
            )
            if not made:
                raise _duplicate(owner, policy)
            self._record(tx, principal, owner, event)
            return ident

        return self._db.write(work)

    def change(self, principal: Principal, owner: Owner, ident: str, policy: Policy) -> None:
        """Raises NotFound, InvalidRequest when another one says the same, NotSignedIn, InsufficientScope."""
        event = self._asked(principal, owner, "change", policy, ident)

        def work(tx: Tx) -> None:
            self._take_turn(tx, principal, owner)
            mine = _of(owner, policy.kind) & (Row.uuid == ident)
            if not tx.lock(Row.select(Row.id).where(mine)):
                raise NotFound()
            values = _values(owner, policy)
            same = (Row.fingerprint == values["fingerprint"]) & (Row.uuid != ident)
            if tx.one(Row.select(Row.id).where(same)) is not None:
                raise _duplicate(owner, policy)
            tx.run(Row.update(**values).where(mine))
            self._record(tx, principal, owner, event)

        self._db.write(work)

    def delete(self, principal: Principal, owner: Owner, kind: Kind, ident: str) -> None:
        """What it has ended stays ended. Raises NotFound, NotSignedIn, InsufficientScope."""
        self._allow(principal, owner)
        event = self._asked(principal, owner, "delete", self.get(principal, owner, kind, ident), ident)

        def work(tx: Tx) -> None:
            self._take_turn(tx, principal, owner)
            mine = _of(owner, kind) & (Row.uuid == ident)
            if not tx.run(Row.delete().where(mine)):
                raise NotFound()
            self._record(tx, principal, owner, event)

        self._db.write(work)

    def _allow(self, principal: Principal, owner: Owner, *, reading: bool = False) -> None:
        access = self._access
        if owner.repository is not None:
            may = access.may_admin(principal, owner.repository)
            reads = principal.reads("repo:admin")
        else:
            may = access.may_admin_namespace(principal, owner.namespace)
            reads = principal.reads("org:admin")
        if not may and not (reading and reads):
            raise NotSignedIn() if principal.account_id is None else InsufficientScope()

    def _take_turn(self, tx: Tx, principal: Principal, owner: Owner) -> None:
        """Whoever changes policies of a namespace waits for whoever does so; and it must not be going."""
        here = (Account.id == owner.namespace.id) & Account.deleted_ms.is_null()
        if not tx.in_turn(Account.select(Account.id).where(here)):
            raise NotFound()
        if owner.repository is not None:
            there = (Repository.id == owner.repository.id) & Repository.deleted_ms.is_null()
            if not tx.share(Repository.select(Repository.id).where(there)):
                raise NotFound()
        self._allow(principal, owner)

    def _asked(
        self, principal: Principal, owner: Owner, verb: str, policy: Policy, ident: str
    ) -> events.Event:
        """The event of an act that plugins do not refuse. Raises NotSignedIn, InsufficientScope, Denied."""
        self._allow(principal, owner)
        values: dict[str, Any] = {
            "policy": ident,
            "tag_pattern": policy.pattern,
            "tag_pattern_matches": policy.matches,
        }
        if policy.kind == "prune":
            values |= {"method": policy.method, "value": policy.value}
        place = owner.repository
        by = principal.at(place) if place else principal.by(owner.namespace.name)
        event = _EVENTS[policy.kind, owner.word][verb](**by, **values)
        self._check(event)
        return event

    def _record(self, tx: Tx, principal: Principal, owner: Owner, event: events.Event) -> None:
        place = owner.repository
        self._activity.record(
            tx,
            event,
            namespace_id=owner.namespace.id,
            repository_id=place.id if place else None,
            performer_id=principal.account_id,
        )


def stored(where: Any) -> Any:
    """The query of policies with this condition, in the order of making; its rows are for `read`."""
    columns = (Row.uuid, Row.kind, Row.method, Row.value, Row.pattern, Row.pattern_matches)
    return Row.select(*columns).where(where).order_by(Row.id)


def read(row: tuple[Any, ...]) -> Policy:
    """A policy from a row of `stored`."""
    ident, kind, method, value, pattern, matches = row
    return Policy(kind, ident, method, None if value is None else json.loads(value), pattern, bool(matches))


def of_repository(namespace_id: int, repository_id: int, kind: Kind) -> Any:
    """The condition on policies that hold in a repository: its namespace's and its own."""
    here = (Row.namespace == namespace_id) & (Row.kind == kind)
    return here & (Row.repository.is_null() | (Row.repository == repository_id))


def _of(owner: Owner, kind: Kind) -> Any:
    here = (Row.namespace == owner.namespace.id) & (Row.kind == kind)
    place = owner.repository
    return here & (Row.repository.is_null() if place is None else Row.repository == place.id)


def _values(owner: Owner, policy: Policy) -> dict[str, Any]:
    value = None if policy.value is None else json.dumps(policy.value)
    whose = [owner.namespace.id, owner.repository.id if owner.repository else None, policy.kind]
    says = json.dumps([*whose, policy.method, value, policy.pattern, policy.matches])
    return {
        "method": policy.method,
        "value": value,
        "pattern": policy.pattern,
        "pattern_matches": int(policy.matches),
        "fingerprint": hashlib.sha256(says.encode()).hexdigest(),
    }


def _duplicate(owner: Owner, policy: Policy) -> InvalidRequest:
    if policy.kind == "immutable":
        return InvalidRequest("A policy with the same tag_pattern already exists")
    same = f"Existing policy with same values for this {owner.word}"
    return InvalidRequest(f"{same}, duplicate policies are not permitted")
