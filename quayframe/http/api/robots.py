"""Robots of a user and of organizations."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.robot_rows import Robot
from quayframe.services.robots import DESCRIPTION_LENGTH

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .people import GrantedList, TeamName, granted_list, team_name
from .views import rfc2822

ORG = "/api/v1/organization/{orgname}/robots"
USER = "/api/v1/user/robots"


class RobotBody(Body):
    description: str = Field(default="", max_length=DESCRIPTION_LENGTH)
    unstructured_metadata: dict[str, Any] = Field(default_factory=dict)


class RobotsQuery(Query):
    limit: int | None = Field(default=None, ge=0, description="At most so many, the newest first.")
    token: bool = Field(default=True, description="false: without the tokens.")
    permissions: bool = Field(default=False, description="With teams and repositories.")


class RobotView(TypedDict):
    """`token` is there for who may administer the robot; a list has no `unstructured_metadata`, and
    `teams` and `repositories` where they were asked for."""

    name: str
    created: str | None
    last_accessed: str | None
    description: str
    token: NotRequired[str]
    unstructured_metadata: NotRequired[dict[str, Any] | None]
    teams: NotRequired[list[TeamName]]
    repositories: NotRequired[list[str]]


class RobotList(TypedDict):
    robots: list[RobotView]


def _view(robot: Robot, *, metadata: bool = False) -> RobotView:
    view: RobotView = {
        "name": robot.name,
        "created": rfc2822(robot.created_ms),
        "last_accessed": rfc2822(robot.last_accessed_ms),
        "description": robot.description,
    }
    if robot.token is not None:
        view["token"] = robot.token
    if metadata:
        view["unstructured_metadata"] = robot.metadata
    return view


def _list(call: Call, namespace: str) -> RobotList:
    query: RobotsQuery = call.query
    found = call.registry.tenancy.robots.of(
        call.principal, namespace, tokens=query.token, permissions=query.permissions, limit=query.limit
    )
    views = [_view(robot) for robot in found]
    if query.permissions:
        for view, robot in zip(views, found, strict=True):
            view["teams"] = [team_name(call, team) for team in robot.teams]
            view["repositories"] = list(robot.repositories)
    return {"robots": views}


def _get(call: Call, namespace: str, short: str) -> RobotView:
    return _view(call.registry.tenancy.robots.get(call.principal, namespace, short), metadata=True)


def _create(call: Call, namespace: str, short: str) -> RobotView:
    body: RobotBody = call.body or RobotBody()
    made = call.registry.tenancy.robots.create(
        call.principal,
        namespace,
        short,
        description=body.description if body.given("description") else None,
        metadata=body.unstructured_metadata if body.given("unstructured_metadata") else None,
    )
    return _view(made, metadata=True)


def _permissions(call: Call, namespace: str, short: str) -> GrantedList:
    return granted_list(call.registry.tenancy.robots.permissions(call.principal, namespace, short))


def _regenerate(call: Call, namespace: str, short: str) -> RobotView:
    return _view(call.registry.tenancy.robots.regenerate(call.principal, namespace, short))


class OrgRobots(Resource):
    path = ORG

    @operation(
        "getOrgRobots",
        "robot",
        needs.ORG_MEMBER,
        scopes=("org:admin",),
        query=RobotsQuery,
        answer=RobotList,
    )
    def get(self, call: Call, orgname: str) -> RobotList:
        """An organization's robots, for its members; their tokens only for its admins."""
        return _list(call, orgname)


