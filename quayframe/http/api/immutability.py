"""Policies that make tags immutable: of organizations and of repositories."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.policies import Policy, immutable

from . import needs
from .autoprune import REPOSITORY, PolicyMade, Side, of_organization
from .operation import Body, Call, Resource, operation

_FEATURE = "FEATURE_IMMUTABLE_TAGS"


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


def _list(side: Side) -> type[Resource]:
    class Policies(Resource):
        path = f"{side.base}/immutabilitypolicy/"

        @operation(
            f"list{side.word}ImmutabilityPolicies",
            "immutability_policy",
            side.need,
            scopes=side.scopes,
            answer=ImmutabilityList,
            feature=_FEATURE,
        )
        def get(self, call: Call, **path: str) -> ImmutabilityList:
            """Immutability policies, in the order of making."""
            found = call.registry.content.policies.all(call.principal, side.owner(call), "immutable")
            return {"policies": [_view(policy) for policy in found]}

        @operation(
            f"create{side.word}ImmutabilityPolicy",
            "immutability_policy",
            side.need,
            scopes=side.scopes,
            body=ImmutabilityBody,
            answer=PolicyMade,
            status=201,
            feature=_FEATURE,
        )
        def post(self, call: Call, **path: str) -> PolicyMade:
            """Adds an immutability policy: it holds at once, for the tags that are there too."""
            body: ImmutabilityBody = call.body
            policies = call.registry.content.policies
            return {"uuid": policies.create(call.principal, side.owner(call), body.policy())}

    return Policies


def _one(side: Side) -> type[Resource]:
    class OnePolicy(Resource):
        path = f"{side.base}/immutabilitypolicy/{{policy_uuid}}"

        @operation(
            f"get{side.word}ImmutabilityPolicy",
            "immutability_policy",
            side.need,
            scopes=side.scopes,
            answer=ImmutabilityView,
            feature=_FEATURE,
        )
        def get(self, call: Call, policy_uuid: str, **path: str) -> ImmutabilityView:
            """An immutability policy."""
            policies = call.registry.content.policies
            return _view(policies.get(call.principal, side.owner(call), "immutable", policy_uuid))

        @operation(
            f"update{side.word}ImmutabilityPolicy",
            "immutability_policy",
            side.need,
            scopes=side.scopes,
            body=ImmutabilityBody,
            status=204,
            feature=_FEATURE,
        )
        def put(self, call: Call, policy_uuid: str, **path: str) -> None:
            """Changes all that an immutability policy says."""
            body: ImmutabilityBody = call.body
            policies = call.registry.content.policies
            policies.change(call.principal, side.owner(call), policy_uuid, body.policy())

        @operation(
            f"delete{side.word}ImmutabilityPolicy",
            "immutability_policy",
            side.need,
            scopes=side.scopes,
            answer=PolicyMade,
            feature=_FEATURE,
        )
        def delete(self, call: Call, policy_uuid: str, **path: str) -> PolicyMade:
            """Takes an immutability policy away; the tags that it alone pinned are free at once."""
            call.registry.content.policies.delete(call.principal, side.owner(call), "immutable", policy_uuid)
            return {"uuid": policy_uuid}

    return OnePolicy


_SIDES = (
    Side("Org", "/api/v1/organization/{orgname}", needs.ORG_ADMIN, ("org:admin",), of_organization),
    REPOSITORY,
)

RESOURCES = tuple(make(side) for side in _SIDES for make in (_list, _one))
