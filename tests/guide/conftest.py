"""A registry as an operator runs it, and a user's machine: the guide's commands are typed there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import Workstation
from place import Place

from quayframe.testing.server import RegistryServer


@pytest.fixture(scope="module")
def place(shared_registry: RegistryServer, request: pytest.FixtureRequest) -> Place:
    """The user of the chapter."""
    return Place.of(shared_registry, request.path.stem.removeprefix("test_").replace("_", ""))


@pytest.fixture
def machine() -> Iterator[Workstation]:
    """The user's machine; its path is short, as podman needs it."""
    made = Workstation(Path(tempfile.mkdtemp(prefix="qf-guide-")))
    yield made
    if (made.folder / "storage").exists():
        made.run("podman", "system", "reset", "--force")
    shutil.rmtree(made.folder)
