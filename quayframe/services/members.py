"""Who is in an organization, and who works with it from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember
from quayframe.data.tenancy import TeamInvite
from quayframe.errors import NotFound, Refused

from .access import Access
from .activity import Activity
from .membership import (
    LIVE_ACCOUNT,
    PERSON,
    Person,
    administered,
    end_tokens,
    find_person,
    has_admin,
    is_member,
    person,
    take_turn,
    teams_of,
)
from .principal import Principal


@dataclass(frozen=True)
class Member:
    """Somebody in an organization: the names of the teams, and of the repositories with a direct grant."""

    person: Person
    teams: tuple[str, ...]
    repositories: tuple[str, ...]


class Members:
    def __init__(self, db: Database, access: Access, activity: Activity) -> None:
        self._db = db
        self._access = access
        self._activity = activity

    def all(self, principal: Principal, name: str) -> list[Member]:
        """The users in its teams, in the order of joining. Raises NotSignedIn, InsufficientScope."""
        namespace = administered(self._access, principal, name, reading=True)
        return self._found(namespace.id, Account.kind == "user")

    def get(self, principal: Principal, name: str, who: str) -> Member:
        """A user or robot in its teams. Raises NotFound, NotSignedIn, InsufficientScope."""
        namespace = administered(self._access, principal, name, reading=True)
        found = self._found(namespace.id, Account.name == who)
        if not found:
            raise NotFound("Not Found")
        return found[0]

    def _found(self, organization_id: int, who: Any) -> list[Member]:
        rows = self._db.rows(
            TeamMember.select(Team.name, *PERSON)
            .join(Team, on=(Team.id == TeamMember.team))
            .join(Account, on=(Account.id == TeamMember.account))
            .where((Team.organization == organization_id) & LIVE_ACCOUNT & who)
            .order_by(TeamMember.id)
        )
        people: dict[int, Person] = {}
        teams: dict[int, list[str]] = {}
        for team, *columns in rows:
            found = person(tuple(columns))
            people[found.id] = found
            teams.setdefault(found.id, []).append(team)
        grants = self._grants(organization_id, who) if people else {}
        return [
            Member(found, tuple(teams[i]), tuple(name for _, name in grants.get(i, ())))
            for i, found in people.items()
        ]

    def _grants(self, organization_id: int, who: Any) -> dict[int, list[tuple[Person, str]]]:
        """By account: itself and each repository here on which it has a direct permission."""
        rows = self._db.rows(
            Permission.select(Repository.name, *PERSON)
            .join(Repository, on=(Repository.id == Permission.repository))
            .join(Account, on=(Account.id == Permission.account))
            .where((Repository.namespace == organization_id) & Repository.deleted_ms.is_null())
            .where(LIVE_ACCOUNT & who)
            .order_by(Permission.id)
        )
        found: dict[int, list[tuple[Person, str]]] = {}
        for repository, *columns in rows:
            found.setdefault(columns[0], []).append((person(tuple(columns)), repository))
        return found

    def collaborators(self, principal: Principal, name: str) -> list[Member]:
        """Users with a direct permission here who are in no team. Raises NotSignedIn, InsufficientScope."""
        namespace = administered(self._access, principal, name, reading=True)
        inside = TeamMember.select(TeamMember.account).where(TeamMember.team.in_(teams_of(namespace.id)))
        outside = self._grants(namespace.id, (Account.kind == "user") & Account.id.not_in(inside))
        return [Member(g[0][0], (), tuple(repository for _, repository in g)) for g in outside.values()]

    def remove(self, principal: Principal, name: str, who: str) -> None:
        """Takes a user's memberships, invitations and direct permissions here; its tokens end.

        Raises NotFound for who is no user or has nothing here, Refused for the only admin,
        NotSignedIn, InsufficientScope."""

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, name)
            found = find_person(self._db, who)
            if found is None or found.is_robot:
                raise NotFound("Not Found")
            here = namespace.id
            inside = is_member(self._db, here, found.id)
            if inside and has_admin(self._db, here) and not has_admin(self._db, here, account=found.id):
                raise Refused(f"{who} is the only admin of organization '{name}'")
            teams, left = teams_of(here), self._in(here, found.id)
            mine = TeamMember.account == found.id
            tx.run(TeamMember.delete().where(mine & TeamMember.team.in_(teams)))
            invited = tx.run(
                TeamInvite.delete().where((TeamInvite.account == found.id) & TeamInvite.team.in_(teams))
            )
            repositories = Repository.select(Repository.id).where(Repository.namespace == here)
            granted = (Permission.account == found.id) & Permission.repository.in_(repositories)
            lost = tx.run(Permission.delete().where(granted))
            if not inside and not invited and not lost:
                raise NotFound("Not Found")
            end_tokens(tx, [found.id])
            for team in left:
                event = events.OrgRemoveTeamMember(
                    namespace=name, performer=principal.performer, ip=principal.ip, member=who, team=team
                )
                self._activity.record(tx, event, namespace_id=here, performer_id=principal.account_id)

        administered(self._access, principal, name)
        self._db.write(work)

    def _in(self, organization_id: int, account_id: int) -> list[str]:
        """The names of the account's teams."""
        rows = self._db.rows(
            Team.select(Team.name)
            .join(TeamMember, on=(TeamMember.team == Team.id))
            .where((Team.organization == organization_id) & (TeamMember.account == account_id))
            .order_by(TeamMember.id)
        )
        return [name for (name,) in rows]
