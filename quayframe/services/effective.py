"""Who can do what on a repository, and by which grant: the answer of `Access`, with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from quayframe.data.db import Database
from quayframe.data.tables import Account, Permission, Team, TeamMember
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn
from quayframe.oci import names

from .access import Access, RepositoryRow
from .accounts import ACCOUNT, Accounts, account_of
from .accounts import Account as Who
from .principal import Principal

OWN = "own_namespace"
DIRECT = "direct"
TEAM = "team"
ADMIN_TEAM = "admin_team"
PUBLIC = "public"
SUPERUSER = "superuser"
READONLY_SUPERUSER = "global_readonly_superuser"

_RANK = {"read": 1, "write": 2, "admin": 3}
_OWNER = Account.alias("owner")
_CHUNK = 500


@dataclass(frozen=True)
class Grant:
    """Why somebody has a role (read, write, admin). `via` is one of the names above; `team` is the
    team's name where it is team or admin_team."""

    via: str
    role: str
    team: str | None = None


@dataclass(frozen=True)
class Entry:
    """What one user or robot can do here.

    `role` is the strongest that `grants` give; None without any, and for who cannot act at all: disabled,
    or a robot whose owner is, or that the operator keeps out (`enabled` is then false). `can_pull` and
    `can_push` are about the registry protocol, which serves nothing of a disabled namespace."""

    entity: str
    kind: str
    enabled: bool
    role: str | None
    grants: tuple[Grant, ...]
    can_pull: bool
    can_push: bool
    can_admin: bool


