"""Default permissions of organizations: what is given when a repository is made in them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Team, TeamMember
from quayframe.data.tenancy import Prototype as Row
from quayframe.errors import InvalidRequest, NotFound, Refused

from .access import Access, NamespaceRow
from .activity import Activity
from .membership import PERSON, Person, administered, find_person, find_team, person, take_turn, teams_of
from .principal import Principal

_FEW = 500
"""Accounts that are named one by one in a query."""
_RANK = {"read": 1, "write": 2, "admin": 3}
_activating, _delegate = Account.alias("activating"), Account.alias("delegate")


@dataclass(frozen=True)
class Someone:
    """A user or robot; `is_org_member` when it is in a team, and for the organization's robots."""

    person: Person
    is_org_member: bool


@dataclass(frozen=True)
class Prototype:
    """`role` (read, write, admin) goes to `delegate`, a user, a robot or (by its name) a team, when
    `activating`, or where that is None anybody, makes a repository."""

    uuid: str
    activating: Someone | None
    delegate: Someone | str
    role: str


class Prototypes:
    def __init__(self, db: Database, access: Access, activity: Activity) -> None:
        self._db = db
        self._access = access
        self._activity = activity

    def all(self, principal: Principal, org: str) -> list[Prototype]:
        """In the order of making. Raises NotSignedIn, InsufficientScope."""
        namespace = administered(self._access, principal, org, reading=True)
        return self._found(namespace.id, Row.organization == namespace.id)

    def create(
        self,
        principal: Principal,
        org: str,
        role: str,
        kind: str,
        delegate: str,
        activating: str | None = None,
    ) -> Prototype:
        """Makes one. `kind` of the delegate is user (robots too) or team.

        Raises InvalidRequest for an unknown account, Refused for an unknown team, NotSignedIn,
        InsufficientScope."""
        administered(self._access, principal, org)
        _check_role(role)

        def work(tx: Tx) -> Prototype:
            namespace = take_turn(tx, self._access, principal, org)
            by = None
            if activating is not None:
                by = self._account(activating, namespace, "Unknown activating user")
            ident = str(uuid.uuid4())
            whom = self._delegate(namespace, kind, delegate)
            row = {"uuid": ident, "organization": namespace.id, "role": role}
            tx.insert(Row, **row, activating=by.id if by else None, **whom)
            made = self._one(namespace, ident)
            self._record(tx, principal, namespace, events.CreatePrototypePermission, made)
            return made

        return self._db.write(work)

    def change(self, principal: Principal, org: str, ident: str, role: str) -> Prototype:
        """Gives it another role. Raises NotFound, NotSignedIn, InsufficientScope."""
        administered(self._access, principal, org)
        _check_role(role)

        def work(tx: Tx) -> Prototype:
            namespace = take_turn(tx, self._access, principal, org)
            old = self._one(namespace, ident)
            tx.run(Row.update(role=role).where(Row.uuid == ident))
            made = self._one(namespace, ident)
            kind = events.ModifyPrototypePermission
            self._record(tx, principal, namespace, kind, made, original_role=old.role)
            return made

        return self._db.write(work)

    def delete(self, principal: Principal, org: str, ident: str) -> None:
        """Takes it away; what it gave stays. Raises NotFound, NotSignedIn, InsufficientScope."""
        administered(self._access, principal, org)

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, org)
            old = self._one(namespace, ident)
            tx.run(Row.delete().where((Row.uuid == ident) & (Row.organization == namespace.id)))
            self._record(tx, principal, namespace, events.DeletePrototypePermission, old)

        self._db.write(work)

    def _account(self, name: str, namespace: NamespaceRow, missing: str) -> Person:
        found = find_person(self._db, name)
        if found is None:
            raise InvalidRequest(missing)
        if found.is_robot and found.owner_id != namespace.id:
            raise InvalidRequest(f"{name} is no robot of organization {namespace.name}")
        return found

    def _delegate(self, namespace: NamespaceRow, kind: str, name: str) -> dict[str, int]:
        if kind == "team":
            team = find_team(self._db, namespace.id, name)
            if team is None:
                raise Refused(f"Team does not exist: {namespace.name}/{name}")
            return {"delegate_team": team.id}
        found = self._account(name, namespace, "Missing delegate user or team")
        return {"delegate_account": found.id}

    def _one(self, namespace: NamespaceRow, ident: str) -> Prototype:
        found = self._found(namespace.id, (Row.organization == namespace.id) & (Row.uuid == ident))
        if not found:
            raise NotFound("Not Found")
        return found[0]

    def _found(self, organization_id: int, where: Any) -> list[Prototype]:
        rows = self._db.rows(
            Row.select(Row.uuid, Row.role, Team.name, *_columns(_activating), *_columns(_delegate))
            .left_outer_join(Team, on=(Team.id == Row.delegate_team))
            .left_outer_join(_activating, on=(_activating.id == Row.activating))
            .left_outer_join(_delegate, on=(_delegate.id == Row.delegate_account))
            .where(where & _activating.deleted_ms.is_null() & _delegate.deleted_ms.is_null())
            .order_by(Row.id)
        )
        size = len(PERSON)
        people = [(row[3 : 3 + size], row[3 + size :]) for row in rows]
        ids = {columns[0] for pair in people for columns in pair if columns[0] is not None}
        inside = self._inside(organization_id, ids)

        def someone(columns: tuple[Any, ...]) -> Someone | None:
            if columns[0] is None:
                return None
            who = person(columns)
            return Someone(who, who.id in inside or (who.is_robot and who.owner_id == organization_id))

        return [
            Prototype(row[0], someone(by), someone(whom) or row[2], row[1])
            for row, (by, whom) in zip(rows, people, strict=True)
        ]

    def _inside(self, organization_id: int, accounts: set[int]) -> set[int]:
        """Of these accounts, those in a team."""
        if not accounts:
            return set()
        here = TeamMember.team.in_(teams_of(organization_id))
        if len(accounts) <= _FEW:
            here &= TeamMember.account.in_(sorted(accounts))
        rows = self._db.rows(TeamMember.select(TeamMember.account).where(here).distinct())
        return {account for (account,) in rows} & accounts

    def _record(
        self,
        tx: Tx,
        principal: Principal,
        namespace: NamespaceRow,
        kind: type[events.CreatePrototypePermission],
        prototype: Prototype,
        **more: str,
    ) -> None:
        delegate = prototype.delegate
        event = kind(
            namespace=namespace.name,
            performer=principal.performer,
            ip=principal.ip,
            prototypeid=prototype.uuid,
            username=principal.performer,
            activating_username=prototype.activating.person.name if prototype.activating else None,
            role=prototype.role,
            delegate_user=delegate.person.name if isinstance(delegate, Someone) else None,
            delegate_team=delegate if isinstance(delegate, str) else None,
            **more,
        )
        self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)


