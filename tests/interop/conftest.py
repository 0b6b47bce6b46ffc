"""A registry, an account in it, and a machine with clients, for tests of real clients."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import Workstation
from place import Place

from quayframe.testing.server import RegistryServer


@pytest.fixture(scope="module")
def place(shared_registry: RegistryServer, request: pytest.FixtureRequest) -> Place:
    """An account of the module's own in a running registry, and where to push."""
    name = request.path.stem.removeprefix("test_").replace("_", "")
    return Place.of(shared_registry, name)


@pytest.fixture
def workstation(tmp_path: Path) -> Workstation:
    """A machine on which nobody has logged in."""
    return Workstation(tmp_path / "machine")


@pytest.fixture
def known(workstation: Workstation, place: Place) -> Workstation:
    """A machine that has the account's credentials."""
    workstation.know(place.host, place.user, place.password)
    return workstation
