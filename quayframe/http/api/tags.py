"""Tags of a repository."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import InvalidRequest, Refused
from quayframe.services.tag_edits import UNSET, Change, Unset
from quayframe.services.tag_history import MOST, USUAL, Period, Wanted, parse_filter

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .views import LAST_MS, rfc2822

_FILTER = (
    "Unsupported syntax for filter_tag_name. Expected <operation>:<tag_name> where <operation>"
    "can be 'like' or 'eq'."
)


class ListQuery(Query):
    """`limit` is brought between 1 and 100. `filter_tag_name`: like:<piece of a name> or eq:<name>."""

    specificTag: str | None = None  # noqa: N815 - the wire's name
    filter_tag_name: str | None = None
    limit: int = USUAL
    page: int = Field(default=1, description="Page index for the results. Default 1.")
    onlyActiveTags: bool = False  # noqa: N815


class TagView(TypedDict):
    """A tag while it names, or named, a manifest. `start_ts` and `end_ts` are seconds since the epoch; an
    end is there only where there is one. `size`: of the layers as they are stored, null for an index. What an
    index lists is left out where the indexes of a page are too long for it."""

    name: str
    reversion: bool
    immutable: NotRequired[bool]
    start_ts: int
    end_ts: NotRequired[int]
    manifest_digest: str
    is_manifest_list: bool
    size: int | None
    last_modified: str
    expiration: NotRequired[str]
    is_sparse: NotRequired[bool]
    child_manifest_count: NotRequired[int]
    present_child_count: NotRequired[int]
    child_manifests_presence: NotRequired[dict[str, bool]]


class TagList(TypedDict):
    tags: list[TagView]
    page: int
    has_additional: bool


class ChangeBody(Body):
    """At least one of them. `expiration`: seconds since the epoch, null = no end."""

    manifest_digest: str | None = None
    expiration: float | None = None
    immutable: bool = False


class RestoreBody(Body):
    manifest_digest: str = ""


class ExpireBody(Body):
    """`is_alive`: the live tag; otherwise its past at `manifest_digest`."""

    manifest_digest: str = ""
    include_submanifests: bool = False
    is_alive: bool = False


class Tags(Resource):
    path = "/api/v1/repository/{repository}/tag/"

    @operation("listRepoTags", "tag", needs.REPO_READ, scopes=("repo:read",), query=ListQuery, answer=TagList)
    def get(self, call: Call, repository: str) -> TagList:
        """The history of tags, the latest first; with `onlyActiveTags` what they are now."""
        query: ListQuery = call.query
        wanted = Wanted()
        if query.filter_tag_name is not None:
            asked = parse_filter(query.filter_tag_name)
            if asked is None:
                raise Refused(_FILTER)
            wanted = asked
        name = query.specificTag or wanted.name
        wanted = Wanted(query.onlyActiveTags, name, wanted.part)
        page, limit = max(1, query.page), min(max(1, query.limit), MOST)
        content = call.registry.content
        found, more = content.tag_history.page(call.repository.id, wanted, page, limit)
        shown = content.pins.enabled
        return {
            "tags": [view(period, with_pin=shown) for period in found],
            "page": query.page,
            "has_additional": more,
        }


class Tag(Resource):
    path = "/api/v1/repository/{repository}/tag/{tag}"

    @operation(
        "changeTag",
        "tag",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        body=ChangeBody,
        answer=str,
        status=201,
    )
    def put(self, call: Call, repository: str, tag: str) -> str:
        """Makes or moves a tag, changes its end, pins it."""
        body: ChangeBody = call.body
        expiration: float | Unset | None = body.expiration if body.given("expiration") else UNSET
        immutable = body.immutable if body.given("immutable") else None
        change = Change(body.manifest_digest, expiration, immutable)
        call.registry.content.tag_edits.change(call.principal, call.repository, tag, change)
        return "Updated"

    @operation("deleteFullTag", "tag", needs.REPO_WRITE, scopes=("repo:write",), status=204)
    def delete(self, call: Call, repository: str, tag: str) -> None:
        """Ends a tag; while the time machine goes back so far it can be restored."""
        call.registry.content.tag_edits.delete(call.principal, call.repository, tag)


class Restore(Resource):
    path = "/api/v1/repository/{repository}/tag/{tag}/restore"

    @operation(
        "restoreTag",
        "tag",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        body=RestoreBody,
        answer=dict[str, str],
    )
    def post(self, call: Call, repository: str, tag: str) -> dict[str, str]:
        """Has the tag name an earlier manifest again."""
        body: RestoreBody = call.body
        if not body.manifest_digest:
            raise InvalidRequest("Missing manifest_digest")
        call.registry.content.tag_edits.restore(call.principal, call.repository, tag, body.manifest_digest)
        return {}


class Expire(Resource):
    path = "/api/v1/repository/{repository}/tag/{tag}/expire"

    @operation(
        "removeTagFromTimemachine",
        "tag",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        body=ExpireBody,
        answer=str,
        feature="PERMANENTLY_DELETE_TAGS",
    )
    def post(self, call: Call, repository: str, tag: str) -> str:
        """Deletes a tag, or its past, for good."""
        body: ExpireBody = call.body
        call.registry.content.tag_edits.purge(
            call.principal,
            call.repository,
            tag,
            body.manifest_digest or None,
            alive=body.is_alive,
            children=body.include_submanifests,
        )
        return ""


def view(period: Period, *, with_pin: bool) -> TagView:
    """A period as lists show it; `with_pin`: immutability is a feature here."""
    found: TagView = {
        "name": period.name,
        "reversion": period.reversion,
        "start_ts": period.start_ms // 1000,
        "manifest_digest": period.digest,
        "is_manifest_list": period.is_index,
        "size": period.size,
        "last_modified": rfc2822(period.start_ms) or "",
    }
    if with_pin:
        found["immutable"] = period.immutable
    if period.end_ms is not None:
        end = min(period.end_ms, LAST_MS)
        found["end_ts"] = end // 1000
        found["expiration"] = rfc2822(end) or ""
    if period.is_index and period.children is not None:
        present = sum(period.children.values())
        found["is_sparse"] = present < len(period.children)
        found["child_manifest_count"] = len(period.children)
        found["present_child_count"] = present
        found["child_manifests_presence"] = period.children
    return found


RESOURCES = (Tags, Tag, Restore, Expire)
