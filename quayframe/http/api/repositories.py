"""Repositories: listed, made, shown, changed."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import InsufficientScope, InvalidRequest, NameInvalid, NotSignedIn
from quayframe.oci import names
from quayframe.oci.names import RepositoryName
from quayframe.services.repository_views import Listed, TagView, Wanted

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .views import rfc2822


class ListQuery(Query):
    namespace: str | None = None
    starred: bool = False
    public: bool = False
    last_modified: bool = False
    popularity: bool = False
    repo_kind: str = "image"
    next_page: str | None = None


class CreateBody(Body):
    repository: str
    visibility: Literal["public", "private"]
    namespace: str | None = None
    description: str
    repo_kind: Literal["image"] | None = None


class RepositoryListed(TypedDict):
    """`last_modified` in seconds since the epoch, null before the first push."""

    namespace: str
    name: str
    description: str | None
    is_public: bool
    kind: str
    state: str
    is_starred: NotRequired[bool]
    last_modified: NotRequired[int | None]
    popularity: NotRequired[float]


class RepositoryList(TypedDict):
    repositories: list[RepositoryListed]
    next_page: NotRequired[str]


class RepositoryMade(TypedDict):
    namespace: str
    name: str
    kind: str


class TagListed(TypedDict):
    """`size` in bytes, of all layers; null for an index."""

    name: str
    size: int | None
    last_modified: str | None
    expiration: NotRequired[str | None]
    manifest_digest: str


class DayCount(TypedDict):
    date: str
    count: int


class RepositoryView(TypedDict):
    namespace: str
    name: str
    kind: str
    description: str | None
    is_public: bool
    is_organization: bool
    is_starred: bool
    status_token: str
    trust_enabled: bool
    tag_expiration_s: int
    is_free_account: bool
    state: str
    tags: NotRequired[dict[str, TagListed]]
    can_write: bool
    can_admin: bool
    stats: NotRequired[list[DayCount]]


class GetQuery(Query):
    stats: bool = Field(default=False, alias="includeStats")
    tags: bool = Field(default=True, alias="includeTags")


class DescriptionBody(Body):
    description: str


class VisibilityBody(Body):
    visibility: Literal["public", "private"]


class TrustBody(Body):
    trust_enabled: bool


class StateBody(Body):
    state: Literal["NORMAL", "READ_ONLY", "MIRROR"]


class Success(TypedDict):
    success: Literal[True]


DONE: Success = {"success": True}


class Repositories(Resource):
    path = "/api/v1/repository"

    @operation(
        "listRepos",
        "repository",
        needs.ANYONE,
        scopes=("repo:read",),
        query=ListQuery,
        answer=RepositoryList,
    )
    def get(self, call: Call) -> RepositoryList:
        """Repositories of a namespace, starred ones, or all public ones, in the order of making."""
        query: ListQuery = call.query
        if query.namespace is None and not query.starred and not query.public:
            raise InvalidRequest("namespace, starred or public are required for this API call")
        if query.starred and call.principal.account_id is None:
            raise NotSignedIn()
        state = call.page_state() or {}
        if query.repo_kind != "image":
            return {"repositories": []}
        views = call.registry.tenancy.repository_views
        wanted = Wanted(query.namespace, query.starred, query.public)
        found, more = views.page(call.principal, wanted, int(state.get("after", 0)))
        ids = [one.id for one in found]
        modified = views.last_modified(ids) if query.last_modified else {}
        popular = views.popularity(ids) if query.popularity else {}
        answer: RepositoryList = {"repositories": []}
        for one in found:
            item = _item(one)
            if call.principal.account_id is not None:
                item["is_starred"] = one.is_starred
            if query.last_modified:
                item["last_modified"] = modified[one.id] // 1000 if one.id in modified else None
            if query.popularity:
                item["popularity"] = popular.get(one.id, 0.0)
            answer["repositories"].append(item)
        if more:
            answer["next_page"] = call.page({"after": found[-1].id})
        return answer

    @operation(
        "createRepo",
        "repository",
        needs.SIGNED_IN,
        scopes=("repo:create",),
        body=CreateBody,
        answer=RepositoryMade,
        status=201,
    )
    def post(self, call: Call) -> RepositoryMade:
        """Makes an empty repository, in one's own namespace unless another is named."""
        body: CreateBody = call.body
        name = _new_name(call, body.namespace or call.principal.name, body.repository)
        call.registry.repositories.create(call.principal, name, body.visibility, body.description)
        return {"namespace": name.namespace, "name": name.name, "kind": "image"}


