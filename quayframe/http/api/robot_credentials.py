"""A robot's credentials in the form of each client."""

from __future__ import annotations

from quayframe.services import robot_credentials
from quayframe.services.robot_credentials import Login

from . import needs
from .operation import Call, Reply, Resource, operation
from .robots import ORG, USER

_MEDIA = ("application/yaml", "application/json", "text/plain", "application/gzip")


def _credentials(call: Call, namespace: str, short: str, form: str) -> Reply:
    robot = call.registry.tenancy.robots.secret(call.principal, namespace, short)
    host = call.base_url.partition("://")[2]
    made = robot_credentials.write(form, Login(host, robot.name, robot.token or ""))
    headers = {"Cache-Control": "no-store"}
    if made.file is not None:
        headers["Content-Disposition"] = f'attachment; filename="{made.file}"'
    return Reply(made.content, headers=headers, content_type=made.media_type)


class OrgRobotCredentials(Resource):
    path = f"{ORG}/{{robot_shortname}}/credentials/{{form}}"

    @operation(
        "getOrgRobotCredentials", "robot", needs.ORG_ADMIN, scopes=("org:admin",), answer=bytes, media=_MEDIA
    )
    def get(self, call: Call, orgname: str, robot_shortname: str, form: str) -> Reply:
        """Credentials as kubernetes, rkt, docker-login, docker-config, mesos or podman read them."""
        return _credentials(call, orgname, robot_shortname, form)


class UserRobotCredentials(Resource):
    path = f"{USER}/{{robot_shortname}}/credentials/{{form}}"

    @operation(
        "getUserRobotCredentials",
        "robot",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=bytes,
        media=_MEDIA,
    )
    def get(self, call: Call, robot_shortname: str, form: str) -> Reply:
        """Credentials as kubernetes, rkt, docker-login, docker-config, mesos or podman read them."""
        return _credentials(call, call.principal.name, robot_shortname, form)


RESOURCES = (OrgRobotCredentials, UserRobotCredentials)
