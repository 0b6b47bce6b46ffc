"""Organizations of the API."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.organizations import Details, TeamSummary

from . import needs
from .operation import Body, Call, Resource, operation
from .people import face
from .views import Avatar


class NewOrganization(Body):
    name: str
    email: str = ""
    contact_email: str = Field(default="", max_length=255)
    recaptcha_response: str = ""


class ChangedOrganization(Body):
    """What is left out stays as it is."""

    email: str = ""
    contact_email: str | None = Field(default=None, max_length=255)
    invoice_email: bool = False
    invoice_email_address: str | None = Field(default=None, max_length=255)
    tag_expiration_s: int = Field(default=0, ge=0)


class TeamSummaryView(TypedDict):
    name: str
    description: str
    role: str
    avatar: Avatar
    can_view: bool
    repo_count: int
    member_count: int
    is_synced: bool


class OrganizationView(TypedDict):
    """Teams are for who is in it, and what follows them for its admins."""

    name: str
    email: str
    avatar: Avatar
    is_admin: bool
    is_member: bool
    teams: NotRequired[dict[str, TeamSummaryView]]
    ordered_teams: NotRequired[list[str]]
    invoice_email: NotRequired[bool]
    invoice_email_address: NotRequired[str | None]
    tag_expiration_s: NotRequired[int]
    is_free_account: NotRequired[bool]


def organization_view(call: Call, found: Details) -> OrganizationView:
    """The organization as the one who calls may see it."""
    view: OrganizationView = {
        "name": found.name,
        "email": (found.email or "") if found.reads else "",
        "avatar": face(call, found.name, "org", found.seed),
        "is_admin": found.is_admin,
        "is_member": found.is_member,
    }
    if found.teams is not None:
        view["teams"] = {team.name: _team(call, team) for team in found.teams}
        view["ordered_teams"] = [team.name for team in found.teams]
    if found.reads:
        view["invoice_email"] = found.invoice_email
        view["invoice_email_address"] = found.invoice_email_address
        view["tag_expiration_s"] = found.tag_expiration_s
        view["is_free_account"] = True
    return view


def _team(call: Call, team: TeamSummary) -> TeamSummaryView:
    return {
        "name": team.name,
        "description": team.description,
        "role": team.role,
        "avatar": face(call, team.name, "team", team.name),
        "can_view": team.can_view,
        "repo_count": team.repo_count,
        "member_count": team.member_count,
        "is_synced": False,
    }


class Organizations(Resource):
    path = "/api/v1/organization/"

    @operation(
        "createOrganization",
        "organization",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=NewOrganization,
        answer=str,
        status=201,
    )
    def post(self, call: Call) -> str:
        """Makes an organization, whose first admin is the caller."""
        body: NewOrganization = call.body
        call.registry.tenancy.organizations.create(
            call.principal, body.name, body.email or None, body.contact_email or None
        )
        return "Created"


class Organization(Resource):
    path = "/api/v1/organization/{orgname}"

    @operation("getOrganization", "organization", needs.ANYONE, answer=OrganizationView)
    def get(self, call: Call, orgname: str) -> OrganizationView:
        """An organization: for its members with the teams, for its admins with its settings."""
        return organization_view(call, call.registry.tenancy.organizations.details(call.principal, orgname))

    @operation(
        "changeOrganizationDetails",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=ChangedOrganization,
        answer=OrganizationView,
    )
    def put(self, call: Call, orgname: str) -> OrganizationView:
        """Changes an organization's addresses and its time machine."""
        body: ChangedOrganization = call.body
        values = {name: getattr(body, name) for name in body.model_fields_set}
        return organization_view(
            call, call.registry.tenancy.organizations.change(call.principal, orgname, values)
        )

    @operation(
        "deleteAdminedOrganization",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        status=204,
        fresh=True,
    )
    def delete(self, call: Call, orgname: str) -> None:
        """Ends an organization with all that is in it; its name stays taken."""
        call.registry.tenancy.organizations.delete(call.principal, orgname)


RESOURCES = (Organizations, Organization)
