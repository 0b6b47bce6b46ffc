"""The identities elsewhere that may act as a robot."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from . import needs
from .operation import Body, Call, Resource, operation
from .robots import ORG, USER


class IdentityBody(Body):
    issuer: str = Field(description="URL of the service that issues the identity's tokens.")
    subject: str = Field(description="Who it is there.")


class IdentityView(TypedDict):
    issuer: str
    subject: str


def _get(call: Call, namespace: str, short: str) -> list[IdentityView]:
    found = call.registry.tenancy.robots.federation(call.principal, namespace, short)
    return [{"issuer": item["issuer"], "subject": item["subject"]} for item in found]


def _set(call: Call, namespace: str, short: str) -> list[IdentityView]:
    body: list[IdentityBody] = call.body
    given: list[IdentityView] = [{"issuer": item.issuer, "subject": item.subject} for item in body]
    call.registry.tenancy.robots.federate(
        call.principal, namespace, short, [(item["issuer"], item["subject"]) for item in given]
    )
    return given


class OrgRobotFederation(Resource):
    path = f"{ORG}/{{robot_shortname}}/federation"

    @operation(
        "getOrgRobotFederation", "robot", needs.ORG_ADMIN, scopes=("org:admin",), answer=list[IdentityView]
    )
    def get(self, call: Call, orgname: str, robot_shortname: str) -> list[IdentityView]:
        """The identities that may act as a robot."""
        return _get(call, orgname, robot_shortname)

    @operation(
        "createOrgRobotFederation",
        "robot",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=list[IdentityBody],
        answer=list[IdentityView],
    )
    def post(self, call: Call, orgname: str, robot_shortname: str) -> list[IdentityView]:
        """Replaces the identities that may act as a robot."""
        return _set(call, orgname, robot_shortname)

    @operation("deleteOrgRobotFederation", "robot", needs.ORG_ADMIN, scopes=("org:admin",), status=204)
    def delete(self, call: Call, orgname: str, robot_shortname: str) -> None:
        """Takes all of them away."""
        call.registry.tenancy.robots.unfederate(call.principal, orgname, robot_shortname)


class UserRobotFederation(Resource):
    path = f"{USER}/{{robot_shortname}}/federation"

    @operation(
        "getUserRobotFederation",
        "robot",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=list[IdentityView],
    )
    def get(self, call: Call, robot_shortname: str) -> list[IdentityView]:
        """The identities that may act as a robot."""
        return _get(call, call.principal.name, robot_shortname)

    @operation(
        "createUserRobotFederation",
        "robot",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=list[IdentityBody],
        answer=list[IdentityView],
    )
    def post(self, call: Call, robot_shortname: str) -> list[IdentityView]:
        """Replaces the identities that may act as a robot."""
        return _set(call, call.principal.name, robot_shortname)

    @operation("deleteUserRobotFederation", "robot", needs.USER_ADMIN, scopes=("user:admin",), status=204)
    def delete(self, call: Call, robot_shortname: str) -> None:
        """Takes all of them away."""
        call.registry.tenancy.robots.unfederate(call.principal, call.principal.name, robot_shortname)


RESOURCES = (OrgRobotFederation, UserRobotFederation)
