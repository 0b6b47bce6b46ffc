"""The roles that users, robots and teams were given on a repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Team, TeamMember
from quayframe.errors import (
    InsufficientScope,
    InvalidRequest,
    NameUnknown,
    NotFound,
    NotSignedIn,
    Refused,
)
from quayframe.oci import names
from quayframe.oci.names import RepositoryName

from .access import Access, RepositoryRow
from .activity import Activity
from .membership import PERSON, Person, TeamRow, end_tokens, find_person, find_team, members_of, person
from .principal import Principal

ROLES = ("read", "write", "admin")
NO_USER = "User does not have permission for repo."
NO_TEAM = "Team does not have permission for repo."
OWNER = "Namespace owner must always be admin."


@dataclass(frozen=True)
class Held:
    """A role that a user or robot holds. `is_member` is None in a user's own namespace; in an
    organization it is true for its robots and for who is in one of its teams."""

    person: Person
    role: str
    is_member: bool | None


@dataclass(frozen=True)
class TeamHeld:
    """A role that a team holds."""

    team: str
    role: str


class Permissions:
    """Every method takes the repository's row and raises InsufficientScope or NotSignedIn for who is no
    admin of it; who may read everything passes where nothing changes."""

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        check: Callable[[events.Event], None],
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._check = check

    # -- users and robots ---------------------------------------------------------------------

    def users(self, principal: Principal, repository: RepositoryRow) -> list[Held]:
        """All direct roles, in the order in which they were given."""
        self._may_read(principal, repository)
        rows = self._db.rows(
            Permission.select(Permission.role, *PERSON)
            .join(Account, on=(Account.id == Permission.account))
            .where((Permission.repository == repository.id) & Account.deleted_ms.is_null())
            .order_by(Permission.id)
        )
        members = self._members(repository)
        return [_held(repository, members, person(row[1:]), row[0]) for row in rows]

    def user(self, principal: Principal, repository: RepositoryRow, name: str) -> Held:
        """Raises Refused when there is no such user, or without a role."""
        self._may_read(principal, repository)
        found = self._person(name)
        role = None if found is None else self._role(repository, Permission.account == found.id)
        if found is None or role is None:
            raise Refused(NO_USER)
        return _held(repository, self._members(repository, found.id), found, role)

    def transitive(self, principal: Principal, repository: RepositoryRow, name: str) -> list[str]:
        """The roles that a user or robot holds directly and by teams. Raises NotFound."""
        self._may_read(principal, repository)
        found = self._person(name)
        if found is None:
            raise NotFound()
        mine = TeamMember.select(TeamMember.team).where(TeamMember.account == found.id)
        whose = (Permission.account == found.id) | Permission.team.in_(mine)
        where = (Permission.repository == repository.id) & whose
        query = Permission.select(Permission.role).where(where).order_by(Permission.id)
        return [str(role) for (role,) in self._db.rows(query)]

    def set_user(self, principal: Principal, repository: RepositoryRow, name: str, role: str) -> Held:
        """Gives a user or robot a role, in place of the one that it had; a lowered one ends its tokens.

        Raises InvalidRequest: an unknown one, a robot of another namespace, the namespace's owner."""
        self._may_write(principal, repository)
        found = self._person(name)
        if found is None:
            raise InvalidRequest(f"Invalid username: {_shown(name)}")
        if found.is_robot and found.owner_id != repository.namespace_id:
            raise InvalidRequest(f"Cannot add robot {name} under namespace {repository.namespace}")
        _not_owner(repository, found)
        event = events.ChangeRepoPermission(**principal.at(repository), username=name, role=_valid(role))
        self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, repository)
            if not tx.in_turn(_alive(found.id)):
                raise InvalidRequest(f"Invalid username: {_shown(name)}")
            if self._put(tx, repository, {"account": found.id}, role):
                end_tokens(tx, [found.id])
            self._record(tx, principal, repository, event)

        self._db.write(work)
        return _held(repository, self._members(repository, found.id), found, role)

    def remove_user(self, principal: Principal, repository: RepositoryRow, name: str) -> None:
        """Takes a role away and ends the account's tokens. Raises InvalidRequest where there is none."""
        self._may_write(principal, repository)
        found = self._person(name)
        if found is None:
            raise InvalidRequest(NO_USER)
        _not_owner(repository, found)
        event = events.DeleteRepoPermission(**principal.at(repository), username=name)
        self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, repository)
            where = (Permission.repository == repository.id) & (Permission.account == found.id)
            if not tx.run(Permission.delete().where(where)):
                raise InvalidRequest(NO_USER)
            end_tokens(tx, [found.id])
            self._record(tx, principal, repository, event)

        self._db.write(work)

    def grant(self, principal: Principal, name: RepositoryName, account: str, role: str | None) -> None:
        """Gives an account a role on a repository; None takes it away, where there is one.

        Raises NameUnknown, and as `set_user`."""
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            raise NameUnknown()
        if role is not None:
            self.set_user(principal, row, account, role)
            return
        self.remove_user(principal, row, account)

    # -- teams --------------------------------------------------------------------------------

    def teams(self, principal: Principal, repository: RepositoryRow) -> list[TeamHeld]:
        """All roles of teams, in the order in which they were given."""
        self._may_read(principal, repository)
        rows = self._db.rows(
            Permission.select(Team.name, Permission.role)
            .join(Team, on=(Team.id == Permission.team))
            .where(Permission.repository == repository.id)
            .order_by(Permission.id)
        )
        return [TeamHeld(*row) for row in rows]

    def team(self, principal: Principal, repository: RepositoryRow, name: str) -> TeamHeld:
        """Raises Refused when there is no such team, or without a role."""
        self._may_read(principal, repository)
        found = self._team(repository, name)
        role = None if found is None else self._role(repository, Permission.team == found.id)
        if role is None:
            raise Refused(NO_TEAM)
        return TeamHeld(name, role)

    def set_team(self, principal: Principal, repository: RepositoryRow, name: str, role: str) -> TeamHeld:
        """Gives a team of the namespace a role; a lowered one ends its members' tokens.

        Raises InvalidRequest for an unknown team."""
        self._may_write(principal, repository)
        unknown = InvalidRequest(f"No team {_shown(name)} in organization {repository.namespace}")
        found = self._team(repository, name)
        if found is None:
            raise unknown
        event = events.ChangeRepoPermission(**principal.at(repository), team=name, role=_valid(role))
        self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, repository)
            if not tx.in_turn(Team.select(Team.id).where(Team.id == found.id)):
                raise unknown
            if self._put(tx, repository, {"team": found.id}, role):
                end_tokens(tx, members_of(found.id))
            self._record(tx, principal, repository, event)

        self._db.write(work)
        return TeamHeld(name, role)

    def remove_team(self, principal: Principal, repository: RepositoryRow, name: str) -> None:
        """Takes a team's role away and ends its members' tokens. Raises InvalidRequest where there is
        none."""
        self._may_write(principal, repository)
        found = self._team(repository, name)
        if found is None:
            raise InvalidRequest(NO_TEAM)
        event = events.DeleteRepoPermission(**principal.at(repository), team=name)
        self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, repository)
            where = (Permission.repository == repository.id) & (Permission.team == found.id)
            if not tx.run(Permission.delete().where(where)):
                raise InvalidRequest(NO_TEAM)
            end_tokens(tx, members_of(found.id))
            self._record(tx, principal, repository, event)

        self._db.write(work)

    # -- inside -------------------------------------------------------------------------------

    def _put(self, tx: Tx, repository: RepositoryRow, whose: dict[str, int], role: str) -> bool:
        """Writes a role and tells whether it is lower than the one before. The namespace is held, so
        nobody else writes the same one now."""
        ((kind, ident),) = whose.items()
        where = (Permission.repository == repository.id) & (getattr(Permission, kind) == ident)
        old = tx.value(Permission.select(Permission.role).where(where))
        if old is None:
            tx.insert(Permission, repository=repository.id, role=role, **whose)
            return False
        tx.run(Permission.update(role=role).where(where))
        return ROLES.index(role) < ROLES.index(old)

    def _hold(self, tx: Tx, principal: Principal, repository: RepositoryRow) -> None:
        """Changes of a namespace's people and of what they were given happen one after the other, each by
        who may do it then: no team or robot is given a role while it is taken away."""
        tx.in_turn(Account.select(Account.id).where(Account.id == repository.namespace_id))
        self._may_write(principal, repository)

    def _role(self, repository: RepositoryRow, whose: Any) -> str | None:
        where = (Permission.repository == repository.id) & whose
        found = self._db.value(Permission.select(Permission.role).where(where))
        return None if found is None else str(found)

    def _members(self, repository: RepositoryRow, account: int | None = None) -> frozenset[int] | None:
        """Ids of who is in a team of the namespace (this account alone, where it is given); None in a
        user's own."""
        kind = self._db.value(Account.select(Account.kind).where(Account.id == repository.namespace_id))
        if kind != "organization":
            return None
        query = (
            TeamMember.select(TeamMember.account)
            .join(Team, on=(Team.id == TeamMember.team))
            .where(Team.organization == repository.namespace_id)
        )
        if account is not None:
            query = query.where(TeamMember.account == account)
        return frozenset(i for (i,) in self._db.rows(query))

    def _person(self, name: str) -> Person | None:
        namespace, plus, short = name.partition("+")
        possible = names.is_namespace(namespace) and (not plus or names.is_namespace(short))
        return find_person(self._db, name) if possible else None

    def _team(self, repository: RepositoryRow, name: str) -> TeamRow | None:
        return find_team(self._db, repository.namespace_id, name) if names.is_namespace(name) else None

    def _may_read(self, principal: Principal, repository: RepositoryRow) -> None:
        if not principal.reads("repo:admin"):
            self._may_write(principal, repository)

    def _may_write(self, principal: Principal, repository: RepositoryRow) -> None:
        if not self._access.may_admin(principal, repository):
            raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()

    def _record(self, tx: Tx, principal: Principal, repository: RepositoryRow, event: events.Event) -> None:
        self._activity.record(
            tx,
            event,
            namespace_id=repository.namespace_id,
            repository_id=repository.id,
            performer_id=principal.account_id,
        )


def _held(repository: RepositoryRow, members: frozenset[int] | None, who: Person, role: str) -> Held:
    is_member = None
    if members is not None:
        is_member = who.id in members or who.owner_id == repository.namespace_id
    return Held(who, role, is_member)


def _not_owner(repository: RepositoryRow, who: Person) -> None:
    if who.id == repository.namespace_id:
        raise InvalidRequest(OWNER)


def _valid(role: str) -> str:
    if role not in ROLES:
        raise InvalidRequest("a role is read, write or admin")
    return role


def _alive(account_id: int) -> Any:
    return Account.select(Account.id).where((Account.id == account_id) & Account.deleted_ms.is_null())


def _shown(name: str) -> str:
    return name if len(name) <= names.MAXIMUM_LENGTH else f"{name[: names.MAXIMUM_LENGTH]}..."
