"""OAuth applications of organizations."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import NotFound
from quayframe.services.applications import Application, Details

from . import needs
from .operation import Body, Call, Resource, operation
from .organizations import OrganizationView, organization_view
from .people import face
from .views import Avatar

PATH = "/api/v1/organization/{orgname}/applications"


class NewApplication(Body):
    name: str = Field(min_length=1, max_length=255)
    redirect_uri: str = Field(default="", max_length=2048)
    application_uri: str = Field(default="", max_length=2048)
    description: str = ""
    avatar_email: str | None = Field(default=None, max_length=255)


class ChangedApplication(Body):
    """A full replacement."""

    name: str = Field(min_length=1, max_length=255)
    redirect_uri: str = Field(max_length=2048)
    application_uri: str = Field(max_length=2048)
    description: str = ""
    avatar_email: str | None = Field(default=None, max_length=255)


class ApplicationView(TypedDict):
    """`client_secret` is there for who administers the organization."""

    name: str
    description: str
    application_uri: str
    client_id: str
    client_secret: NotRequired[str]
    redirect_uri: str
    avatar_email: str | None


class ApplicationList(TypedDict):
    applications: list[ApplicationView]


class ApplicationInformation(TypedDict):
    """What everybody may know."""

    name: str
    description: str
    uri: str
    avatar: Avatar
    organization: OrganizationView


def _view(call: Call, found: Application) -> ApplicationView:
    view: ApplicationView = {
        "name": found.name,
        "description": found.description,
        "application_uri": found.application_uri,
        "client_id": found.client_id,
        "redirect_uri": found.redirect_uri,
        "avatar_email": found.avatar_email,
    }
    secret = call.registry.tenancy.applications.secret(call.principal, found)
    if secret is not None:
        view["client_secret"] = secret
    return view


def _details(body: NewApplication | ChangedApplication) -> Details:
    return Details(
        body.name, body.description, body.application_uri, body.redirect_uri, body.avatar_email or None
    )


class Applications(Resource):
    path = PATH

    @operation(
        "getOrganizationApplications",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=ApplicationList,
    )
    def get(self, call: Call, orgname: str) -> ApplicationList:
        """An organization's applications."""
        found = call.registry.tenancy.applications.all(call.principal, orgname)
        return {"applications": [_view(call, one) for one in found]}

    @operation(
        "createOrganizationApplication",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=NewApplication,
        answer=ApplicationView,
    )
    def post(self, call: Call, orgname: str) -> ApplicationView:
        """Makes an application."""
        made = call.registry.tenancy.applications.create(call.principal, orgname, _details(call.body))
        return _view(call, made)


class OneApplication(Resource):
    path = f"{PATH}/{{client_id}}"

    @operation(
        "getOrganizationApplication",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=ApplicationView,
    )
    def get(self, call: Call, orgname: str, client_id: str) -> ApplicationView:
        """One application."""
        return _view(call, call.registry.tenancy.applications.get(call.principal, orgname, client_id))

    @operation(
        "updateOrganizationApplication",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=ChangedApplication,
        answer=ApplicationView,
    )
    def put(self, call: Call, orgname: str, client_id: str) -> ApplicationView:
        """Replaces what is said of an application."""
        applications = call.registry.tenancy.applications
        return _view(call, applications.update(call.principal, orgname, client_id, _details(call.body)))

    @operation(
        "deleteOrganizationApplication",
        "organization",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        status=204,
    )
    def delete(self, call: Call, orgname: str, client_id: str) -> None:
        """Ends an application and all its tokens."""
        call.registry.tenancy.applications.delete(call.principal, orgname, client_id)


class ApplicationSecret(Resource):
    path = f"{PATH}/{{client_id}}/resetclientsecret"

    @operation(
        "resetOrganizationApplicationClientSecret",
        "organization",
        needs.ORG_ADMIN,
        answer=ApplicationView,
        internal=True,
    )
    def post(self, call: Call, orgname: str, client_id: str) -> ApplicationView:
        """Gives an application a new client secret; the old one is refused at once."""
        applications = call.registry.tenancy.applications
        return _view(call, applications.reset_secret(call.principal, orgname, client_id))


class Information(Resource):
    path = "/api/v1/app/{client_id}"

    @operation("getApplicationInformation", "organization", needs.ANYONE, answer=ApplicationInformation)
    def get(self, call: Call, client_id: str) -> ApplicationInformation:
        """What an application is that asks for a token."""
        found = call.registry.tenancy.applications.find(client_id)
        if found is None:
            raise NotFound("Not Found")
        return {
            "name": found.name,
            "description": found.description,
            "uri": found.application_uri,
            "avatar": face(call, found.name, "app", found.seed),
            "organization": _owner(call, found),
        }


def _owner(call: Call, found: Application) -> OrganizationView:
    try:
        view = organization_view(
            call, call.registry.tenancy.organizations.details(call.principal, found.owner)
        )
    except NotFound:
        # The application that was made with the first user is that user's.
        view = {
            "name": found.owner,
            "email": "",
            "avatar": face(call, found.owner, "user", found.owner_seed),
            "is_admin": call.principal.account_id == found.owner_id,
            "is_member": False,
        }
    view["teams"] = {}
    view["ordered_teams"] = []
    return view


RESOURCES = (Applications, OneApplication, ApplicationSecret, Information)
