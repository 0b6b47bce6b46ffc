"""Answers to invitations to teams."""

from __future__ import annotations

from typing_extensions import TypedDict

from . import needs
from .operation import Call, Resource, operation


class JoinedTeam(TypedDict):
    org: str
    team: str


class TeamInvite(Resource):
    path = "/api/v1/teaminvite/{code}"

    @operation(
        "acceptOrganizationTeamInvite",
        "team",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=JoinedTeam,
        internal=True,
        feature="FEATURE_MAILING",
    )
    def put(self, call: Call, code: str) -> JoinedTeam:
        """Accepts: the caller joins every team of the organization to which it is invited."""
        org, team = call.registry.tenancy.invites.accept(call.principal, code)
        return {"org": org, "team": team}

    @operation(
        "declineOrganizationTeamInvite",
        "team",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        status=204,
        internal=True,
        feature="FEATURE_MAILING",
    )
    def delete(self, call: Call, code: str) -> None:
        """Declines the invitation."""
        call.registry.tenancy.invites.decline(call.principal, code)


RESOURCES = (TeamInvite,)
