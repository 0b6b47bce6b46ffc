"""Teams of organizations: themselves, their members, who is invited, what they may do."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.invites import Pending
from quayframe.services.membership import Person

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .people import GrantedList, face, granted_list, person_face
from .views import Avatar


class TeamBody(Body):
    role: Literal["member", "creator", "admin"]
    description: str = ""


class TeamView(TypedDict):
    name: str
    description: str
    can_view: bool
    role: str
    avatar: Avatar
    new_team: bool


class MembersQuery(Query):
    include_pending: bool = Field(default=False, alias="includePending")


class TeamMemberView(TypedDict):
    name: str
    kind: Literal["user"]
    is_robot: bool
    avatar: Avatar
    invited: bool


class InvitedAddress(TypedDict):
    email: str
    kind: Literal["invite"]
    avatar: Avatar
    invited: bool


class TeamMemberList(TypedDict):
    """`can_sync` and `synced` are there where teams can be kept in step with a log-in service's groups."""

    name: str
    members: list[TeamMemberView | InvitedAddress]
    can_edit: bool
    can_sync: NotRequired[bool]
    synced: NotRequired[bool]


def _member(call: Call, person: Person, *, invited: bool) -> TeamMemberView:
    return {
        "name": person.name,
        "kind": "user",
        "is_robot": person.is_robot,
        "avatar": person_face(call, person),
        "invited": invited,
    }


def _address(call: Call, email: str) -> InvitedAddress:
    return {"email": email, "kind": "invite", "avatar": face(call, email, "user", email), "invited": True}


def _pending(call: Call, pending: Pending) -> TeamMemberView | InvitedAddress:
    if pending.person is not None:
        return _member(call, pending.person, invited=True)
    return _address(call, pending.email or "")


class Team(Resource):
    path = "/api/v1/organization/{orgname}/team/{teamname}"

    @operation(
        "updateOrganizationTeam",
        "team",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=TeamBody,
        answer=TeamView,
    )
    def put(self, call: Call, orgname: str, teamname: str) -> TeamView:
        """Makes a team, or changes its role and description."""
        body: TeamBody = call.body
        description = body.description if body.given("description") else None
        team, new = call.registry.tenancy.teams.put(call.principal, orgname, teamname, body.role, description)
        return {
            "name": team.name,
            "description": team.description,
            "can_view": True,
            "role": team.role,
            "avatar": face(call, team.name, "team", team.name),
            "new_team": new,
        }

    @operation("deleteOrganizationTeam", "team", needs.ORG_ADMIN, scopes=("org:admin",), status=204)
    def delete(self, call: Call, orgname: str, teamname: str) -> None:
        """Takes a team away, and what it was given."""
        call.registry.tenancy.teams.delete(call.principal, orgname, teamname)


class TeamMembers(Resource):
    path = "/api/v1/organization/{orgname}/team/{teamname}/members"

    @operation(
        "getOrganizationTeamMembers",
        "team",
        needs.TEAM_VIEW,
        scopes=("org:admin",),
        query=MembersQuery,
        answer=TeamMemberList,
    )
    def get(self, call: Call, orgname: str, teamname: str) -> TeamMemberList:
        """A team's members in the order of joining; for admins also who is invited."""
        query: MembersQuery = call.query
        found = call.registry.tenancy.teams.members(
            call.principal, orgname, teamname, pending=query.include_pending
        )
        members: list[TeamMemberView | InvitedAddress] = [
            _member(call, person, invited=False) for person in found.people
        ]
        members += [_pending(call, pending) for pending in found.pending]
        return {"name": found.team.name, "members": members, "can_edit": found.can_edit}


class TeamMember(Resource):
    path = "/api/v1/organization/{orgname}/team/{teamname}/members/{membername}"

    @operation(
        "updateOrganizationTeamMember",
        "team",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=TeamMemberView,
    )
    def put(self, call: Call, orgname: str, teamname: str, membername: str) -> TeamMemberView:
        """Adds a user or robot to a team, or invites the user: `invited` tells."""
        person, invited = call.registry.tenancy.teams.add_member(
            call.principal, orgname, teamname, membername
        )
        return _member(call, person, invited=invited)

    @operation("deleteOrganizationTeamMember", "team", needs.ORG_ADMIN, scopes=("org:admin",), status=204)
    def delete(self, call: Call, orgname: str, teamname: str, membername: str) -> None:
        """Takes a user or robot out of a team, or its invitation back."""
        call.registry.tenancy.teams.remove_member(call.principal, orgname, teamname, membername)


class TeamInviteByEmail(Resource):
    path = "/api/v1/organization/{orgname}/team/{teamname}/invite/{email}"

    @operation(
        "inviteTeamMemberEmail",
        "team",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=InvitedAddress,
        feature="FEATURE_MAILING",
    )
    def put(self, call: Call, orgname: str, teamname: str, email: str) -> InvitedAddress:
        """Invites whoever reads the mail of an address."""
        call.registry.tenancy.invites.invite_email(call.principal, orgname, teamname, email)
        return _address(call, email)

    @operation(
        "deleteTeamMemberEmailInvite",
        "team",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        status=204,
        feature="FEATURE_MAILING",
    )
    def delete(self, call: Call, orgname: str, teamname: str, email: str) -> None:
        """Takes the invitation of an address back."""
        call.registry.tenancy.invites.withdraw_email(call.principal, orgname, teamname, email)


class TeamPermissions(Resource):
    path = "/api/v1/organization/{orgname}/team/{teamname}/permissions"

    @operation("getOrganizationTeamPermissions", "team", needs.ORG_ADMIN, answer=GrantedList)
    def get(self, call: Call, orgname: str, teamname: str) -> GrantedList:
        """The repositories on which a team has a role."""
        return granted_list(call.registry.tenancy.teams.permissions(call.principal, orgname, teamname))


RESOURCES = (Team, TeamMembers, TeamMember, TeamInviteByEmail, TeamPermissions)