class Repository(Resource):
    path = "/api/v1/repository/{repository}"

    @operation(
        "getRepo",
        "repository",
        needs.REPO_READ,
        scopes=("repo:read",),
        query=GetQuery,
        answer=RepositoryView,
    )
    def get(self, call: Call, repository: str) -> RepositoryView:
        """A repository, with its live tags and, where asked for, how much was done in it each day."""
        row, query = call.repository, call.query
        views = call.registry.tenancy.repository_views
        details = views.details(call.principal, row)
        answer: RepositoryView = {
            "namespace": row.namespace,
            "name": row.name,
            "kind": row.kind,
            "description": details.description,
            "is_public": row.visibility == "public",
            "is_organization": details.is_organization,
            "is_starred": details.is_starred,
            "status_token": "" if row.visibility == "public" else details.badge_token,
            "trust_enabled": details.trust_enabled,
            "tag_expiration_s": details.tag_expiration_s,
            "is_free_account": True,
            "state": row.state,
            "can_write": details.can_write,
            "can_admin": details.can_admin,
        }
        if query.tags:
            answer["tags"] = {tag.name: _tag(tag) for tag in views.tags(row)}
        if query.stats:
            answer["stats"] = [{"date": day, "count": count} for day, count in views.statistics(row)]
        return answer

    @operation(
        "updateRepo",
        "repository",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        body=DescriptionBody,
        answer=Success,
    )
    def put(self, call: Call, repository: str) -> Success:
        """Changes a repository's description."""
        call.registry.repositories.describe(call.principal, _name(call), call.body.description)
        return DONE

    @operation("deleteRepository", "repository", needs.REPO_ADMIN, scopes=("repo:admin",), status=204)
    def delete(self, call: Call, repository: str) -> None:
        """Deletes a repository."""
        call.registry.repositories.delete(call.principal, _name(call))


class RepositoryVisibility(Resource):
    path = "/api/v1/repository/{repository}/changevisibility"

    @operation(
        "changeRepoVisibility",
        "repository",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        body=VisibilityBody,
        answer=Success,
    )
    def post(self, call: Call, repository: str) -> Success:
        """Makes a repository public or private."""
        call.registry.repositories.set_visibility(call.principal, _name(call), call.body.visibility)
        return DONE


class RepositoryTrust(Resource):
    path = "/api/v1/repository/{repository}/changetrust"

    @operation(
        "changeRepoTrust",
        "repository",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        body=TrustBody,
        answer=Success,
    )
    def post(self, call: Call, repository: str) -> Success:
        """Notes whether a repository's content is said to be signed."""
        call.registry.repositories.set_trust(call.principal, _name(call), call.body.trust_enabled)
        return DONE


class RepositoryState(Resource):
    path = "/api/v1/repository/{repository}/changestate"

    @operation(
        "changeRepoState",
        "repository",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        body=StateBody,
        answer=Success,
        feature="FEATURE_REPO_MIRROR",
    )
    def put(self, call: Call, repository: str) -> Success:
        """Makes a repository read-only, or normal again."""
        call.registry.repositories.set_state(call.principal, _name(call), call.body.state)
        return DONE


def _item(one: Listed) -> RepositoryListed:
    return {
        "namespace": one.namespace,
        "name": one.name,
        "description": one.description,
        "is_public": one.is_public,
        "kind": one.kind,
        "state": one.state,
    }


def _tag(tag: TagView) -> TagListed:
    view: TagListed = {
        "name": tag.name,
        "size": tag.size,
        "last_modified": rfc2822(tag.start_ms),
        "manifest_digest": tag.digest,
    }
    if tag.end_ms is not None:
        view["expiration"] = rfc2822(tag.end_ms)
    return view


def _name(call: Call) -> RepositoryName:
    return RepositoryName(call.repository.namespace, call.repository.name)


def _new_name(call: Call, namespace: str, name: str) -> RepositoryName:
    if not names.is_namespace(namespace):
        # There is no such namespace: it looks like any other that is not the caller's.
        raise InsufficientScope()
    try:
        found = call.api.repository_name(f"{namespace}/{name}")
    except NameInvalid:
        found = None
    if found is None or found.name != name:
        raise InvalidRequest("Invalid repository name")
    return found


RESOURCES = (
    Repositories,
    Repository,
    RepositoryVisibility,
    RepositoryTrust,
    RepositoryState,
)
