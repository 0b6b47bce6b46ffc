"""What a principal may do to a repository or in a namespace (the roles of permissions.md, section 2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from quayframe.data.db import Database
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember

from .principal import Principal

_RANK = {"read": 1, "write": 2, "admin": 3}


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
        readonly_superusers: Collection[str] = (),
        restricted: Collection[str] | None = None,
    ) -> None:
        """:param restricted: None when FEATURE_RESTRICTED_USERS is off, else its whitelist."""
        self._db = db
        self._anonymous = anonymous
        self._superusers_full = superusers_full
        self._readonly = frozenset(readonly_superusers)
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
        """The strongest role: read, write, admin or None. Public visibility is not a role."""
        if principal.account_id is None:
            return "admin" if principal.kind == "system" else None
        if principal.superuser and self._superusers_full:
            return "admin"
        if repository.namespace_id == principal.account_id:
            return "admin"
        if self._admin_team(principal, repository.namespace_id):
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
        if principal.name in self._readonly:
            roles.append("read")
        return max(roles, key=_RANK.__getitem__, default=None)

    def may_pull(self, principal: Principal, repository: RepositoryRow) -> bool:
        return self.is_public(repository) or self.role(principal, repository) is not None

    def is_public(self, repository: RepositoryRow) -> bool:
        return repository.visibility == "public" and self._anonymous

    def may_push(self, principal: Principal, repository: RepositoryRow) -> bool:
        return repository.state == "NORMAL" and self.role(principal, repository) in ("write", "admin")

    def may_admin(self, principal: Principal, repository: RepositoryRow) -> bool:
        return self.role(principal, repository) == "admin"

    def may_create_in(self, principal: Principal, namespace: NamespaceRow) -> bool:
        """May make repositories here: in one's own namespace, or as creator or admin of it."""
        if principal.account_id is None:
            return principal.kind == "system"
        if principal.superuser and self._superusers_full:
            return True
        if namespace.id == principal.account_id:
            return not self._is_restricted(principal)
        return self._team_role(principal, namespace.id, ("creator", "admin"))

    def may_admin_namespace(self, principal: Principal, namespace: NamespaceRow) -> bool:
        if principal.account_id is None:
            return principal.kind == "system"
        if principal.superuser and self._superusers_full:
            return True
        return namespace.id == principal.account_id or self._admin_team(principal, namespace.id)

    def may_create_organization(self, principal: Principal) -> bool:
        return principal.kind == "user" and not self._is_restricted(principal)

    def visible(self, principal: Principal, *, public: bool) -> set[int] | None:
        """Ids of the repositories whose names this principal may list; None = all."""
        if principal.kind == "system" or (principal.superuser and self._superusers_full):
            return None
        if principal.name in self._readonly:
            return None
        found: set[int] = set()
        if public and self._anonymous:
            found.update(
                i
                for (i,) in self._db.rows(
                    Repository.select(Repository.id).where(Repository.visibility == "public")
                )
            )
        if principal.account_id is None:
            return found
        mine = TeamMember.select(TeamMember.team).where(TeamMember.account == principal.account_id)
        admin = Team.select(Team.organization).where((Team.role == "admin") & Team.id.in_(mine))
        owned = Repository.select(Repository.id).where(
            (Repository.namespace == principal.account_id) | Repository.namespace.in_(admin)
        )
        granted = Permission.select(Permission.repository).where(
            (Permission.account == principal.account_id) | Permission.team.in_(mine)
        )
        for query in (owned, granted):
            found.update(i for (i,) in self._db.rows(query))
        return found

    def _is_restricted(self, principal: Principal) -> bool:
        return self._free is not None and principal.name not in self._free and not principal.superuser

    def _admin_team(self, principal: Principal, namespace_id: int) -> bool:
        return self._team_role(principal, namespace_id, ("admin",))

    def _team_role(self, principal: Principal, namespace_id: int, roles: tuple[str, ...]) -> bool:
        query = (
            Team.select(Team.id)
            .join(TeamMember, on=(TeamMember.team == Team.id))
            .where((Team.organization == namespace_id) & (TeamMember.account == principal.account_id))
            .where(Team.role.in_(roles))
            .limit(1)
        )
        return self._db.one(query) is not None
