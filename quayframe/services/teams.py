"""Teams of organizations: their roles, their members, what they may do."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Team, TeamMember
from quayframe.data.tenancy import Prototype, TeamInvite
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, Refused
from quayframe.oci import names

from .access import Access, NamespaceRow
from .activity import Activity
from .invites import Invites, Pending
from .membership import (
    LIVE_ACCOUNT,
    PERSON,
    Granted,
    Person,
    TeamRow,
    admin_teams,
    administered,
    end_tokens,
    find_person,
    find_team,
    get_team,
    granted,
    has_admin,
    is_member,
    members_of,
    organization,
    person,
    take_turn,
)
from .principal import Principal

LONGEST_DESCRIPTION = 25_000
"""Characters: an organization's page has those of all its teams."""
_RANK = {"member": 1, "creator": 2, "admin": 3}


@dataclass(frozen=True)
class TeamMembers:
    """A team's members in the order of joining; `pending` is empty unless it was asked for.

    `can_edit`: the one who asks may change them."""

    team: TeamRow
    people: tuple[Person, ...]
    pending: tuple[Pending, ...]
    can_edit: bool


class Teams:
    """Every change holds the organization's row: see `take_turn`."""

    def __init__(self, db: Database, access: Access, activity: Activity, invites: Invites) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._invites = invites

    # -- reading ------------------------------------------------------------------------------

    def members(self, principal: Principal, org: str, name: str, *, pending: bool = False) -> TeamMembers:
        """For the organization's admins and the team's own members; only admins see who is invited.

        Raises NotFound, InsufficientScope, NotSignedIn."""
        team, admin, reads = self._viewed(principal, org, name)
        rows = self._db.rows(
            Account.select(*PERSON)
            .join(TeamMember, on=(TeamMember.account == Account.id))
            .where((TeamMember.team == team.id) & LIVE_ACCOUNT)
            .order_by(TeamMember.id)
        )
        invited = self._invites.pending(team.id) if pending and reads else ()
        return TeamMembers(team, tuple(person(row) for row in rows), invited, admin)

    def permissions(self, principal: Principal, org: str, name: str) -> list[Granted]:
        """What the team was given. Raises NotFound, InsufficientScope."""
        namespace = administered(self._access, principal, org, reading=True)
        team = get_team(self._db, namespace.id, name)
        return granted(self._db, Permission.team == team.id)

    def _viewed(self, principal: Principal, org: str, name: str) -> tuple[TeamRow, bool, bool]:
        """(team, whether an admin asks, whether one asks who sees what admins see)."""
        namespace = organization(self._access, org)
        if namespace is None or principal.account_id is None:
            administered(self._access, principal, org, reading=True)
        assert namespace is not None
        admin = self._access.may_admin_namespace(principal, namespace)
        reads = admin or self._access.may_read_namespace(principal, namespace)
        if not reads and not self._access.in_team(principal, namespace, name):
            raise InsufficientScope()
        return get_team(self._db, namespace.id, name), admin, reads

    # -- the team itself ----------------------------------------------------------------------

    def put(
        self, principal: Principal, org: str, name: str, role: str, description: str | None = None
    ) -> tuple[TeamRow, bool]:
        """Makes a team or changes it: (the team as it now is, whether it is new).

        :param role: member, creator or admin. A lowered one ends its members' tokens.
        :param description: None leaves it as it is.
        Raises InsufficientScope, Refused for a bad name and where no admin would remain.
        """
        administered(self._access, principal, org)
        if role not in _RANK:
            raise InvalidRequest(f"{role!r} is not one of {list(_RANK)}")
        if description is not None and len(description) > LONGEST_DESCRIPTION:
            raise InvalidRequest(f"a description has at most {LONGEST_DESCRIPTION} characters")
        fault = names.namespace_fault(name)
        if fault is not None:
            rule = fault.replace("Namespace must be between", "Team must be between")
            raise Refused(f"Invalid team name {_shown(name)}: {rule}")

        def work(tx: Tx) -> tuple[TeamRow, bool]:
            namespace = take_turn(tx, self._access, principal, org)
            found = find_team(self._db, namespace.id, name)
            if found is not None:
                return self._change(tx, principal, namespace, found, role, description), False
            row = {"name": name, "role": role, "description": description or ""}
            made = tx.insert(Team, uuid=str(uuid.uuid4()), organization=namespace.id, **row)
            event = events.OrgCreateTeam(**principal.by(org), team=name)
            self._record(tx, principal, namespace, event)
            return TeamRow(made, name, role, description or ""), True

        return self._db.write(work)

    def _change(
        self,
        tx: Tx,
        principal: Principal,
        namespace: NamespaceRow,
        team: TeamRow,
        role: str,
        description: str | None,
    ) -> TeamRow:
        by = principal.by(namespace.name)
        if role != team.role:
            if team.role == "admin":
                self._keep_admin(
                    principal,
                    namespace,
                    team,
                    f"Cannot remove admin from team '{team.name}' because calling user would no longer have"
                    f" admin on org '{namespace.name}'",
                )
            tx.run(Team.update(role=role).where(Team.id == team.id))
            if _RANK[role] < _RANK[team.role]:
                end_tokens(tx, members_of(team.id))
            event = events.OrgSetTeamRole(**by, team=team.name, role=role)
            self._record(tx, principal, namespace, event)
        if description is not None and description != team.description:
            tx.run(Team.update(description=description).where(Team.id == team.id))
            told = events.OrgSetTeamDescription(**by, team=team.name, description=description)
            self._record(tx, principal, namespace, told)
        return replace(team, role=role, description=_or(description, team.description))

    def delete(self, principal: Principal, org: str, name: str) -> None:
        """Takes away a team with its memberships, invitations and permissions; its members' tokens end.

        Raises InsufficientScope, Refused for an unknown team and where no admin would remain."""

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, org)
            team = find_team(self._db, namespace.id, name)
            if team is None:
                raise Refused(f"Team '{_shown(name)}' is not a team in org '{org}'")
            if team.role == "admin":
                self._keep_admin(
                    principal,
                    namespace,
                    team,
                    f"Deleting team '{name}' would remove admin ability for user '{principal.name}'"
                    f" in organization '{org}'",
                )
            end_tokens(tx, members_of(team.id))
            tx.run(TeamInvite.delete().where(TeamInvite.team == team.id))
            tx.run(Prototype.delete().where(Prototype.delegate_team == team.id))
            tx.run(Permission.delete().where(Permission.team == team.id))
            tx.run(TeamMember.delete().where(TeamMember.team == team.id))
            tx.run(Team.delete().where(Team.id == team.id))
            self._record(tx, principal, namespace, events.OrgDeleteTeam(**principal.by(org), team=name))

        administered(self._access, principal, org)
        self._db.write(work)

    def _keep_admin(self, principal: Principal, namespace: NamespaceRow, team: TeamRow, text: str) -> None:
        """Refuses what would take the admin role from the one who acts, or from the last who has it."""
        acting = principal.account_id
        if acting is not None and admin_teams(self._db, namespace.id, acting) == [team.id]:
            raise Refused(text)
        if has_admin(self._db, namespace.id) and not has_admin(self._db, namespace.id, team=team.id):
            raise Refused(f"Organization '{namespace.name}' would have no admin without team '{team.name}'")

    # -- members ------------------------------------------------------------------------------

    def add_member(self, principal: Principal, org: str, name: str, who: str) -> tuple[Person, bool]:
        """Adds a user, or a robot of the organization, or invites a user: (who, whether invited).

        Robots and users who are in the organization join at once; others too when invitations are
        off, or the system itself acts.

        Raises NotFound for the team, InvalidRequest for the account, Refused for a member,
        NotSignedIn, InsufficientScope."""

        def work(tx: Tx) -> tuple[Person, bool]:
            namespace = take_turn(tx, self._access, principal, org)
            team = get_team(self._db, namespace.id, name)
            found = find_person(self._db, who)
            if found is None:
                raise InvalidRequest("Unknown user")
            if found.is_robot and found.owner_id != namespace.id:
                raise InvalidRequest(f"{who} cannot be added: it is no robot of organization {org}")
            where = (TeamMember.team == team.id) & (TeamMember.account == found.id)
            if tx.one(TeamMember.select(TeamMember.id).where(where)) is not None:
                raise Refused(f"User {who} is already a member of team {name}")
            at_once = (
                found.is_robot or principal.kind == "system" or is_member(self._db, namespace.id, found.id)
            )
            if self._invites.required and not at_once:
                self._invites.add(tx, principal, namespace, team, found)
                return found, True
            tx.insert(TeamMember, team=team.id, account=found.id)
            self._invites.drop(tx, team.id, found.id)
            event = events.OrgAddTeamMember(**principal.by(org), member=who, team=name)
            self._record(tx, principal, namespace, event)
            return found, False

        administered(self._access, principal, org)
        return self._db.write(work)

    def remove_member(self, principal: Principal, org: str, name: str, who: str) -> None:
        """Takes an account out of a team, or back its invitation; one that is in neither changes nothing.

        Its tokens end. Raises NotFound for the team and the account, Refused for the last admin."""

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, org)
            team = get_team(self._db, namespace.id, name)
            found = find_person(self._db, who)
            if found is None:
                raise NotFound("Not Found")
            by = principal.by(org)
            if self._invites.drop(tx, team.id, found.id):
                event = events.OrgDeleteTeamMemberInvite(**by, user=who, member=who, team=name)
                self._record(tx, principal, namespace, event)
            where = (TeamMember.team == team.id) & (TeamMember.account == found.id)
            if tx.one(TeamMember.select(TeamMember.id).where(where)) is None:
                return
            if team.role == "admin":
                self._keep_admin_but(principal, namespace, team, found)
            tx.run(TeamMember.delete().where(where))
            end_tokens(tx, [found.id])
            left = events.OrgRemoveTeamMember(**by, member=who, team=name)
            self._record(tx, principal, namespace, left)

        administered(self._access, principal, org)
        self._db.write(work)

    def _keep_admin_but(
        self, principal: Principal, namespace: NamespaceRow, team: TeamRow, leaving: Person
    ) -> None:
        here = namespace.id
        if leaving.id == principal.account_id and admin_teams(self._db, here, leaving.id) == [team.id]:
            raise Refused("User cannot remove themselves from their only admin team.")
        if has_admin(self._db, here) and not has_admin(self._db, here, team=team.id, account=leaving.id):
            raise Refused(f"{leaving.name} is the only admin of organization '{namespace.name}'")

    def _record(self, tx: Tx, principal: Principal, namespace: NamespaceRow, event: events.Event) -> None:
        self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)


def _or(text: str | None, other: str) -> str:
    return other if text is None else text


def _shown(name: str) -> str:
    """A name that may be anything, on one line and not too long."""
    shown = name if len(name) <= names.MAXIMUM_LENGTH else f"{name[: names.MAXIMUM_LENGTH]}..."
    return shown if shown.isprintable() else ascii(shown)
