"""GoogleCloudStorage passes the suite for storage back ends, on fake-gcs-server."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import pytest
from quayframe_storage_gcs.backend import GoogleCloudStorage

from quayframe.testing import BackendFactory, StorageSuite

LONG = os.environ.get("QUAYFRAME_SOAK") == "1"


class TestGoogleCloudStorage(StorageSuite):
    many_chunks: ClassVar[int] = 12_000 if LONG else 1_000

    @pytest.fixture
    def make_backend(self, config: dict[str, Any]) -> BackendFactory:
        return BackendFactory(GoogleCloudStorage, config)


class TestGoogleCloudStorageByHmacKey(StorageSuite):
    many_chunks: ClassVar[int] = 12_000 if LONG else 100
    # fake-gcs-server lists whole seconds in XML.
    clock_step_ms: ClassVar[int] = 1100
    # The server in between is a thread of this process, and holds each chunk too.
    memory_limit: ClassVar[int] = 32 * 1024 * 1024

    @pytest.fixture
    def make_backend(self, hmac_config: dict[str, Any]) -> BackendFactory:
        return BackendFactory(GoogleCloudStorage, hmac_config)
