"""Policies that make tags immutable: of organizations and of repositories."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.policies import Owner, Policy, immutable

from . import needs
from .autoprune import PolicyMade, of_organization, of_repository
from .operation import Body, Call, Resource, operation

_FEATURE = "FEATURE_IMMUTABLE_TAGS"
_TAG = "immutability_policy"


class ImmutabilityBody(Body):
    tag_pattern: str = Field(alias="tagPattern")
    tag_pattern_matches: bool = Field(default=True, alias="tagPatternMatches")

    def policy(self) -> Policy:
        """Raises InvalidRequest."""
        return immutable(self.tag_pattern, self.tag_pattern_matches)


class ImmutabilityView(TypedDict):
    uuid: str
    tagPattern: str
    tagPatternMatches: bool


class ImmutabilityList(TypedDict):
    policies: list[ImmutabilityView]


def _view(policy: Policy) -> ImmutabilityView:
    assert policy.uuid is not None
    assert policy.pattern is not None
    return {"uuid": policy.uuid, "tagPattern": policy.pattern, "tagPatternMatches": policy.matches}


def _resources(
    word: str, base: str, need: needs.Need, scope: str, owner_of: Callable[[Call], Owner]
) -> tuple[type[Resource], ...]:
    """The operations on the policies of one kind of owner."""
    scopes = (scope,)

    class Policies(Resource):
        path = f"{base}/immutabilitypolicy/"

        @operation(
            f"list{word}ImmutabilityPolicies",
            _TAG,
            need,
            scopes=scopes,
            answer=ImmutabilityList,
            feature=_FEATURE,
        )
        def get(self, call: Call, **path: str) -> ImmutabilityList:
            """Immutability policies, in the order of making."""
            found = call.registry.content.policies.all(call.principal, owner_of(call), "immutable")
            return {"policies": [_view(policy) for policy in found]}

        @operation(
            f"create{word}ImmutabilityPolicy",
            _TAG,
            need,
            scopes=scopes,
            body=ImmutabilityBody,
            answer=PolicyMade,
            status=201,
            feature=_FEATURE,
        )
        def post(self, call: Call, **path: str) -> PolicyMade:
            """Adds an immutability policy: it holds at once, for the tags that are there too."""
            body: ImmutabilityBody = call.body
            policies = call.registry.content.policies
            return {"uuid": policies.create(call.principal, owner_of(call), body.policy())}

    class OnePolicy(Resource):
        path = f"{base}/immutabilitypolicy/{{policy_uuid}}"

        @operation(
            f"get{word}ImmutabilityPolicy",
            _TAG,
            need,
            scopes=scopes,
            answer=ImmutabilityView,
            feature=_FEATURE,
        )
        def get(self, call: Call, policy_uuid: str, **path: str) -> ImmutabilityView:
            """An immutability policy."""
            policies = call.registry.content.policies
            return _view(policies.get(call.principal, owner_of(call), "immutable", policy_uuid))

        @operation(
            f"update{word}ImmutabilityPolicy",
            _TAG,
            need,
            scopes=scopes,
            body=ImmutabilityBody,
            status=204,
            feature=_FEATURE,
        )
        def put(self, call: Call, policy_uuid: str, **path: str) -> None:
            """Changes all that an immutability policy says."""
            body: ImmutabilityBody = call.body
            policies = call.registry.content.policies
            policies.change(call.principal, owner_of(call), policy_uuid, body.policy())

        @operation(
            f"delete{word}ImmutabilityPolicy",
            _TAG,
            need,
            scopes=scopes,
            answer=PolicyMade,
            feature=_FEATURE,
        )
        def delete(self, call: Call, policy_uuid: str, **path: str) -> PolicyMade:
            """Takes an immutability policy away; the tags that it alone pinned are free at once."""
            call.registry.content.policies.delete(call.principal, owner_of(call), "immutable", policy_uuid)
            return {"uuid": policy_uuid}

    return Policies, OnePolicy


RESOURCES = (
    *_resources("Org", "/api/v1/organization/{orgname}", needs.ORG_ADMIN, "org:admin", of_organization),
    *_resources(
        "Repository", "/api/v1/repository/{repository}", needs.REPO_ADMIN, "repo:admin", of_repository
    ),
)
