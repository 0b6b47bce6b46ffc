"""The workshop in which the tests of this folder make their plugins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Where the helpers are, whatever way pytest imports the tests.
sys.path.insert(0, str(Path(__file__).parent))

from plugin_workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield workshop
    for module in workshop.modules.values():
        sys.modules.pop(module, None)
