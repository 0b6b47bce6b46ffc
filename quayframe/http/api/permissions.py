"""The roles of users, robots and teams on a repository."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from quayframe.services.permissions import Held, TeamHeld

from . import needs
from .operation import Body, Call, Resource, operation
from .people import face, person_face
from .views import Avatar

_BASE = "/api/v1/repository/{repository}/permissions"


class RoleBody(Body):
    role: Literal["read", "write", "admin"]


class RoleView(TypedDict):
    role: str


class TransitiveList(TypedDict):
    permissions: list[RoleView]


class UserPermissionView(TypedDict):
    """`is_org_member` is there in organizations."""

    role: str
    name: str
    is_robot: bool
    avatar: Avatar
    is_org_member: NotRequired[bool]


class UserPermissionList(TypedDict):
    permissions: dict[str, UserPermissionView]


class TeamPermissionView(TypedDict):
    role: str
    name: str
    avatar: Avatar


class TeamPermissionList(TypedDict):
    permissions: dict[str, TeamPermissionView]


def _user(call: Call, held: Held) -> UserPermissionView:
    view: UserPermissionView = {
        "role": held.role,
        "name": held.person.name,
        "is_robot": held.person.is_robot,
        "avatar": person_face(call, held.person),
    }
    if held.is_member is not None:
        view["is_org_member"] = held.is_member
    return view


def _team(call: Call, held: TeamHeld) -> TeamPermissionView:
    return {"role": held.role, "name": held.team, "avatar": face(call, held.team, "team", held.team)}


class UserPermissions(Resource):
    path = f"{_BASE}/user/"

    @operation(
        "listRepoUserPermissions",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        answer=UserPermissionList,
    )
    def get(self, call: Call, repository: str) -> UserPermissionList:
        """The users and robots with a role of their own, in the order in which it was given."""
        found = call.registry.tenancy.permissions.users(call.principal, call.repository)
        return {"permissions": {held.person.name: _user(call, held) for held in found}}


class UserPermission(Resource):
    path = f"{_BASE}/user/{{username}}"

    @operation(
        "getUserPermissions",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        answer=UserPermissionView,
    )
    def get(self, call: Call, repository: str, username: str) -> UserPermissionView:
        """The role that a user or robot was given."""
        return _user(call, call.registry.tenancy.permissions.user(call.principal, call.repository, username))

    @operation(
        "changeUserPermissions",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        body=RoleBody,
        answer=UserPermissionView,
    )
    def put(self, call: Call, repository: str, username: str) -> UserPermissionView:
        """Gives a user or robot a role, in place of the one that it had."""
        body: RoleBody = call.body
        return _user(
            call,
            call.registry.tenancy.permissions.set_user(call.principal, call.repository, username, body.role),
        )

    @operation("deleteUserPermissions", "permission", needs.REPO_ADMIN, scopes=("repo:admin",), status=204)
    def delete(self, call: Call, repository: str, username: str) -> None:
        """Takes the role of a user or robot away."""
        call.registry.tenancy.permissions.remove_user(call.principal, call.repository, username)


class UserTransitivePermission(Resource):
    path = f"{_BASE}/user/{{username}}/transitive"

    @operation(
        "getUserTransitivePermission",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        answer=TransitiveList,
    )
    def get(self, call: Call, repository: str, username: str) -> TransitiveList:
        """The roles that a user or robot has directly and by its teams."""
        found = call.registry.tenancy.permissions.transitive(call.principal, call.repository, username)
        return {"permissions": [{"role": role} for role in found]}


class TeamPermissions(Resource):
    path = f"{_BASE}/team/"

    @operation(
        "listRepoTeamPermissions",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        answer=TeamPermissionList,
    )
    def get(self, call: Call, repository: str) -> TeamPermissionList:
        """The teams with a role, in the order in which it was given."""
        found = call.registry.tenancy.permissions.teams(call.principal, call.repository)
        return {"permissions": {held.team: _team(call, held) for held in found}}


class TeamPermission(Resource):
    path = f"{_BASE}/team/{{teamname}}"

    @operation("getTeamPermissions", "permission", needs.REPO_ADMIN, scopes=("repo:admin",), answer=RoleView)
    def get(self, call: Call, repository: str, teamname: str) -> RoleView:
        """The role that a team was given."""
        found = call.registry.tenancy.permissions.team(call.principal, call.repository, teamname)
        return {"role": found.role}

    @operation(
        "changeTeamPermissions",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        body=RoleBody,
        answer=TeamPermissionView,
    )
    def put(self, call: Call, repository: str, teamname: str) -> TeamPermissionView:
        """Gives a team a role, in place of the one that it had."""
        body: RoleBody = call.body
        return _team(
            call,
            call.registry.tenancy.permissions.set_team(call.principal, call.repository, teamname, body.role),
        )

    @operation("deleteTeamPermissions", "permission", needs.REPO_ADMIN, scopes=("repo:admin",), status=204)
    def delete(self, call: Call, repository: str, teamname: str) -> None:
        """Takes the role of a team away."""
        call.registry.tenancy.permissions.remove_team(call.principal, call.repository, teamname)


RESOURCES = (
    UserPermissions,
    UserPermission,
    UserTransitivePermission,
    TeamPermissions,
    TeamPermission,
)
