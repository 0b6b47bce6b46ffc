"""Fixtures for plugin authors and for the registry's own tests; pytest finds them by entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .server import RegistryServer

MakeServer = Callable[..., RegistryServer]


@pytest.fixture
def make_registry_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Starts registries: `make_registry_server(config={...}, arguments=[...])`; all are ended after."""
    made: list[RegistryServer] = []

    def make(
        config: dict[str, Any] | None = None,
        arguments: tuple[str, ...] = (),
        *,
        start: bool = True,
        **more: Any,
    ) -> RegistryServer:
        folder = more.pop("folder", tmp_path / f"registry-{len(made)}")
        server = RegistryServer(folder, config or {}, arguments, **more)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        server.kill()


@pytest.fixture(scope="session")
def shared_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """One registry with the embedded defaults for the tests of a session that do not mind each other."""
    server = RegistryServer(tmp_path_factory.mktemp("shared-registry")).start()
    yield server
    server.kill()