def apply(tx: Tx, organization_id: int, creator_id: int | None, repository_id: int) -> None:
    """Gives the default permissions on a repository that `creator_id` has just made, in its transaction.

    For one delegate the entries of this creator win over those of anybody; of several the strongest
    counts. The creator has its own permission already."""
    rows = tx.rows(
        Row.select(Row.activating, Row.delegate_account, Row.delegate_team, Row.role)
        .left_outer_join(Account, on=(Account.id == Row.delegate_account))
        .where((Row.organization == organization_id) & Account.deleted_ms.is_null())
        .where(Row.activating.is_null() | (Row.activating == creator_id))
        .order_by(Row.id)
    )
    best: dict[tuple[int | None, int | None], tuple[bool, int, str]] = {}
    for activating, account, team, role in rows:
        mine = (activating is not None, _RANK[role], role)
        best[account, team] = max(mine, best.get((account, team), mine))
    for (account, team), (_, _, role) in best.items():
        if account is None or account != creator_id:
            tx.insert_absent(Permission, repository=repository_id, account=account, team=team, role=role)


def _columns(account: Any) -> list[Any]:
    """The columns PERSON of an alias."""
    return [getattr(account, column.name) for column in PERSON]


def _check_role(role: str) -> None:
    if role not in _RANK:
        raise InvalidRequest(f"{role!r} is not one of {list(_RANK)}")
