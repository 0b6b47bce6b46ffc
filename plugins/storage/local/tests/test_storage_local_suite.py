"""LocalStorage passes the suite for storage back ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from quayframe_storage_local.backend import LocalStorage

from quayframe.testing import BackendFactory, StorageSuite


class TestLocalStorage(StorageSuite):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> BackendFactory:
        return BackendFactory(LocalStorage, {"storage_path": str(tmp_path / "storage")})
