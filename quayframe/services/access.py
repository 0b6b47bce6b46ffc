"""What a principal may do to a repository or in a namespace (the roles of permissions.md, section 2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember

from .principal import Principal

_RANK = {"read": 1, "write": 2, "admin": 3}
_TEAM_RANK = {"member": 1, "creator": 2, "admin": 3}
_REPOSITORY_SCOPES = {"repo:read": "read", "repo:write": "write", "repo:admin": "admin"}
_TEAM_SCOPES = {"repo:create": "creator", "org:admin": "admin"}
EVERY: Any = peewee.SQL("1 = 1")
NONE: Any = peewee.SQL("1 = 0")


@dataclass(frozen=True)
class RepositoryRow:
    """What decisions about a repository need to know of it."""

    id: int
    uuid: str
    namespace_id: int
    namespace: str
    name: str
    visibility: str
    state: str
    kind: str

    @property
    def full(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class NamespaceRow:
    id: int
    name: str
    kind: str
    enabled: bool


class Access:
    """Roles, read from the database at each question: nothing is cached, so nothing is stale."""

    def __init__(
        self,
        db: Database,
        *,
        anonymous: bool = True,
        superusers_full: bool = False,
        restricted: Collection[str] | None = None,
    ) -> None:
        """:param restricted: None when FEATURE_RESTRICTED_USERS is off, else its whitelist."""
        self._db = db
        self._anonymous = anonymous
        self._superusers_full = superusers_full
        self._free = None if restricted is None else frozenset(restricted)

    def namespace(self, name: str) -> NamespaceRow | None:
        row = self._db.one(
            Account.select(Account.id, Account.name, Account.kind, Account.enabled).where(
                (Account.name == name) & (Account.kind != "robot") & Account.deleted_ms.is_null()
            )
        )
        return NamespaceRow(row[0], row[1], row[2], bool(row[3])) if row else None

    def repository(self, namespace: str, name: str) -> RepositoryRow | None:
        row = self._db.one(
            Repository.select(
                Repository.id, Repository.uuid, Repository.namespace, Account.name, Repository.name,
                Repository.visibility, Repository.state, Repository.kind,
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .where((Account.name == namespace) & (Repository.name == name) & Repository.deleted_ms.is_null())
        )  # fmt: skip
        return RepositoryRow(*row) if row else None

    def role(self, principal: Principal, repository: RepositoryRow) -> str | None:
        """The strongest role: read, write, admin or None, within the scopes. Public visibility is not
        a role."""
        return _capped(self._role(principal, repository), principal.scopes, _REPOSITORY_SCOPES, _RANK)

    def _role(self, principal: Principal, repository: RepositoryRow) -> str | None:
        if principal.grant is not None:
            return principal.grant[1] if principal.grant[0] == repository.id else None
        if principal.account_id is None:
            return "admin" if principal.kind == "system" else None
        if principal.superuser and self._superusers_full:
            return "admin"
        if repository.namespace_id == principal.account_id:
            return self.own_role(principal)
        if self._team_role(principal, repository.namespace_id) == "admin":
            return "admin"
        direct = self._db.rows(
            Permission.select(Permission.role).where(
                (Permission.repository == repository.id) & (Permission.account == principal.account_id)
            )
        )
        by_team = self._db.rows(
            Permission.select(Permission.role)
            .join(TeamMember, on=(TeamMember.team == Permission.team))
            .where((Permission.repository == repository.id) & (TeamMember.account == principal.account_id))
        )
        roles = [str(role) for (role,) in direct + by_team]
        if principal.readonly_superuser:
            roles.append("read")
        return max(roles, key=_RANK.__getitem__, default=None)

    def own_role(self, principal: Principal) -> str:
        """The role on the repositories of one's own namespace: a restricted user only reads what there
        is."""
        return "read" if self.is_restricted(principal) else "admin"

    def may_pull(self, principal: Principal, repository: RepositoryRow) -> bool:
        return self.is_public(repository, principal) or self.role(principal, repository) is not None

    def is_public(self, repository: RepositoryRow, principal: Principal) -> bool:
        """Whether it is read by this principal as by everybody."""
        return repository.visibility == "public" and self.sees_public(principal)

    def sees_public(self, principal: Principal) -> bool:
        """Public is for all, and without FEATURE_ANONYMOUS_ACCESS for all who say who they are."""
        return self._anonymous or principal.kind != "anonymous"

    def may_push(self, principal: Principal, repository: RepositoryRow) -> bool:
        return repository.state == "NORMAL" and self.role(principal, repository) in ("write", "admin")

    def may_admin(self, principal: Principal, repository: RepositoryRow) -> bool:
        return self.role(principal, repository) == "admin"

    def team_role(self, principal: Principal, namespace: NamespaceRow) -> str | None:
        """The strongest role in an organization (member, creator, admin) or in one's own namespace
        (admin), within the scopes; None for somebody from outside."""
        if principal.account_id is None:
            return "admin" if principal.kind == "system" else None
        if self.acts_everywhere(principal) or namespace.id == principal.account_id:
            found: str | None = "admin"
        else:
            found = self._team_role(principal, namespace.id)
        return _capped(found, principal.scopes, _TEAM_SCOPES, _TEAM_RANK)

    def team_role_among(
        self, principal: Principal, namespace: NamespaceRow, roles: Collection[str]
    ) -> str | None:
        """As `team_role`, where the roles of the principal's teams are at hand."""
        if self.acts_everywhere(principal) or namespace.id == principal.account_id:
            found: str | None = "admin"
        else:
            found = max(roles, key=_TEAM_RANK.__getitem__, default=None)
        return _capped(found, principal.scopes, _TEAM_SCOPES, _TEAM_RANK)

    def in_team(self, principal: Principal, namespace: NamespaceRow, team: str) -> bool:
        """Whether the principal is a member of this team, and its scopes let it be one."""
        if self.team_role(principal, namespace) is None:
            return False
        query = (
            TeamMember.select(TeamMember.id)
            .join(Team, on=(Team.id == TeamMember.team))
            .where((Team.organization == namespace.id) & (Team.name == team))
            .where(TeamMember.account == principal.account_id)
        )
        return self._db.one(query) is not None

    def acts_everywhere(self, principal: Principal) -> bool:
        """A superuser with FEATURE_SUPERUSERS_FULL_ACCESS."""
        return principal.superuser and self._superusers_full

    def may_create_in(self, principal: Principal, namespace: NamespaceRow) -> bool:
        """May make repositories here: in one's own namespace, or as creator or admin of it."""
        if namespace.id == principal.account_id and self.is_restricted(principal):
            return False
        return self.team_role(principal, namespace) in ("creator", "admin")

    def may_admin_namespace(self, principal: Principal, namespace: NamespaceRow) -> bool:
        """Is admin of the organization, or it is the principal's own account."""
        if namespace.id == principal.account_id:
            return principal.may("user:admin")
        return self.team_role(principal, namespace) == "admin"

    def may_read_namespace(self, principal: Principal, namespace: NamespaceRow) -> bool:
        """May see what only admins see: they, and those who may read everything."""
        return principal.reads("org:admin") or self.may_admin_namespace(principal, namespace)

    def may_create_organization(self, principal: Principal) -> bool:
        return principal.kind == "user" and not self.is_restricted(principal)

    def listed(self, principal: Principal, *, public: bool, namespace_id: int | None = None) -> Any:
        """The condition on Repository by which this principal may see names in lists.

        :param public: whether public repositories of others are among them.
        :param namespace_id: only those of this namespace are asked for."""
        scoped = principal.scopes is None or not principal.scopes.isdisjoint(_REPOSITORY_SCOPES)
        if scoped and (
            principal.kind == "system" or self.acts_everywhere(principal) or principal.readonly_superuser
        ):
            return EVERY
        if scoped and namespace_id is not None and self._owns(principal, namespace_id):
            # Where all are the principal's, the database need not look at each.
            return EVERY
        found: Any = NONE
        if public and self.sees_public(principal):
            found = Repository.visibility == "public"
        if principal.grant is not None:
            found |= Repository.id == principal.grant[0]
        if principal.account_id is None or not scoped:
            return found
        mine = TeamMember.select(TeamMember.team).where(TeamMember.account == principal.account_id)
        admin = Team.select(Team.organization).where((Team.role == "admin") & Team.id.in_(mine))
        granted = Permission.select(Permission.repository).where(
            (Permission.account == principal.account_id) | Permission.team.in_(mine)
        )
        return (
            found
            | (Repository.namespace == principal.account_id)
            | Repository.namespace.in_(admin)
            | Repository.id.in_(granted)
        )

    def is_restricted(self, principal: Principal) -> bool:
        """May not make organizations, nor write in the own namespace (FEATURE_RESTRICTED_USERS)."""
        return self._free is not None and principal.name not in self._free and not principal.superuser

    def _owns(self, principal: Principal, namespace_id: int) -> bool:
        if principal.account_id is None:
            return False
        return namespace_id == principal.account_id or self._team_role(principal, namespace_id) == "admin"

    def _team_role(self, principal: Principal, namespace_id: int) -> str | None:
        rows = self._db.rows(
            Team.select(Team.role)
            .join(TeamMember, on=(TeamMember.team == Team.id))
            .where((Team.organization == namespace_id) & (TeamMember.account == principal.account_id))
        )
        return max((str(role) for (role,) in rows), key=_TEAM_RANK.__getitem__, default=None)


def _capped(
    role: str | None, scopes: frozenset[str] | None, by_scope: dict[str, str], rank: dict[str, int]
) -> str | None:
    """The weaker of a role and the strongest that the scopes allow."""
    if role is None or scopes is None:
        return role
    most = max((by_scope[s] for s in scopes if s in by_scope), key=rank.__getitem__, default=None)
    return None if most is None else min(role, most, key=rank.__getitem__)
