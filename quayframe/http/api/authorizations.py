"""What the user has granted to applications, and what is offered for granting."""

from __future__ import annotations

from typing_extensions import TypedDict

from quayframe.services import scopes
from quayframe.services.applications import Application
from quayframe.services.authorizations import Assignment, Authorization

from . import needs
from .operation import Call, Resource, operation
from .people import face
from .views import Avatar


class ScopeView(TypedDict):
    scope: str
    title: str
    description: str
    icon: str
    dangerous: bool


class OwnerView(TypedDict):
    name: str
    avatar: Avatar


class GrantedApplication(TypedDict):
    name: str
    description: str
    url: str
    avatar: Avatar
    organization: OwnerView


class OfferedApplication(GrantedApplication):
    clientId: str


class AuthorizationView(TypedDict):
    application: GrantedApplication
    scopes: list[ScopeView]
    uuid: str


class AuthorizationList(TypedDict):
    authorizations: list[AuthorizationView]


class AssignmentView(TypedDict):
    application: OfferedApplication
    uuid: str
    redirectUri: str
    scopes: list[ScopeView]
    responseType: str


class AssignmentList(TypedDict):
    authorizations: list[AssignmentView]


def scope_views(text: str) -> list[ScopeView]:
    """The scopes of a scope string, in the order in which they are listed everywhere."""
    named = scopes.parse(text)
    return [
        {
            "scope": scope.name,
            "title": scope.title,
            "description": scope.description,
            "icon": scope.icon,
            "dangerous": scope.dangerous,
        }
        for scope in scopes.SCOPES.values()
        if scope.name in named
    ]


def _application(call: Call, found: Application) -> GrantedApplication:
    return {
        "name": found.name,
        "description": found.description,
        "url": found.application_uri,
        "avatar": face(call, found.name, "app", found.seed),
        "organization": {"name": found.owner, "avatar": face(call, found.owner, "org", found.owner_seed)},
    }


def _authorization(call: Call, found: Authorization) -> AuthorizationView:
    return {
        "application": _application(call, found.application),
        "scopes": scope_views(found.scope),
        "uuid": found.uuid,
    }


def _assignment(call: Call, found: Assignment) -> AssignmentView:
    return {
        "application": {**_application(call, found.application), "clientId": found.application.client_id},
        "uuid": found.uuid,
        "redirectUri": found.redirect_uri,
        "scopes": scope_views(found.scope),
        "responseType": found.response_type,
    }


class Authorizations(Resource):
    path = "/api/v1/user/authorizations"

    @operation(
        "listUserAuthorizations",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=AuthorizationList,
        internal=True,
    )
    def get(self, call: Call) -> AuthorizationList:
        """The live tokens that act in the user's name, one entry each."""
        found = call.registry.tenancy.authorizations.all(call.principal)
        return {"authorizations": [_authorization(call, one) for one in found]}


class OneAuthorization(Resource):
    path = "/api/v1/user/authorizations/{access_token_uuid}"

    @operation(
        "getUserAuthorization",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=AuthorizationView,
        internal=True,
    )
    def get(self, call: Call, access_token_uuid: str) -> AuthorizationView:
        """One of them."""
        return _authorization(
            call, call.registry.tenancy.authorizations.get(call.principal, access_token_uuid)
        )

    @operation(
        "deleteUserAuthorization",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        status=204,
        internal=True,
    )
    def delete(self, call: Call, access_token_uuid: str) -> None:
        """Takes the token back; it is refused at once."""
        call.registry.tenancy.authorizations.delete(call.principal, access_token_uuid)


class Assignments(Resource):
    path = "/api/v1/user/assignedauthorization"

    @operation(
        "listAssignedAuthorizations",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=AssignmentList,
        internal=True,
        feature="FEATURE_ASSIGN_OAUTH_TOKEN",
    )
    def get(self, call: Call) -> AssignmentList:
        """The tokens that organizations' admins offer the user."""
        found = call.registry.tenancy.authorizations.assigned(call.principal)
        return {"authorizations": [_assignment(call, one) for one in found]}


class OneAssignment(Resource):
    path = "/api/v1/user/assignedauthorization/{assigned_authorization_uuid}"

    @operation(
        "deleteAssignedAuthorization",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        status=204,
        internal=True,
        feature="FEATURE_ASSIGN_OAUTH_TOKEN",
    )
    def delete(self, call: Call, assigned_authorization_uuid: str) -> None:
        """The user does not want what is offered."""
        call.registry.tenancy.authorizations.refuse(call.principal, assigned_authorization_uuid)


RESOURCES = (Authorizations, OneAuthorization, Assignments, OneAssignment)
