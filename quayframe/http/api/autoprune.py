"""Policies that end tags: of organizations, of repositories, of one's own namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import NotFound
from quayframe.services.policies import Owner, Policy, prune
from quayframe.services.pruning import Mark

from . import needs
from .operation import Body, Call, Query, Resource, operation

_FEATURE = "FEATURE_AUTO_PRUNE"
_TAG = "policy"


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


class PolicyMade(TypedDict):
    uuid: str


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


def view(policy: Policy) -> PolicyView:
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


def of_organization(call: Call) -> Owner:
    return Owner(call.namespace)


def of_repository(call: Call) -> Owner:
    return call.registry.content.policies.owner(call.repository)


def _of_caller(call: Call) -> Owner:
    namespace = call.registry.access.namespace(call.principal.name)
    if namespace is None:
        raise NotFound()
    return Owner(namespace)


def _resources(
    word: str, base: str, need: needs.Need, scope: str, owner_of: Callable[[Call], Owner]
) -> tuple[type[Resource], ...]:
    """The operations on the policies of one kind of owner; they differ in nothing but their names and
    paths."""
    scopes = (scope,)

    class Policies(Resource):
        path = f"{base}/autoprunepolicy/"

        @operation(
            f"list{word}AutoPrunePolicies", _TAG, need, scopes=scopes, answer=PolicyList, feature=_FEATURE
        )
        def get(self, call: Call, **path: str) -> PolicyList:
            """Auto-prune policies, in the order of making."""
            found = call.registry.content.policies.all(call.principal, owner_of(call), "prune")
            return {"policies": [view(policy) for policy in found]}

        @operation(
            f"create{word}AutoPrunePolicy",
            _TAG,
            need,
            scopes=scopes,
            body=PolicyBody,
            answer=PolicyMade,
            status=201,
            feature=_FEATURE,
        )
        def post(self, call: Call, **path: str) -> PolicyMade:
            """Adds an auto-prune policy."""
            body: PolicyBody = call.body
            policies = call.registry.content.policies
            return {"uuid": policies.create(call.principal, owner_of(call), body.policy())}

    class OnePolicy(Resource):
        path = f"{base}/autoprunepolicy/{{policy_uuid}}"

        @operation(
            f"get{word}AutoPrunePolicy", _TAG, need, scopes=scopes, answer=PolicyView, feature=_FEATURE
        )
        def get(self, call: Call, policy_uuid: str, **path: str) -> PolicyView:
            """An auto-prune policy."""
            return view(
                call.registry.content.policies.get(call.principal, owner_of(call), "prune", policy_uuid)
            )

        @operation(
            f"update{word}AutoPrunePolicy",
            _TAG,
            need,
            scopes=scopes,
            body=PolicyBody,
            status=204,
            feature=_FEATURE,
        )
        def put(self, call: Call, policy_uuid: str, **path: str) -> None:
            """Changes all that an auto-prune policy says."""
            body: PolicyBody = call.body
            policies = call.registry.content.policies
            policies.change(call.principal, owner_of(call), policy_uuid, body.policy())

        @operation(
            f"delete{word}AutoPrunePolicy", _TAG, need, scopes=scopes, answer=PolicyMade, feature=_FEATURE
        )
        def delete(self, call: Call, policy_uuid: str, **path: str) -> PolicyMade:
            """Takes an auto-prune policy away; what it ended stays ended."""
            call.registry.content.policies.delete(call.principal, owner_of(call), "prune", policy_uuid)
            return {"uuid": policy_uuid}

    class DryRun(Resource):
        path = f"{base}/autoprunepolicy/dryrun"

        @operation(
            f"dryRun{word}AutoPrunePolicy",
            _TAG,
            need,
            scopes=scopes,
            query=VictimsQuery,
            body=PolicyBody,
            answer=VictimList,
            feature=_FEATURE,
        )
        def post(self, call: Call, **path: str) -> VictimList:
            """Every tag that a policy would end now; it is not stored, and nothing ends."""
            body: PolicyBody = call.body
            return _victims(call, owner_of(call), body.policy())

    class Victims(Resource):
        path = f"{base}/autoprunepolicy/{{policy_uuid}}/victims"

        @operation(
            f"list{word}AutoPruneVictims",
            _TAG,
            need,
            scopes=scopes,
            query=VictimsQuery,
            answer=VictimList,
            feature=_FEATURE,
        )
        def get(self, call: Call, policy_uuid: str, **path: str) -> VictimList:
            """Every tag that a stored policy ends in its next round."""
            owner = owner_of(call)
            policy = call.registry.content.policies.get(call.principal, owner, "prune", policy_uuid)
            return _victims(call, owner, policy)

    return Policies, OnePolicy, DryRun, Victims


RESOURCES = (
    *_resources(
        "Organization", "/api/v1/organization/{orgname}", needs.ORG_ADMIN, "org:admin", of_organization
    ),
    *_resources(
        "Repository", "/api/v1/repository/{repository}", needs.REPO_ADMIN, "repo:admin", of_repository
    ),
    *_resources("User", "/api/v1/user", needs.USER_ADMIN, "user:admin", _of_caller),
)
