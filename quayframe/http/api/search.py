"""Search over all that the caller may see."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.search import Entity, Hit

from . import needs
from .operation import Call, Query, Resource, operation
from .people import face
from .views import Avatar

_TITLES = {"user": "user", "organization": "org", "robot": "robot", "team": "team"}


class SearchQuery(Query):
    query: str = ""


class RepositorySearchQuery(Query):
    query: str = ""
    page: int = 1
    usage: bool = Field(default=False, alias="includeUsage")


class EntityResult(TypedDict):
    kind: str
    title: str
    name: str
    avatar: Avatar
    score: float
    href: str
    short_name: NotRequired[str]
    namespace: NotRequired[EntityResult]


class RepositoryResult(TypedDict):
    """With `includeUsage` also `last_modified` (seconds since the epoch), `stars` and `popularity`."""

    kind: Literal["repository"]
    title: str
    namespace: EntityResult
    name: str
    description: str | None
    is_public: bool
    score: float
    href: str
    last_modified: NotRequired[int | None]
    stars: NotRequired[int]
    popularity: NotRequired[float]


class SearchResults(TypedDict):
    results: list[RepositoryResult | EntityResult]


class RepositoryResults(TypedDict):
    """`page` counts from 1, `start_index` from 0."""

    results: list[RepositoryResult]
    has_additional: bool
    page: int
    page_size: int
    start_index: int


def _entity(call: Call, entity: Entity) -> EntityResult:
    kinds: dict[str, Literal["user", "org", "team", "robot"]] = {
        "organization": "org",
        "team": "team",
        "robot": "robot",
    }
    result: EntityResult = {
        "kind": entity.kind,
        "title": _TITLES[entity.kind],
        "name": entity.name,
        "avatar": face(call, entity.name, kinds.get(entity.kind, "user"), entity.seed),
        "score": entity.score,
        "href": _href(entity),
    }
    if entity.short is not None and entity.kind == "robot":
        result["short_name"] = entity.short
    if entity.namespace is not None:
        result["namespace"] = _entity(call, entity.namespace)
    return result


def _href(entity: Entity) -> str:
    if entity.namespace is None:
        return f"/{entity.kind}/{entity.name}"
    parent = f"/{entity.namespace.kind}/{entity.namespace.name}"
    return f"{parent}/teams/{entity.name}" if entity.kind == "team" else f"{parent}?tab=robots"


def _repository(call: Call, hit: Hit) -> RepositoryResult:
    found = hit.repository
    return {
        "kind": "repository",
        "title": "repo",
        "namespace": _entity(call, hit.namespace),
        "name": found.name,
        "description": found.description,
        "is_public": found.is_public,
        "score": hit.score,
        "href": f"/repository/{found.namespace}/{found.name}",
    }


class Everything(Resource):
    path = "/api/v1/find/all"

    @operation(
        "conductSearch",
        "search",
        needs.ANYONE,
        scopes=("repo:read",),
        query=SearchQuery,
        answer=SearchResults,
    )
    def get(self, call: Call) -> SearchResults:
        """Repositories, users, organizations, and the caller's teams and robots, the nearest first."""
        found = call.registry.tenancy.search.everything(call.principal, call.query.query)
        return {
            "results": [
                _repository(call, one) if isinstance(one, Hit) else _entity(call, one) for one in found
            ]
        }


class FoundRepositories(Resource):
    path = "/api/v1/find/repositories"

    @operation(
        "conductRepoSearch",
        "search",
        needs.ANYONE,
        query=RepositorySearchQuery,
        answer=RepositoryResults,
    )
    def get(self, call: Call) -> RepositoryResults:
        """Repositories, page by page, the nearest first; all that can be seen for an empty query."""
        query: RepositorySearchQuery = call.query
        settings, tenancy = call.registry.settings, call.registry.tenancy
        size, pages = settings.SEARCH_RESULTS_PER_PAGE, settings.SEARCH_MAX_RESULT_PAGE_COUNT
        page = min(max(1, query.page), pages)
        start = (page - 1) * size
        hits = tenancy.search.repositories(call.principal, query.query, offset=start, limit=size + 1)
        results = [_repository(call, hit) for hit in hits[:size]]
        if query.usage:
            _add_usage(call, hits[:size], results)
        return {
            "results": results,
            "has_additional": len(hits) > size and page < pages,
            "page": page,
            "page_size": size,
            "start_index": start,
        }


def _add_usage(call: Call, hits: list[Hit], results: list[RepositoryResult]) -> None:
    views = call.registry.tenancy.repository_views
    ids = [hit.repository.id for hit in hits]
    modified, stars, popular = views.last_modified(ids), views.stars(ids), views.popularity(ids)
    for ident, result in zip(ids, results, strict=True):
        result["last_modified"] = modified[ident] // 1000 if ident in modified else None
        result["stars"] = stars.get(ident, 0)
        result["popularity"] = popular.get(ident, 0.0)


RESOURCES = (Everything, FoundRepositories)
