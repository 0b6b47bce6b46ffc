"""What superusers do with namespaces: list organizations, rename them, take them over."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Team, TeamMember
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound

from .accounts import Accounts
from .activity import Activity
from .departures import to_organization
from .principal import Principal
from .renaming import rename

_LIVE = (Account.kind == "organization") & Account.deleted_ms.is_null()
_COLUMNS = (Account.id, Account.name, Account.email, Account.uuid)


@dataclass(frozen=True)
class OrganizationItem:
    """An organization. `seed` is what the avatar is made of, and shown where there is no address."""

    id: int
    name: str
    seed: str


class Ownership:
    def __init__(self, db: Database, accounts: Accounts, activity: Activity) -> None:
        self._db = db
        self._accounts = accounts
        self._activity = activity

    def page(self, *, after: int = 0, limit: int | None = None) -> tuple[list[OrganizationItem], bool]:
        """Organizations with ids above `after`, by id, and whether more follow."""
        query = Account.select(*_COLUMNS).where(_LIVE & (Account.id > after)).order_by(Account.id)
        rows = self._db.rows(query if limit is None else query.limit(limit + 1))
        return [_item(row) for row in rows[:limit]], limit is not None and len(rows) > limit

    def get(self, name: str) -> OrganizationItem:
        """Raises NotFound."""
        rows = self._db.rows(Account.select(*_COLUMNS).where(_LIVE & (Account.name == name)))
        if not rows:
            raise NotFound("Not Found")
        return _item(rows[0])

    def rename(self, principal: Principal, old: str, new: str) -> OrganizationItem:
        """Gives an organization, its repositories and robots another name. Raises InsufficientScope,
        NotFound, Refused for a name that cannot be had."""
        _superuser(principal)
        found = self.get(old)
        if new == old:
            return found
        by = principal.by(new)
        event = events.OrgChangeName(**by, old_name=old, new_name=new, superuser=principal.name)

        def work(tx: Tx) -> None:
            if not tx.lock(Account.select(Account.id).where(_LIVE & (Account.name == old))):
                raise NotFound("Not Found")
            rename(tx, found.id, old, new)
            self._activity.record(tx, event, namespace_id=found.id, performer_id=principal.account_id)

        self._db.write(work)
        return self.get(new)

    def take(self, principal: Principal, name: str) -> None:
        """Makes a superuser an admin of an organization, or of what a user's account becomes: an
        organization. Raises InsufficientScope, NotFound, InvalidRequest for a superuser's account."""
        _superuser(principal)
        admin = principal.account_id
        if admin is None:
            raise InsufficientScope()

        def work(tx: Tx) -> None:
            where = (Account.name == name) & (Account.kind != "robot") & Account.deleted_ms.is_null()
            rows = tx.lock(Account.select(Account.id, Account.kind).where(where))
            if not rows:
                raise NotFound("Not Found")
            ident, was_user = int(rows[0][0]), rows[0][1] == "user"
            if was_user and (ident == admin or self._accounts.is_superuser(name)):
                raise InvalidRequest("Cannot take ownership of a superuser")
            event = events.TakeOwnership(
                **principal.by(name),
                entity_id=ident,
                was_user=was_user,
                superuser=principal.name,
            )
            if was_user:
                to_organization(tx, ident, admin)
            else:
                tx.insert_absent(TeamMember, team=_admins(tx, ident), account=admin)
            self._activity.record(tx, event, namespace_id=ident, performer_id=principal.account_id)

        self._db.write(work)


def _admins(tx: Tx, organization_id: int) -> int:
    """The id of the team `owners`, else the oldest with the role admin; made where there is none."""
    teams: list[Any] = tx.rows(
        Team.select(Team.id, Team.name)
        .where((Team.organization == organization_id) & (Team.role == "admin"))
        .order_by(Team.name != "owners", Team.id)
        .limit(1)
    )
    if teams:
        return int(teams[0][0])
    names = {name for (name,) in tx.rows(Team.select(Team.name).where(Team.organization == organization_id))}
    free = next(name for name in ("owners", f"owners-{uuids.uuid4().hex}") if name not in names)
    row = {"uuid": str(uuids.uuid4()), "name": free, "role": "admin", "description": ""}
    return tx.insert(Team, organization=organization_id, **row)


def _item(row: tuple[Any, ...]) -> OrganizationItem:
    ident, name, email, uuid = row
    return OrganizationItem(ident, name, email or uuid)


def _superuser(principal: Principal) -> None:
    if not principal.superuser:
        raise InsufficientScope()
