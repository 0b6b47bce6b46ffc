"""A folder of SeaweedFS's for each test."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The servers that all of the project's tests share.
TESTS = Path(__file__).parents[4] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import servers  # noqa: E402
from object_servers import Seaweedfs  # noqa: E402


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweedfs]:
    """The run's SeaweedFS. Never stop it: others use it too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        Seaweedfs.find()
    except servers.Missing as program:
        servers.without(program)
    with servers.shared(Seaweedfs, folder) as server:
        yield server


@pytest.fixture
def config(seaweedfs: Seaweedfs) -> dict[str, Any]:
    """What an operator would write for an empty folder of this test's own."""
    return seaweedfs.parameters(f"/{uuid.uuid4().hex}/registry")
