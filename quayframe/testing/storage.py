"""The conformance suite for storage back ends.

Who passes it has a back end that the registry can rely on: bytes come back as they went in, whichever
process took them, whatever was killed in between, and however often a call was repeated.
"""

from __future__ import annotations

from .storage_objects import ObjectTests
from .storage_processes import ProcessTests
from .storage_uploads import UploadTests

__all__ = ["StorageSuite"]


class StorageSuite(UploadTests, ObjectTests, ProcessTests):
    """Subclass it in a test module and override the fixture `make_backend`:

        class TestMyStorage(StorageSuite):
            @pytest.fixture
            def make_backend(self, tmp_path):
                return BackendFactory(MyStorage, {"folder": str(tmp_path)})

    `many_chunks`, `clock_step_ms` and `memory_limit` may be set on the subclass.
    """
