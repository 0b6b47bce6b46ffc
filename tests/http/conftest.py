"""A registry in this process for the tests of a module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import servers
from protocol import Protocol, Repo

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        servers.without(servers.Missing("Chromium (chromium)"))
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=arguments)
        yield made
        made.close()
