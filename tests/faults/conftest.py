"""Registries for faults, and the comparison of rows with storage."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def soak() -> bool:
    """Whether the long forms were asked for (QUAYFRAME_SOAK=1)."""
    return os.environ.get("QUAYFRAME_SOAK") == "1"
