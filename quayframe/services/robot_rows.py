"""Robots as they are stored, and as they are handed out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from quayframe.data.db import Database
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember
from quayframe.errors import InvalidRequest

from .crypto import SecretBox

METADATA_DEPTH = 32

ROBOT = (
    Account.id, Account.name, Account.created_ms, Account.last_accessed_ms, Account.description,
    Account.robot_token, Account.metadata, Account.email, Account.uuid,
)  # fmt: skip


@dataclass(frozen=True)
class Robot:
    """A robot, `name` in full (`<namespace>+<short>`); `token` is None for who may not see it.

    `teams` and `repositories` (those of direct permissions, without namespace) are filled in lists that
    ask for them; `seed` is what its avatar is made of."""

    id: int
    name: str
    created_ms: int
    last_accessed_ms: int | None
    description: str
    token: str | None
    metadata: dict[str, Any] | None
    seed: str
    teams: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()


def robot_of(box: SecretBox, row: tuple[Any, ...], with_token: bool) -> Robot:
    """A Robot from a row of the columns ROBOT."""
    ident, name, created, last, description, sealed, metadata, email, uid = row
    token = (box.decrypt(sealed or "") or "") if with_token else None
    given = json.loads(metadata) if metadata else None
    return Robot(ident, name, created, last, description or "", token, given, email or uid)


def with_permissions(db: Database, owner_id: int, robots: Sequence[Robot]) -> list[Robot]:
    """The same robots, all of one owner, with teams and repositories: two queries, however many there
    are."""
    ours = (Account.owner == owner_id) & (Account.kind == "robot")
    teams = db.rows(
        TeamMember.select(TeamMember.account, Team.name)
        .join(Team, on=(Team.id == TeamMember.team))
        .switch(TeamMember)
        .join(Account, on=(Account.id == TeamMember.account))
        .where(ours)
        .order_by(TeamMember.id)
    )
    repositories = db.rows(
        Permission.select(Permission.account, Repository.name)
        .join(Repository, on=(Repository.id == Permission.repository))
        .switch(Permission)
        .join(Account, on=(Account.id == Permission.account))
        .where(ours & Repository.deleted_ms.is_null())
        .order_by(Permission.id)
    )
    by_team, by_repository = _grouped(teams), _grouped(repositories)
    return [
        replace(
            robot, teams=tuple(by_team.get(robot.id, ())), repositories=tuple(by_repository.get(robot.id, ()))
        )
        for robot in robots
    ]


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for robot_id, name in rows:
        found.setdefault(robot_id, []).append(name)
    return found


def stored_metadata(metadata: Mapping[str, Any]) -> str:
    """Raises InvalidRequest for what is no JSON (an infinite number) or nested deeper than it needs to be."""
    if _is_deeper(metadata, METADATA_DEPTH):
        raise InvalidRequest(f"unstructured_metadata is nested deeper than {METADATA_DEPTH} levels")
    try:
        return json.dumps(metadata, allow_nan=False)
    except ValueError as error:
        raise InvalidRequest("unstructured_metadata has a number that JSON does not have") from error


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)
