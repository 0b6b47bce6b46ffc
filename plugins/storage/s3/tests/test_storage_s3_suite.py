"""S3Storage passes the suite for storage back ends, on SeaweedFS."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import pytest
from quayframe_storage_s3 import S3Storage

from quayframe.testing import BackendFactory, StorageSuite

MIB = 1024 * 1024
LONG = os.environ.get("QUAYFRAME_SOAK") == "1"


class TestS3Storage(StorageSuite):
    many_chunks: ClassVar[int] = 12_000 if LONG else 2_000
    # S3 tells times in whole seconds.
    clock_step_ms: ClassVar[int] = 1100
    # Four parts of 8 MiB: one that is read, one held back, two on their way.
    memory_limit: ClassVar[int] = 48 * MIB

    @pytest.fixture
    def make_backend(self, config: dict[str, Any]) -> BackendFactory:
        return BackendFactory(S3Storage, config)
