"""Organizations as superusers list, rename, delete them and take them over."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from quayframe.services.ownership import OrganizationItem

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .people import face
from .superuser_users import checked_limit
from .views import Avatar


class OrganizationsQuery(Query):
    limit: int | None = None
    next_page: str | None = None


class OrganizationListed(TypedDict):
    name: str
    email: str
    avatar: Avatar


class OrganizationsAll(TypedDict):
    organizations: list[OrganizationListed]
    next_page: NotRequired[str]


class RenameBody(Body):
    name: str | None = None


class Taken(TypedDict):
    namespace: str


def _view(call: Call, organization: OrganizationItem) -> OrganizationListed:
    return {
        "name": organization.name,
        "email": organization.seed,
        "avatar": face(call, organization.name, "org", organization.seed),
    }


class AllOrganizations(Resource):
    path = "/api/v1/superuser/organizations/"

    @operation(
        "listAllOrganizations",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        query=OrganizationsQuery,
        answer=OrganizationsAll,
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def get(self, call: Call) -> OrganizationsAll:
        """All organizations; with `limit` page by page."""
        limit, state = checked_limit(call.query.limit), call.page_state() or {}
        found, more = call.registry.tenancy.ownership.page(after=int(state.get("after", 0)), limit=limit)
        answer: OrganizationsAll = {"organizations": [_view(call, one) for one in found]}
        if more:
            answer["next_page"] = call.page({"after": found[-1].id})
        return answer


class AnOrganization(Resource):
    path = "/api/v1/superuser/organizations/{name}"

    @operation(
        "changeOrganization",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=RenameBody,
        answer=OrganizationListed,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def put(self, call: Call, name: str) -> OrganizationListed:
        """Gives an organization another name."""
        ownership = call.registry.tenancy.ownership
        wanted: str | None = call.body.name
        if wanted is None:
            return _view(call, ownership.get(name))
        return _view(call, ownership.rename(call.principal, name, wanted))

    @operation(
        "deleteOrganization",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        status=204,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def delete(self, call: Call, name: str) -> None:
        """Deletes an organization."""
        call.registry.tenancy.organizations.delete(call.principal, name, as_superuser=True)


class NamespaceOwnership(Resource):
    path = "/api/v1/superuser/takeownership/{namespace}"

    @operation(
        "takeOwnership",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=Taken,
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call, namespace: str) -> Taken:
        """Makes the caller an admin of a namespace; a user's becomes an organization."""
        call.registry.tenancy.ownership.take(call.principal, namespace)
        return {"namespace": namespace}


RESOURCES = (AllOrganizations, AnOrganization, NamespaceOwnership)
