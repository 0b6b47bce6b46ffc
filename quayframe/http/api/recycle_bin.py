"""What was deleted and can be brought back: repositories, organizations."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from quayframe.services.recycle_bin import DeletedOrganization, DeletedRepository, Place

from . import needs
from .operation import Call, Query, Resource, operation
from .views import iso


class RepositoriesQuery(Query):
    """`namespace`: the caller's own where it is left out."""

    namespace: str | None = None
    next_page: str | None = None


class OrganizationsQuery(Query):
    next_page: str | None = None


class UndeleteQuery(Query):
    """`name`: what it is to be called; as before where it is left out."""

    name: str | None = None


class RepositoryInBin(TypedDict):
    """`name`: what it was called. `tags`: how many would be there if it came back now. From `ends` on it may
    be taken away for good."""

    uuid: str
    namespace: str
    name: str
    tags: int
    deleted: str | None
    ends: str | None


class RepositoriesInBin(TypedDict):
    repositories: list[RepositoryInBin]
    next_page: NotRequired[str]


class OrganizationInBin(TypedDict):
    """`name`: what it was called; `name_released`: others may be called so. `repositories`: how many would
    come back with it. From `ends` on it may be taken away for good."""

    uuid: str
    name: str
    name_released: bool
    repositories: int
    deleted: str | None
    ends: str | None


class OrganizationsInBin(TypedDict):
    organizations: list[OrganizationInBin]
    next_page: NotRequired[str]


class RepositoryBack(TypedDict):
    namespace: str
    name: str


class OrganizationBack(TypedDict):
    name: str


def _after(call: Call) -> Place | None:
    state = call.page_state()
    return None if state is None else (int(state["at"]), int(state["id"]))


def _next(call: Call, last: Place) -> str:
    return call.page({"at": last[0], "id": last[1]})


class Repositories(Resource):
    path = "/api/v1/recyclebin/repositories"

    @operation(
        "listDeletedRepositories",
        "repository",
        needs.SIGNED_IN,
        scopes=("org:admin", "user:admin"),
        query=RepositoriesQuery,
        answer=RepositoriesInBin,
    )
    def get(self, call: Call) -> RepositoriesInBin:
        """Repositories of a namespace that were deleted and can be brought back, the latest first."""
        namespace = call.query.namespace or call.principal.name
        bin_ = call.registry.content.recycle_bin
        found, more = bin_.repositories(call.principal, namespace, after=_after(call))
        answer: RepositoriesInBin = {"repositories": [_repository(one) for one in found]}
        if more:
            answer["next_page"] = _next(call, found[-1].place)
        return answer


class Repository(Resource):
    path = "/api/v1/recyclebin/repositories/{uuid}/undelete"

    @operation(
        "undeleteRepository",
        "repository",
        needs.SIGNED_IN,
        scopes=("repo:admin",),
        query=UndeleteQuery,
        answer=RepositoryBack,
        also=(409,),
    )
    def post(self, call: Call, uuid: str) -> RepositoryBack:
        """Brings a repository back with all that it had; 409 when its name is taken."""
        back = call.registry.content.recycle_bin.undelete_repository(call.principal, uuid, call.query.name)
        return {"namespace": back.namespace, "name": back.name}


class Organizations(Resource):
    path = "/api/v1/recyclebin/organizations"

    @operation(
        "listDeletedOrganizations",
        "organization",
        needs.SIGNED_IN,
        scopes=("org:admin",),
        query=OrganizationsQuery,
        answer=OrganizationsInBin,
    )
    def get(self, call: Call) -> OrganizationsInBin:
        """Deleted organizations that the caller administered, for superusers all, the latest first."""
        found, more = call.registry.content.recycle_bin.organizations(call.principal, after=_after(call))
        answer: OrganizationsInBin = {"organizations": [_organization(one) for one in found]}
        if more:
            answer["next_page"] = _next(call, found[-1].place)
        return answer


class Organization(Resource):
    path = "/api/v1/recyclebin/organizations/{uuid}/undelete"

    @operation(
        "undeleteOrganization",
        "organization",
        needs.SIGNED_IN,
        scopes=("org:admin",),
        query=UndeleteQuery,
        answer=OrganizationBack,
        also=(409,),
    )
    def post(self, call: Call, uuid: str) -> OrganizationBack:
        """Brings an organization back with all that went with it; 409 when its name is taken."""
        bin_ = call.registry.content.recycle_bin
        return {"name": bin_.undelete_organization(call.principal, uuid, call.query.name)}


class OrganizationName(Resource):
    path = "/api/v1/recyclebin/organizations/{uuid}/release"

    @operation(
        "releaseOrganizationName",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        status=204,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call, uuid: str) -> None:
        """Gives the name of a deleted organization free; it stays in the recycle bin."""
        call.registry.content.recycle_bin.release(call.principal, uuid)


def _repository(one: DeletedRepository) -> RepositoryInBin:
    return {
        "uuid": one.uuid,
        "namespace": one.namespace,
        "name": one.name,
        "tags": one.tags,
        "deleted": iso(one.deleted_ms),
        "ends": iso(one.ends_ms),
    }


def _organization(one: DeletedOrganization) -> OrganizationInBin:
    return {
        "uuid": one.uuid,
        "name": one.name,
        "name_released": one.released,
        "repositories": one.repositories,
        "deleted": iso(one.deleted_ms),
        "ends": iso(one.ends_ms),
    }


RESOURCES = (Repositories, Repository, Organizations, Organization, OrganizationName)