class Effective:
    """Every grant of every account on one repository, in a number of queries that does not depend on how
    many accounts there are.

    :param robot_allowed: whether the operator lets the robot of this name log in."""

    def __init__(
        self, db: Database, accounts: Accounts, access: Access, robot_allowed: Callable[[str], bool]
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._access = access
        self._robot_allowed = robot_allowed

    def of(self, principal: Principal, repository: RepositoryRow, name: str) -> Entry:
        """What the user or robot of this name can do. Raises NotFound, InsufficientScope."""
        self._may_read(principal, repository)
        found = self._people([name], Account.name) if _possible(name) else []
        if not found:
            raise NotFound(f"there is no user or robot {name[: names.MAXIMUM_LENGTH]}")
        who, enabled = found[0]
        return self._entry(repository, who, enabled, self._grants(repository, [who]).get(who.id, []))

    def everybody(self, principal: Principal, repository: RepositoryRow) -> list[Entry]:
        """All who hold something of their own here, by name: owner, users, robots, members of teams,
        superusers. A public repository's readers are everybody, and not listed. Raises InsufficientScope."""
        self._may_read(principal, repository)
        ids = {repository.namespace_id, *self._granted_ids(repository)}
        people = self._people(sorted(ids), Account.id)
        special = sorted(self._accounts.superusers | self._accounts.readonly_superusers)
        people += [found for found in self._people(special, Account.name) if found[0].id not in ids]
        grants = self._grants(repository, [who for who, _ in people])
        entries = [self._entry(repository, who, able, grants.get(who.id, [])) for who, able in people]
        own = [e for e in entries if any(grant.via != PUBLIC for grant in e.grants)]
        return sorted(own, key=lambda entry: entry.entity)

    def _entry(self, repository: RepositoryRow, who: Who, enabled: bool, grants: list[Grant]) -> Entry:
        role = max((g.role for g in grants), key=_RANK.__getitem__, default=None) if enabled else None
        served = role is not None and repository.kind == "image" and self._is_enabled(repository)
        return Entry(
            who.name,
            who.kind,
            enabled,
            role,
            tuple(grants),
            can_pull=served,
            can_push=served and repository.state == "NORMAL" and role in ("write", "admin"),
            can_admin=role == "admin",
        )

    # -- grants -------------------------------------------------------------------------------

    def _grants(self, repository: RepositoryRow, people: list[Who]) -> dict[int, list[Grant]]:
        found: dict[int, list[Grant]] = {who.id: self._standing(repository, who) for who in people}
        alone = next(iter(found)) if len(found) == 1 else None
        for account, via, role, team in self._given(repository, alone):
            if account in found:
                found[account].append(Grant(via, role, team))
        if repository.visibility == "public":
            for grants in found.values():
                grants.append(Grant(PUBLIC, "read"))
        return found

    def _standing(self, repository: RepositoryRow, who: Who) -> list[Grant]:
        """What somebody has by being who it is."""
        grants = []
        principal = self._accounts.principal(who)
        if who.id == repository.namespace_id:
            grants.append(Grant(OWN, self._access.own_role(principal)))
        if self._access.acts_everywhere(principal):
            grants.append(Grant(SUPERUSER, "admin"))
        if principal.readonly_superuser:
            grants.append(Grant(READONLY_SUPERUSER, "read"))
        return grants

    def _given(
        self, repository: RepositoryRow, account: int | None
    ) -> Iterable[tuple[int, str, str, str | None]]:
        """(account id, via, role, team) of each direct and team grant, and of the organization's admins;
        of one account where it is given."""
        direct = Permission.select(Permission.account, Permission.role).where(
            (Permission.repository == repository.id) & Permission.account.is_null(False)
        )
        by_team = (
            TeamMember.select(TeamMember.account, Permission.role, Team.name)
            .join(Team, on=(Team.id == TeamMember.team))
            .join(Permission, on=(Permission.team == Team.id))
            .where(Permission.repository == repository.id)
            .order_by(Team.id)
        )
        admins = (
            TeamMember.select(TeamMember.account, Team.name)
            .join(Team, on=(Team.id == TeamMember.team))
            .where((Team.organization == repository.namespace_id) & (Team.role == "admin"))
            .order_by(Team.id)
        )
        if account is not None:
            direct = direct.where(Permission.account == account)
            by_team = by_team.where(TeamMember.account == account)
            admins = admins.where(TeamMember.account == account)
        for ident, role in self._db.rows(direct):
            yield ident, DIRECT, role, None
        for ident, role, team in self._db.rows(by_team):
            yield ident, TEAM, role, team
        for ident, team in self._db.rows(admins):
            yield ident, ADMIN_TEAM, "admin", team

    def _granted_ids(self, repository: RepositoryRow) -> set[int]:
        return {account for account, *_ in self._given(repository, None)}

    # -- people -------------------------------------------------------------------------------

    def _people(self, keys: list[Any], column: Any) -> list[tuple[Who, bool]]:
        """The users and robots with these ids or names, each with whether it can act at all."""
        found = []
        for start in range(0, len(keys), _CHUNK):
            rows = self._db.rows(
                Account.select(_OWNER.enabled, _OWNER.deleted_ms, *ACCOUNT)
                .left_outer_join(_OWNER, on=(_OWNER.id == Account.owner))
                .where(column.in_(keys[start : start + _CHUNK]))
                .where(Account.kind.in_(("user", "robot")) & Account.deleted_ms.is_null())
            )
            for owner_enabled, owner_deleted, *row in rows:
                who = account_of(tuple(row))
                able = who.enabled
                if who.kind == "robot":
                    able &= bool(owner_enabled) and owner_deleted is None and self._robot_allowed(who.name)
                found.append((who, able))
        return found

    def _is_enabled(self, repository: RepositoryRow) -> bool:
        found = self._access.namespace(repository.namespace)
        return found is not None and found.enabled

    def _may_read(self, principal: Principal, repository: RepositoryRow) -> None:
        if not principal.reads("repo:admin") and not self._access.may_admin(principal, repository):
            raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()


def _possible(name: str) -> bool:
    namespace, plus, short = name.partition("+")
    return names.is_namespace(namespace) and (not plus or names.is_namespace(short))
