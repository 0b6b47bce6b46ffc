"""What organizations, teams and invitations stand on: who may change them, and who must remain."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn

from .access import Access, NamespaceRow
from .principal import Principal

LIVE_ACCOUNT = Account.deleted_ms.is_null()
PERSON = (Account.id, Account.name, Account.kind, Account.email, Account.uuid, Account.owner)


@dataclass(frozen=True)
class Person:
    """A user or a robot, as others see it; `seed` is what its avatar is made of."""

    id: int
    name: str
    kind: str
    seed: str
    owner_id: int | None

    @property
    def is_robot(self) -> bool:
        return self.kind == "robot"


@dataclass(frozen=True)
class TeamRow:
    """A team. `role` is member, creator or admin."""

    id: int
    name: str
    role: str
    description: str


@dataclass(frozen=True)
class Granted:
    """A role (read, write, admin) on a repository, `name` without its namespace."""

    name: str
    is_public: bool
    role: str


def person(row: tuple[Any, ...]) -> Person:
    """A Person from a row of the columns PERSON."""
    ident, name, kind, email, uuid, owner = row
    return Person(ident, name, kind, email or uuid, owner)


def find_person(db: Database, name: str) -> Person | None:
    """The user or robot of this name."""
    row = db.one(
        Account.select(*PERSON).where(
            (Account.name == name) & (Account.kind != "organization") & LIVE_ACCOUNT
        )
    )
    return person(row) if row else None


def organization(access: Access, name: str) -> NamespaceRow | None:
    found = access.namespace(name)
    return found if found is not None and found.kind == "organization" else None


def administered(access: Access, principal: Principal, name: str, *, reading: bool = False) -> NamespaceRow:
    """The organization, of which this principal is an admin.

    :param reading: who may read everything passes too.
    Raises NotSignedIn; InsufficientScope, also where there is no such organization: only the command line,
    which may everything, is told so by NotFound.
    """
    found = organization(access, name)
    if found is None and principal.kind == "system":
        raise NotFound(f"there is no organization {name}")
    may = access.may_read_namespace if reading else access.may_admin_namespace
    if found is None or not may(principal, found):
        raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
    return found


def take_turn(tx: Tx, access: Access, principal: Principal, name: str) -> NamespaceRow:
    """Locks the organization, and only then looks whether this principal is still its admin.

    Changes of an organization's people happen one after the other: of two admins who take the role from
    each other at once, the second is none any more."""
    found = organization(access, name)
    if found is not None:
        tx.in_turn(Account.select(Account.id).where(Account.id == found.id))
    return administered(access, principal, name)


def find_team(db: Database, organization_id: int, name: str) -> TeamRow | None:
    row = db.one(
        Team.select(Team.id, Team.name, Team.role, Team.description).where(
            (Team.organization == organization_id) & (Team.name == name)
        )
    )
    return TeamRow(row[0], row[1], row[2], row[3] or "") if row else None


def get_team(db: Database, organization_id: int, name: str) -> TeamRow:
    """Raises NotFound."""
    found = find_team(db, organization_id, name)
    if found is None:
        raise NotFound("Not Found")
    return found


def add_owners(tx: Tx, organization_id: int, account_id: int) -> None:
    """Gives a new organization its team `owners`, with its first admin."""
    row = {"name": "owners", "role": "admin", "description": ""}
    team = tx.insert(Team, uuid=str(uuid.uuid4()), organization=organization_id, **row)
    tx.insert(TeamMember, team=team, account=account_id)


def is_member(db: Database, organization_id: int, account_id: int) -> bool:
    """Whether the account is in any team of the organization."""
    return db.one(_memberships(organization_id, account_id).limit(1)) is not None


def admin_teams(db: Database, organization_id: int, account_id: int) -> list[int]:
    """Ids of the teams by which the account is an admin."""
    return [i for (i,) in db.rows(_memberships(organization_id, account_id).where(Team.role == "admin"))]


def has_admin(
    db: Database, organization_id: int, *, team: int | None = None, account: int | None = None
) -> bool:
    """Whether a user would be an admin of the organization without this team, this account, or (both
    given) without this account in this team."""
    query = (
        TeamMember.select(TeamMember.id)
        .join(Team, on=(Team.id == TeamMember.team))
        .join(Account, on=(Account.id == TeamMember.account))
        .where((Team.organization == organization_id) & (Team.role == "admin"))
        .where((Account.kind == "user") & LIVE_ACCOUNT)
    )
    if team is not None and account is not None:
        query = query.where((TeamMember.team != team) | (TeamMember.account != account))
    elif team is not None:
        query = query.where(TeamMember.team != team)
    elif account is not None:
        query = query.where(TeamMember.account != account)
    return db.one(query.limit(1)) is not None


def end_tokens(tx: Tx, accounts: Any) -> None:
    """Refuses every token that these accounts (ids, or a query of them) were given until now: what it
    says is no longer so."""
    tx.run(Account.update(auth_epoch=Account.auth_epoch + 1).where(Account.id.in_(accounts)))


def members_of(team_id: int) -> Any:
    """A query of the ids of a team's members."""
    return TeamMember.select(TeamMember.account).where(TeamMember.team == team_id)


def teams_of(organization_id: int) -> Any:
    """A query of the ids of an organization's teams."""
    return Team.select(Team.id).where(Team.organization == organization_id)


def granted(db: Database, where: Any) -> list[Granted]:
    """The permissions that `where` names, on repositories that have not been deleted."""
    rows = db.rows(
        Permission.select(Repository.name, Repository.visibility, Permission.role)
        .join(Repository, on=(Repository.id == Permission.repository))
        .where(where & Repository.deleted_ms.is_null())
        .order_by(Permission.id)
    )
    return [Granted(name, visibility == "public", role) for name, visibility, role in rows]


def _memberships(organization_id: int, account_id: int) -> Any:
    return (
        Team.select(Team.id)
        .join(TeamMember, on=(TeamMember.team == Team.id))
        .where((Team.organization == organization_id) & (TeamMember.account == account_id))
    )
