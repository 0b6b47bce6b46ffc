"""Robot federation over the API: bare arrays, replaced as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiWorld, Caller

from quayframe.data.tables import EventRow

IDENTITIES = [
    {"issuer": "https://issuer.example", "subject": "repo:acme/app:ref"},
    {"issuer": "https://issuer.example", "subject": "other"},
]


@pytest.fixture(params=["user/robots/ci", "organization/acme/robots/ci"])
def robot(request: pytest.FixtureRequest, api: ApiWorld) -> str:
    boss = api.user("boss")
    boss.post("organization/", {"name": "acme"})
    assert boss.put(request.param).status_code == 201
    return f"{request.param}/federation"


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    return api.user("boss")


def test_the_identities_are_an_array_that_is_replaced_as_a_whole(boss: Caller, robot: str) -> None:
    assert (boss.get(robot).status_code, boss.get(robot).json) == (200, [])
    result = boss.post(robot, IDENTITIES)
    assert (result.status_code, result.json) == (200, IDENTITIES)
    assert boss.get(robot).json == IDENTITIES
    assert boss.post(robot, IDENTITIES[1:]).json == IDENTITIES[1:]
    assert boss.get(robot).json == IDENTITIES[1:]
    assert boss.post(robot, []).json == []
    boss.post(robot, IDENTITIES)
    for _ in range(2):
        assert boss.delete(robot).status_code == 204
        assert boss.get(robot).json == []


@pytest.mark.parametrize(
    "body",
    [
        [{"issuer": "https://issuer.example"}],
        [{"subject": "other"}],
        [{"issuer": "", "subject": "other"}],
        [{"issuer": "https://issuer.example", "subject": 5}],
        [IDENTITIES[0], IDENTITIES[0]],
        ["text"],
        {"issuer": "https://issuer.example", "subject": "other"},
    ],
)
def test_a_bad_identity_leaves_the_stored_ones(boss: Caller, robot: str, body: Any) -> None:
    boss.post(robot, IDENTITIES)
    result = boss.post(robot, body)

    assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
    assert boss.get(robot).json == IDENTITIES


def test_a_regenerated_robot_keeps_its_identities(boss: Caller, robot: str) -> None:
    boss.post(robot, IDENTITIES)
    boss.post(robot.replace("federation", "regenerate"))

    assert boss.get(robot).json == IDENTITIES


def test_a_change_is_in_the_log(api: ApiWorld, boss: Caller, robot: str) -> None:
    boss.post(robot, IDENTITIES[:1])
    boss.delete(robot)
    rows = api.registry.db.rows(EventRow.select(EventRow.kind, EventRow.data).order_by(EventRow.id.desc()))

    assert [kind for kind, _ in rows[:2]] == ["delete_robot_federation", "create_robot_federation"]
    assert '"robot":"ci"' in rows[1][1]
    assert '"config":[{"issuer":"https://issuer.example","subject":"repo:acme/app:ref"}]' in rows[1][1]
