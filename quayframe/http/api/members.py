"""Members and collaborators of organizations."""

from __future__ import annotations

from typing_extensions import TypedDict

from quayframe.services.members import Member

from . import needs
from .operation import Call, Resource, operation
from .people import TeamName, person_face, team_name
from .views import Avatar


class MemberView(TypedDict):
    """`repositories`: names of those on which there is a direct permission."""

    name: str
    kind: str
    avatar: Avatar
    teams: list[TeamName]
    repositories: list[str]


class MemberList(TypedDict):
    members: list[MemberView]


class CollaboratorView(TypedDict):
    kind: str
    name: str
    avatar: Avatar
    repositories: list[str]


class CollaboratorList(TypedDict):
    collaborators: list[CollaboratorView]


def _member(call: Call, member: Member) -> MemberView:
    return {
        "name": member.person.name,
        "kind": member.person.kind,
        "avatar": person_face(call, member.person),
        "teams": [team_name(call, name) for name in member.teams],
        "repositories": list(member.repositories),
    }


class OrganizationMembers(Resource):
    path = "/api/v1/organization/{orgname}/members"

    @operation(
        "getOrganizationMembers", "organization", needs.ORG_ADMIN, scopes=("org:admin",), answer=MemberList
    )
    def get(self, call: Call, orgname: str) -> MemberList:
        """The users in an organization's teams."""
        found = call.registry.tenancy.members.all(call.principal, orgname)
        return {"members": [_member(call, member) for member in found]}


class OrganizationMember(Resource):
    path = "/api/v1/organization/{orgname}/members/{membername}"

    @operation(
        "getOrganizationMember", "organization", needs.ORG_ADMIN, scopes=("org:admin",), answer=MemberView
    )
    def get(self, call: Call, orgname: str, membername: str) -> MemberView:
        """A user or robot in an organization's teams."""
        return _member(call, call.registry.tenancy.members.get(call.principal, orgname, membername))

    @operation("removeOrganizationMember", "organization", needs.ORG_ADMIN, scopes=("org:admin",), status=204)
    def delete(self, call: Call, orgname: str, membername: str) -> None:
        """Takes a user out of all teams and takes its direct permissions away."""
        call.registry.tenancy.members.remove(call.principal, orgname, membername)


class OrganizationCollaborators(Resource):
    path = "/api/v1/organization/{orgname}/collaborators"

    @operation(
        "getOrganizationCollaborators",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=CollaboratorList,
    )
    def get(self, call: Call, orgname: str) -> CollaboratorList:
        """Users in no team who have a direct permission on one of the organization's repositories."""
        found = call.registry.tenancy.members.collaborators(call.principal, orgname)
        return {
            "collaborators": [
                {
                    "kind": member.person.kind,
                    "name": member.person.name,
                    "avatar": person_face(call, member.person),
                    "repositories": list(member.repositories),
                }
                for member in found
            ]
        }


RESOURCES = (OrganizationMembers, OrganizationMember, OrganizationCollaborators)
