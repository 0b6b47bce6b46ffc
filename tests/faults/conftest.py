"""Registries for faults, and the comparison of rows with storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol import Protocol


@pytest.fixture
def soak() -> bool:
    """Whether the long forms were asked for (QUAYFRAME_SOAK=1)."""
    return os.environ.get("QUAYFRAME_SOAK") == "1"


@pytest.fixture
def make_protocol(tmp_path: Path) -> Iterator[Callable[..., Protocol]]:
    """Makes registries in this process: `make_protocol(KEY=value)`."""
    made: list[Protocol] = []

    def make(**config: Any) -> Protocol:
        made.append(Protocol(tmp_path / f"registry-{len(made)}", config))
        return made[-1]

    yield make
    for protocol in made:
        protocol.close()
