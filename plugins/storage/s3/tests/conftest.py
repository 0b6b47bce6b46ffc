"""A folder of SeaweedFS's for each test."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quayframe_storage_s3 import S3Storage, failures
from quayframe_storage_s3.configs import S3Config

# The servers that all of the project's tests share.
TESTS = Path(__file__).parents[4] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import servers  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from object_servers import Seaweedfs  # noqa: E402


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweedfs]:
    """The run's SeaweedFS. Never stop it: others use it too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        Seaweedfs.find()
    except servers.Missing as program:
        servers.without(program)
    with servers.shared(Seaweedfs, folder) as server:
        yield server


@pytest.fixture
def config(seaweedfs: Seaweedfs) -> dict[str, Any]:
    """What an operator would write for an empty folder of this test's own."""
    return seaweedfs.parameters(f"/{uuid.uuid4().hex}/registry")


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(failures, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def proxy(seaweedfs: Seaweedfs) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.url) as made:
        yield made


@pytest.fixture
def through(config: dict[str, Any], proxy: FaultProxy, short_waits: None) -> S3Storage:
    """A back end that reaches SeaweedFS by a server that disturbs."""
    return S3Storage(S3Config(**{**config, "endpoint_url": proxy.url, "max_attempts": 3}))


@pytest.fixture
def backend(config: dict[str, Any]) -> S3Storage:
    return S3Storage(S3Config(**config))


@pytest.fixture
def left(seaweedfs: Seaweedfs, config: dict[str, Any]) -> Callable[[], list[str]]:
    """What there is below the test's folder: keys of objects, and of multipart uploads with `?` behind."""

    def look() -> list[str]:
        client, prefix = seaweedfs.client(), config["storage_path"].strip("/") + "/"
        objects = client.list_objects_v2(Bucket=seaweedfs.BUCKET, Prefix=prefix).get("Contents", ())
        mpus = client.list_multipart_uploads(Bucket=seaweedfs.BUCKET, Prefix=prefix).get("Uploads", ())
        found = [o["Key"] for o in objects] + [f"{u['Key']}?" for u in mpus]
        return sorted(key.removeprefix(prefix) for key in found)

    return look
