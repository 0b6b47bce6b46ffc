"""A registry in this process for the tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol import Protocol, Repo


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protocol]:
    """A registry with the embedded defaults; each test makes users and repositories of its own."""
    made = Protocol(tmp_path_factory.mktemp("registry"))
    yield made
    made.close()


@pytest.fixture
def repo(protocol: Protocol) -> Repo:
    """A repository that does not exist yet, and a token to push and pull."""
    return protocol.repo()


@pytest.fixture
def make_protocol(tmp_path: Path) -> Iterator[Callable[..., Protocol]]:
    """Makes registries with a configuration of their own: `make_protocol(KEY=value)`."""
    made: list[Protocol] = []

    def make(**config: Any) -> Protocol:
        made.append(Protocol(tmp_path / f"registry-{len(made)}", config))
        return made[-1]

    yield make
    for protocol in made:
        protocol.close()
