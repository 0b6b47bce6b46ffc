"""Whole registries for tests of services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol import Protocol

from quayframe.registry import Registry

Make = Callable[..., Protocol]


@pytest.fixture
def make_protocol(tmp_path: Path) -> Iterator[Make]:
    """Makes registries with a configuration of their own: `make_protocol(KEY=value)`."""
    made: list[Protocol] = []

    def make(**config: Any) -> Protocol:
        made.append(Protocol(tmp_path / f"registry-{len(made)}", config))
        return made[-1]

    yield make
    for protocol in made:
        protocol.close()


@pytest.fixture
def mailing(make_protocol: Make) -> Registry:
    """A registry with mail, whose superuser is `admin`."""
    return make_protocol(FEATURE_MAILING=True, SUPER_USERS=["admin"]).registry


@pytest.fixture
def registry(make_protocol: Make) -> Registry:
    """A registry without mail, whose superuser is `admin`."""
    return make_protocol(FEATURE_MAILING=False, SUPER_USERS=["admin"]).registry
