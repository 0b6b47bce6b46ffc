"""Users, robots, teams and organizations by the first letters of their names."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import InvalidRequest
from quayframe.services.search import Entity

from . import needs
from .operation import Call, Query, Resource, operation
from .people import face
from .views import Avatar


class EntitiesQuery(Query):
    namespace: str = ""
    teams: bool = Field(default=False, alias="includeTeams")
    organizations: bool = Field(default=False, alias="includeOrgs")


class EntityView(TypedDict):
    """A robot is of kind user with `is_robot`; `is_org_member` is there where an organization is asked
    about."""

    name: str
    kind: Literal["user", "team", "org"]
    avatar: Avatar
    is_robot: NotRequired[bool]
    is_org_member: NotRequired[bool]


class EntityList(TypedDict):
    results: list[EntityView]


class LinkedEntity(TypedDict):
    entity: EntityView


def _view(call: Call, entity: Entity) -> EntityView:
    kinds: dict[str, tuple[Literal["user", "team", "org"], Literal["user", "robot", "team", "org"]]] = {
        "user": ("user", "user"),
        "robot": ("user", "robot"),
        "team": ("team", "team"),
        "organization": ("org", "org"),
    }
    kind, picture = kinds[entity.kind]
    view: EntityView = {
        "name": entity.name,
        "kind": kind,
        "avatar": face(call, entity.name, picture, entity.seed),
    }
    if kind == "user":
        view["is_robot"] = entity.kind == "robot"
    if entity.is_org_member is not None:
        view["is_org_member"] = entity.is_org_member
    return view


class Entities(Resource):
    path = "/api/v1/entities/{prefix}"

    @operation("getMatchingEntities", "search", needs.ANYONE, query=EntitiesQuery, answer=EntityList)
    def get(self, call: Call, prefix: str) -> EntityList:
        """Users whose names begin so; of a namespace of the caller's its robots, teams and itself."""
        query: EntitiesQuery = call.query
        found = call.registry.tenancy.search.entities(
            call.principal,
            prefix,
            namespace=query.namespace or None,
            teams=query.teams,
            organizations=query.organizations,
        )
        return {"results": [_view(call, entity) for entity in found]}


class LinkedEntities(Resource):
    path = "/api/v1/entities/link/{username}"

    @operation("linkExternalUser", "search", needs.SIGNED_IN, answer=LinkedEntity, status=201, internal=True)
    def post(self, call: Call, username: str) -> LinkedEntity:
        """Makes the account of somebody whom another log-in system knows."""
        raise InvalidRequest("the log-in system of this registry knows no users but its own")


RESOURCES = (Entities, LinkedEntities)