class OrgRobot(Resource):
    path = f"{ORG}/{{robot_shortname}}"

    @operation("getOrgRobot", "robot", needs.ORG_ADMIN, scopes=("org:admin",), answer=RobotView)
    def get(self, call: Call, orgname: str, robot_shortname: str) -> RobotView:
        """One robot with its token."""
        return _get(call, orgname, robot_shortname)

    @operation(
        "createOrgRobot",
        "robot",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=RobotBody,
        body_optional=True,
        answer=RobotView,
        status=201,
    )
    def put(self, call: Call, orgname: str, robot_shortname: str) -> RobotView:
        """Makes a robot."""
        return _create(call, orgname, robot_shortname)

    @operation("deleteOrgRobot", "robot", needs.ORG_ADMIN, scopes=("org:admin",), status=204)
    def delete(self, call: Call, orgname: str, robot_shortname: str) -> None:
        """Takes a robot away for good; its tokens are refused at once."""
        call.registry.tenancy.robots.delete(call.principal, orgname, robot_shortname)


class OrgRobotPermissions(Resource):
    path = f"{ORG}/{{robot_shortname}}/permissions"

    @operation("getOrgRobotPermissions", "robot", needs.ORG_ADMIN, scopes=("user:admin",), answer=GrantedList)
    def get(self, call: Call, orgname: str, robot_shortname: str) -> GrantedList:
        """The repositories on which a robot has a role of its own."""
        return _permissions(call, orgname, robot_shortname)


class OrgRobotRegenerate(Resource):
    path = f"{ORG}/{{robot_shortname}}/regenerate"

    @operation("regenerateOrgRobotToken", "robot", needs.ORG_ADMIN, scopes=("org:admin",), answer=RobotView)
    def post(self, call: Call, orgname: str, robot_shortname: str) -> RobotView:
        """Gives a robot a new token; the old one is refused from now on."""
        return _regenerate(call, orgname, robot_shortname)


class UserRobots(Resource):
    path = USER

    @operation(
        "getUserRobots",
        "robot",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        query=RobotsQuery,
        answer=RobotList,
    )
    def get(self, call: Call) -> RobotList:
        """The caller's robots."""
        return _list(call, call.principal.name)


class UserRobot(Resource):
    path = f"{USER}/{{robot_shortname}}"

    @operation("getUserRobot", "robot", needs.USER_ADMIN, scopes=("user:admin",), answer=RobotView)
    def get(self, call: Call, robot_shortname: str) -> RobotView:
        """One robot with its token."""
        return _get(call, call.principal.name, robot_shortname)

    @operation(
        "createUserRobot",
        "robot",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=RobotBody,
        body_optional=True,
        answer=RobotView,
        status=201,
    )
    def put(self, call: Call, robot_shortname: str) -> RobotView:
        """Makes a robot."""
        return _create(call, call.principal.name, robot_shortname)

    @operation("deleteUserRobot", "robot", needs.USER_ADMIN, scopes=("user:admin",), status=204)
    def delete(self, call: Call, robot_shortname: str) -> None:
        """Takes a robot away for good; its tokens are refused at once."""
        call.registry.tenancy.robots.delete(call.principal, call.principal.name, robot_shortname)


class UserRobotPermissions(Resource):
    path = f"{USER}/{{robot_shortname}}/permissions"

    @operation(
        "getUserRobotPermissions", "robot", needs.USER_ADMIN, scopes=("user:admin",), answer=GrantedList
    )
    def get(self, call: Call, robot_shortname: str) -> GrantedList:
        """The repositories on which a robot has a role of its own."""
        return _permissions(call, call.principal.name, robot_shortname)


class UserRobotRegenerate(Resource):
    path = f"{USER}/{{robot_shortname}}/regenerate"

    @operation(
        "regenerateUserRobotToken", "robot", needs.USER_ADMIN, scopes=("user:admin",), answer=RobotView
    )
    def post(self, call: Call, robot_shortname: str) -> RobotView:
        """Gives a robot a new token; the old one is refused from now on."""
        return _regenerate(call, call.principal.name, robot_shortname)


RESOURCES = (
    OrgRobots,
    OrgRobot,
    OrgRobotPermissions,
    OrgRobotRegenerate,
    UserRobots,
    UserRobot,
    UserRobotPermissions,
    UserRobotRegenerate,
)
