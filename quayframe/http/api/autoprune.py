"""Policies that end tags: of organizations, of repositories, of one's own namespace."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import NotFound
from quayframe.services.policies import Owner, Policy, prune
from quayframe.services.pruning import Mark

from . import needs
from .operation import Body, Call, Query, Resource
from .policy_resources import REPOSITORY, Family, Side, of_organization


class PolicyBody(Body):
    """`value`: for number_of_tags how many of the newest stay; for creation_date an age such as `2w` (units
    s, m, h, d, w)."""

    method: str
    value: int | str
    tag_pattern: str | None = Field(default=None, alias="tagPattern")
    tag_pattern_matches: bool = Field(default=True, alias="tagPatternMatches")

    def policy(self) -> Policy:
        """Raises InvalidRequest."""
        return prune(self.method, self.value, self.tag_pattern, self.tag_pattern_matches)


class VictimsQuery(Query):
    limit: int = Field(default=100, ge=1, le=500)
    next_page: str | None = None


class PolicyView(TypedDict):
    uuid: str
    method: str
    value: int | str
    tagPattern: str | None
    tagPatternMatches: bool


class PolicyList(TypedDict):
    policies: list[PolicyView]


class VictimView(TypedDict):
    """A tag that would end, and by which policy (null: the one that was sent). `start_ts`: since when it
    names this manifest, in seconds since the epoch."""

    repository: str
    tag: str
    manifest_digest: str
    start_ts: int
    rule: str
    policy: str | None


class VictimList(TypedDict):
    victims: list[VictimView]
    next_page: NotRequired[str]


def _view(policy: Policy) -> PolicyView:
    assert policy.uuid is not None
    assert policy.method is not None
    assert policy.value is not None
    return {
        "uuid": policy.uuid,
        "method": policy.method,
        "value": policy.value,
        "tagPattern": policy.pattern,
        "tagPatternMatches": policy.matches,
    }


def _victims(call: Call, owner: Owner, policy: Policy) -> VictimList:
    query: VictimsQuery = call.query
    state = call.page_state()
    mark = Mark(**state) if state else None
    found, after = call.registry.content.pruning.victims(owner, policy, query.limit, mark)
    answer: VictimList = {
        "victims": [
            {
                "repository": f"{one.place.namespace}/{one.place.name}",
                "tag": one.name,
                "manifest_digest": one.digest,
                "start_ts": one.start_ms // 1000,
                "rule": "prune",
                "policy": policy.uuid,
            }
            for one in found
        ]
    }
    if after is not None:
        answer["next_page"] = call.page(vars(after))
    return answer


def _of_caller(call: Call) -> Owner:
    namespace = call.registry.access.namespace(call.principal.name)
    if namespace is None:
        raise NotFound()
    return Owner(namespace)


_FAMILY = Family(
    kind="prune",
    tag="policy",
    feature="FEATURE_AUTO_PRUNE",
    path="autoprunepolicy",
    name="AutoPrunePolicy",
    names="AutoPrunePolicies",
    says="auto-prune policy",
    listed="Auto-prune policies, in the order of making.",
    added="Adds an auto-prune policy.",
    gone="Takes an auto-prune policy away; what it ended stays ended.",
    body=PolicyBody,
    one=PolicyView,
    many=PolicyList,
    view=_view,
)


def _dry_run(side: Side) -> type[Resource]:
    class DryRun(Resource):
        path = f"{side.base}/autoprunepolicy/dryrun"

        @_FAMILY.operation(side, "dryRun", query=VictimsQuery, body=PolicyBody, answer=VictimList)
        def post(self, call: Call, **path: str) -> VictimList:
            """Every tag that a policy would end now; it is not stored, and nothing ends."""
            body: PolicyBody = call.body
            return _victims(call, side.owner(call), body.policy())

    return DryRun


def _of_stored(side: Side) -> type[Resource]:
    class Victims(Resource):
        path = f"{side.base}/autoprunepolicy/{{policy_uuid}}/victims"

        @_FAMILY.operation(side, "list", "AutoPruneVictims", query=VictimsQuery, answer=VictimList)
        def get(self, call: Call, policy_uuid: str, **path: str) -> VictimList:
            """Every tag that a stored policy ends in its next round."""
            owner = side.owner(call)
            policy = call.registry.content.policies.get(call.principal, owner, "prune", policy_uuid)
            return _victims(call, owner, policy)

    return Victims


_SIDES = (
    Side("Organization", "/api/v1/organization/{orgname}", needs.ORG_ADMIN, ("org:admin",), of_organization),
    REPOSITORY,
    Side("User", "/api/v1/user", needs.USER_ADMIN, ("user:admin",), _of_caller),
)

RESOURCES = tuple(
    made for side in _SIDES for made in (*_FAMILY.resources(side), _dry_run(side), _of_stored(side))
)
