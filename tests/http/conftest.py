"""A registry in this process for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

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
