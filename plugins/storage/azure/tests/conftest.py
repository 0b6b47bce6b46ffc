"""A container of Azurite's for each test."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The servers that all of the project's tests share.
TESTS = Path(__file__).parents[4] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import servers  # noqa: E402
from object_servers import Azurite  # noqa: E402


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The run's Azurite. Never stop it: others use it too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        Azurite.find()
    except servers.Missing as program:
        servers.without(program)
    with servers.shared(Azurite, folder) as server:
        yield server


@pytest.fixture
def config(azurite: Azurite) -> dict[str, Any]:
    """What an operator would write for an empty container of this test's own."""
    from azure.storage.blob import BlobServiceClient

    credential = {"account_name": azurite.ACCOUNT, "account_key": azurite.KEY}
    container = f"c{uuid.uuid4().hex}"
    BlobServiceClient(azurite.url, credential).create_container(container)
    return {
        "azure_container": container,
        "azure_account_name": azurite.ACCOUNT,
        "azure_account_key": azurite.KEY,
        "endpoint_url": azurite.url,
        "storage_path": "/datastorage/registry",
    }
