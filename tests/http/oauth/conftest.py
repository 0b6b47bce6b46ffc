"""A registry with an organization and its application, in this process, for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from oauth_world import OauthWorld
from protocol import Protocol


@pytest.fixture
def make_api(make_protocol: Callable[..., Protocol]) -> ApiMaker:
    """Makes registries with a configuration of their own: `make_api(KEY=value)`; mail is off by itself."""
    quiet: dict[str, Any] = {"SUPER_USERS": ["admin"], "FEATURE_MAILING": False}
    return lambda **config: ApiWorld(make_protocol(**(quiet | config)))


@pytest.fixture
def world(make_api: ApiMaker) -> OauthWorld:
    return OauthWorld(make_api())
