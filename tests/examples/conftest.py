"""A machine of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import Workstation


@pytest.fixture
def workstation(tmp_path: Path) -> Workstation:
    return Workstation(tmp_path / "machine")
