"""Whole registries for tests of services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from protocol import Protocol

from quayframe.registry import Registry

Make = Callable[..., Protocol]


@pytest.fixture
def mailing(make_protocol: Make) -> Registry:
    """A registry with mail, whose superuser is `admin`."""
    return make_protocol(FEATURE_MAILING=True, SUPER_USERS=["admin"]).registry


@pytest.fixture
def registry(make_protocol: Make) -> Registry:
    """A registry without mail, whose superuser is `admin`."""
    return make_protocol(FEATURE_MAILING=False, SUPER_USERS=["admin"]).registry
