from __future__ import annotations

from pathlib import Path

import pytest
from quayframe_storage_dictionary import DictionaryStorage

from quayframe.testing import BackendFactory, StorageSuite


class TestDictionaryStorage(StorageSuite):
    many_chunks = 1000

    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> BackendFactory:
        return BackendFactory(DictionaryStorage, {"folder": str(tmp_path / "storage")})
