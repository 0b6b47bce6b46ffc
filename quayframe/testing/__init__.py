"""For plugin authors: conformance suites, fixtures and fakes.

A suite is a class of pytest tests. Subclass it in a test module, override its one fixture, and run
pytest:

    from quayframe.testing import BackendFactory, StorageSuite

    class TestMyStorage(StorageSuite):
        @pytest.fixture
        def make_backend(self, tmp_path):
            return BackendFactory(MyStorage, {"folder": str(tmp_path)})

Names are loaded when they are first used, since the suites need pytest and the fakes do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import AuthCase, AuthSuite
    from .fakes_auth import FakeAuth
    from .fakes_storage import FakeStorage
    from .host import FakeHost
    from .storage import StorageSuite
    from .storage_process import BackendFactory

_HOMES = {
    "AuthCase": "auth",
    "AuthSuite": "auth",
    "BackendFactory": "storage_process",
    "FakeAuth": "fakes_auth",
    "FakeHost": "host",
    "FakeStorage": "fakes_storage",
    "StorageSuite": "storage",
}

__all__ = [
    "AuthCase",
    "AuthSuite",
    "BackendFactory",
    "FakeAuth",
    "FakeHost",
    "FakeStorage",
    "StorageSuite",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
