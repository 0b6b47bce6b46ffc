"""A registry in this process for each test of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from protocol import Protocol

QUIET: dict[str, Any] = {"SUPER_USERS": ["admin"], "FEATURE_MAILING": False}


@pytest.fixture
def make_api(make_protocol: Callable[..., Protocol]) -> ApiMaker:
    """Makes registries with a configuration of their own: `make_api(KEY=value)`; mail is off by itself."""
    return lambda **config: ApiWorld(make_protocol(**(QUIET | config)))


@pytest.fixture
def api(make_api: ApiMaker) -> ApiWorld:
    return make_api()
