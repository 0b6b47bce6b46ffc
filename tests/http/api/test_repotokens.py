"""Tokens of repositories are gone, and say so."""

from __future__ import annotations

import pytest
from api_client import ApiWorld, Caller

from quayframe.oci.names import RepositoryName
from quayframe.services.principal import SYSTEM

BASE = "repository/boss/app/tokens/"


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    boss = api.user("boss")
    api.registry.repositories.create(SYSTEM, RepositoryName("boss", "app"), "private")
    return boss


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "", None),
        ("POST", "", {"friendlyName": "x"}),
        ("POST", "", None),
        ("GET", "CODE", None),
        ("PUT", "CODE", {"role": "read"}),
        ("PUT", "CODE", None),
        ("DELETE", "CODE", None),
    ],
)
def test_every_operation_is_gone(boss: Caller, method: str, rest: str, body: object) -> None:
    result = boss.do(method, f"{BASE}{rest}", body)

    assert result.status_code == 410
    what = "Creation" if method == "POST" else "Handling"
    assert result.json == {"message": f"{what} of access tokens is no longer supported"}


def test_it_is_gone_for_everybody_and_tells_nothing_of_the_repository(api: ApiWorld, boss: Caller) -> None:
    for path in (BASE, "repository/boss/absent/tokens/"):
        assert api.user("stranger").get(path).status_code == 410
        assert api.bare.get(path).status_code == 410
