"""What policies of every kind and owner have in common: a list that one is added to, and each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from quayframe.services.policies import Kind, Owner, Policy

from . import needs
from .operation import Call, F, Resource, operation


class PolicyMade(TypedDict):
    uuid: str


@dataclass(frozen=True)
class Side:
    """One kind of owner of policies. `word`: as the operations' ids have it."""

    word: str
    base: str
    need: needs.Need
    scopes: tuple[str, ...]
    owner: Callable[[Call], Owner]


@dataclass(frozen=True)
class Family:
    """One kind of policy, and how it is spoken of and written.

    :param name: in the operations' ids; `names` is several of them.
    :param says: what the summaries call it; `listed`, `added` and `gone` are whole summaries.
    :param body: a Body with `policy() -> Policy`, which raises InvalidRequest.
    :param one: the type of what `view` gives; `many` is `{"policies": [one]}`.
    """

    kind: Kind
    tag: str
    feature: str
    path: str
    name: str
    names: str
    says: str
    listed: str
    added: str
    gone: str
    body: type[Any]
    one: Any
    many: Any
    view: Callable[[Policy], Mapping[str, Any]]

    def operation(self, side: Side, verb: str, name: str = "", **more: Any) -> Callable[[F], F]:
        """Declares an operation on the policies of this owner."""
        ident = f"{verb}{side.word}{name or self.name}"
        return operation(ident, self.tag, side.need, scopes=side.scopes, feature=self.feature, **more)

    def resources(self, side: Side) -> tuple[type[Resource], ...]:
        return _collection(self, side), _member(self, side)


def of_organization(call: Call) -> Owner:
    return Owner(call.namespace)


def of_repository(call: Call) -> Owner:
    return call.registry.content.policies.owner(call.repository)


REPOSITORY = Side(
    "Repository", "/api/v1/repository/{repository}", needs.REPO_ADMIN, ("repo:admin",), of_repository
)


def _collection(family: Family, side: Side) -> type[Resource]:
    class Policies(Resource):
        path = f"{side.base}/{family.path}/"

        @family.operation(side, "list", family.names, answer=family.many, summary=family.listed)
        def get(self, call: Call, **path: str) -> Mapping[str, Any]:
            found = call.registry.content.policies.all(call.principal, side.owner(call), family.kind)
            return {"policies": [family.view(policy) for policy in found]}

        @family.operation(
            side, "create", body=family.body, answer=PolicyMade, status=201, summary=family.added
        )
        def post(self, call: Call, **path: str) -> PolicyMade:
            policies = call.registry.content.policies
            return {"uuid": policies.create(call.principal, side.owner(call), call.body.policy())}

    return Policies


def _member(family: Family, side: Side) -> type[Resource]:
    class OnePolicy(Resource):
        path = f"{side.base}/{family.path}/{{policy_uuid}}"

        @family.operation(side, "get", answer=family.one, summary=f"An {family.says}.")
        def get(self, call: Call, policy_uuid: str, **path: str) -> Mapping[str, Any]:
            policies = call.registry.content.policies
            return family.view(policies.get(call.principal, side.owner(call), family.kind, policy_uuid))

        @family.operation(
            side, "update", body=family.body, status=204, summary=f"Changes all that an {family.says} says."
        )
        def put(self, call: Call, policy_uuid: str, **path: str) -> None:
            policies = call.registry.content.policies
            policies.change(call.principal, side.owner(call), policy_uuid, call.body.policy())

        @family.operation(side, "delete", answer=PolicyMade, summary=family.gone)
        def delete(self, call: Call, policy_uuid: str, **path: str) -> PolicyMade:
            call.registry.content.policies.delete(call.principal, side.owner(call), family.kind, policy_uuid)
            return {"uuid": policy_uuid}

    return OnePolicy
