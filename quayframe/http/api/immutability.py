"""Policies that make tags immutable: of organizations and of repositories."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.policies import Policy, immutable

from . import needs
from .operation import Body
from .policy_resources import REPOSITORY, Family, Side, of_organization


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


_FAMILY = Family(
    kind="immutable",
    tag="immutability_policy",
    feature="FEATURE_IMMUTABLE_TAGS",
    path="immutabilitypolicy",
    name="ImmutabilityPolicy",
    names="ImmutabilityPolicies",
    says="immutability policy",
    listed="Immutability policies, in the order of making.",
    added="Adds an immutability policy: it holds at once, for the tags that are there too.",
    gone="Takes an immutability policy away; the tags that it alone pinned are free at once.",
    body=ImmutabilityBody,
    one=ImmutabilityView,
    many=ImmutabilityList,
    view=_view,
)
_SIDES = (
    Side("Org", "/api/v1/organization/{orgname}", needs.ORG_ADMIN, ("org:admin",), of_organization),
    REPOSITORY,
)

RESOURCES = tuple(made for side in _SIDES for made in _FAMILY.resources(side))
