"""The fake back end passes the suite that the real ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from quayframe.testing import BackendFactory, FakeStorage, StorageSuite


class TestFakeStorage(StorageSuite):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> BackendFactory:
        return BackendFactory(FakeStorage, {"path": str(tmp_path / "storage.sqlite")})
