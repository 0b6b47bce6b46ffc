"""Users, robots and teams as several answers show them."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from quayframe.services.membership import Granted, Person

from .operation import Call
from .views import Avatar, avatar


class TeamName(TypedDict):
    name: str
    avatar: Avatar


class NamedRepository(TypedDict):
    name: str
    is_public: bool


class GrantedView(TypedDict):
    repository: NamedRepository
    role: str


class GrantedList(TypedDict):
    permissions: list[GrantedView]


def face(call: Call, name: str, kind: Literal["user", "org", "team", "robot", "app"], seed: str) -> Avatar:
    """The avatar of the kind that AVATAR_KIND says. `seed` is what its hash is of."""
    return avatar(name, kind, seed, gravatar=call.registry.settings.AVATAR_KIND == "gravatar")


def person_face(call: Call, person: Person) -> Avatar:
    return face(call, person.name, "robot" if person.is_robot else "user", person.seed)


def team_name(call: Call, name: str) -> TeamName:
    return {"name": name, "avatar": face(call, name, "team", name)}


def granted_list(permissions: list[Granted]) -> GrantedList:
    return {
        "permissions": [
            {"repository": {"name": p.name, "is_public": p.is_public}, "role": p.role} for p in permissions
        ]
    }
