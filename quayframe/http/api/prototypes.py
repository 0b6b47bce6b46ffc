"""Default permissions of organizations."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from quayframe.services.prototypes import Prototype as Found
from quayframe.services.prototypes import Someone

from . import needs
from .operation import Body, Call, Resource, operation
from .people import face, person_face
from .views import Avatar


class ActivatingUser(Body):
    name: str


class Delegate(Body):
    name: str
    kind: Literal["user", "team"]


class NewPrototype(Body):
    role: Literal["read", "write", "admin"]
    activating_user: ActivatingUser | None = None
    delegate: Delegate


class ChangedPrototype(Body):
    role: Literal["read", "write", "admin"]


class UserView(TypedDict):
    name: str
    is_robot: bool
    kind: Literal["user"]
    is_org_member: bool
    avatar: Avatar


class TeamDelegate(TypedDict):
    name: str
    kind: Literal["team"]
    avatar: Avatar


class PrototypeView(TypedDict):
    id: str
    activating_user: UserView | None
    delegate: UserView | TeamDelegate
    role: str


class PrototypeList(TypedDict):
    prototypes: list[PrototypeView]


def _user(call: Call, who: Someone) -> UserView:
    return {
        "name": who.person.name,
        "is_robot": who.person.is_robot,
        "kind": "user",
        "is_org_member": who.is_org_member,
        "avatar": person_face(call, who.person),
    }


def _team(call: Call, name: str) -> TeamDelegate:
    return {"name": name, "kind": "team", "avatar": face(call, name, "team", name)}


def _view(call: Call, found: Found) -> PrototypeView:
    delegate = found.delegate
    return {
        "id": found.uuid,
        "activating_user": _user(call, found.activating) if found.activating else None,
        "delegate": _user(call, delegate) if isinstance(delegate, Someone) else _team(call, delegate),
        "role": found.role,
    }


class Prototypes(Resource):
    path = "/api/v1/organization/{orgname}/prototypes"

    @operation(
        "getOrganizationPrototypePermissions",
        "prototype",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        answer=PrototypeList,
    )
    def get(self, call: Call, orgname: str) -> PrototypeList:
        """What is given when a repository is made in the organization."""
        found = call.registry.tenancy.prototypes.all(call.principal, orgname)
        return {"prototypes": [_view(call, prototype) for prototype in found]}

    @operation(
        "createOrganizationPrototypePermission",
        "prototype",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=NewPrototype,
        answer=PrototypeView,
    )
    def post(self, call: Call, orgname: str) -> PrototypeView:
        """Adds a default permission."""
        body: NewPrototype = call.body
        activating = body.activating_user.name if body.activating_user else None
        made = call.registry.tenancy.prototypes.create(
            call.principal, orgname, body.role, body.delegate.kind, body.delegate.name, activating
        )
        return _view(call, made)


class Prototype(Resource):
    path = "/api/v1/organization/{orgname}/prototypes/{prototypeid}"

    @operation(
        "updateOrganizationPrototypePermission",
        "prototype",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=ChangedPrototype,
        answer=PrototypeView,
    )
    def put(self, call: Call, orgname: str, prototypeid: str) -> PrototypeView:
        """Gives a default permission another role."""
        body: ChangedPrototype = call.body
        prototypes = call.registry.tenancy.prototypes
        return _view(call, prototypes.change(call.principal, orgname, prototypeid, body.role))

    @operation(
        "deleteOrganizationPrototypePermission",
        "prototype",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        status=204,
    )
    def delete(self, call: Call, orgname: str, prototypeid: str) -> None:
        """Takes a default permission away; what it gave stays."""
        call.registry.tenancy.prototypes.delete(call.principal, orgname, prototypeid)


RESOURCES = (Prototypes, Prototype)
