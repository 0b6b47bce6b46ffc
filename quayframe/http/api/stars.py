"""Stars: the caller's favourite repositories."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from quayframe.errors import InsufficientScope, NameInvalid
from quayframe.oci.names import RepositoryName

from . import needs
from .operation import Body, Call, Query, Resource, operation


class StarredQuery(Query):
    next_page: str | None = None


class StarBody(Body):
    namespace: str
    repository: str


class StarView(TypedDict):
    namespace: str
    repository: str


class StarredRepository(TypedDict):
    namespace: str
    name: str
    description: str | None
    is_public: bool


class StarredList(TypedDict):
    repositories: list[StarredRepository]
    next_page: NotRequired[str]


class Starred(Resource):
    path = "/api/v1/user/starred"

    @operation(
        "listStarredRepos",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        query=StarredQuery,
        answer=StarredList,
    )
    def get(self, call: Call) -> StarredList:
        """The caller's starred repositories that can still be seen, in the order of starring."""
        state = call.page_state() or {}
        found, after = call.registry.tenancy.stars.page(call.principal, int(state.get("after", 0)))
        answer: StarredList = {
            "repositories": [
                {
                    "namespace": one.namespace,
                    "name": one.name,
                    "description": one.description,
                    "is_public": one.is_public,
                }
                for one in found
            ]
        }
        if after is not None:
            answer["next_page"] = call.page({"after": after})
        return answer

    @operation(
        "createStar",
        "user",
        needs.USER_ADMIN,
        scopes=("repo:read",),
        body=StarBody,
        answer=StarView,
        status=201,
    )
    def post(self, call: Call) -> StarView:
        """Stars a repository; once more is the same."""
        body: StarBody = call.body
        name = _name(call, f"{body.namespace}/{body.repository}")
        if name is None:
            raise InsufficientScope()
        call.registry.tenancy.stars.add(call.principal, name)
        return {"namespace": name.namespace, "repository": name.name}


class Star(Resource):
    path = "/api/v1/user/starred/{repository}"

    @operation("deleteStar", "user", needs.USER_ADMIN, scopes=("user:admin",), status=204)
    def delete(self, call: Call, repository: str) -> None:
        """Takes a star away."""
        name = _name(call, repository)
        if name is not None:
            call.registry.tenancy.stars.remove(call.principal, name)


def _name(call: Call, path: str) -> RepositoryName | None:
    try:
        return call.api.repository_name(path)
    except NameInvalid:
        return None


RESOURCES = (Starred, Star)
