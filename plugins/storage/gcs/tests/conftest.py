"""A bucket of fake-gcs-server's for each test, and a service account with a token server of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The servers that all of the project's tests share.
TESTS = Path(__file__).parents[4] / "tests"
for folder in (str(TESTS), str(Path(__file__).parent)):
    if folder not in sys.path:
        sys.path.append(folder)

import servers  # noqa: E402
from hmac_gateway import ACCESS, SECRET, HmacGateway  # noqa: E402
from object_servers import FakeGcs  # noqa: E402
from token_server import TokenServer  # noqa: E402


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGcs]:
    """The run's fake-gcs-server. Never stop it: others use it too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        FakeGcs.find()
    except servers.Missing as program:
        servers.without(program)
    with servers.shared(FakeGcs, folder) as server:
        yield server


@pytest.fixture(scope="session")
def session_tokens() -> Iterator[TokenServer]:
    server = TokenServer()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def tokens(session_tokens: TokenServer) -> Iterator[TokenServer]:
    """The server where service accounts get their tokens."""
    yield session_tokens
    session_tokens.refusal = None


@pytest.fixture(scope="session")
def private_key() -> str:
    """A service account's private key, in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def config(fake_gcs: FakeGcs, tokens: TokenServer, private_key: str) -> dict[str, Any]:
    """What an operator would write for an empty bucket of this test's own."""
    bucket = f"b-{uuid.uuid4().hex}"
    fake_gcs.make_bucket(bucket)
    account = {
        "type": "service_account",
        "project_id": "test",
        "client_email": "registry@test.iam.gserviceaccount.com",
        "private_key": private_key,
        "token_uri": tokens.url,
    }
    return {
        "bucket_name": bucket,
        "service_account_key": json.dumps(account),
        "endpoint_url": fake_gcs.url,
        "storage_path": "/datastorage/registry",
    }


@pytest.fixture
def gateway(fake_gcs: FakeGcs) -> Iterator[HmacGateway]:
    """The XML interface, with signatures checked."""
    with HmacGateway(fake_gcs.url) as server:
        yield server
        assert server.refused == []


@pytest.fixture
def hmac_config(config: dict[str, Any], gateway: HmacGateway) -> dict[str, Any]:
    """The same bucket by an HMAC key."""
    kept = {name: value for name, value in config.items() if name != "service_account_key"}
    return {**kept, "access_key": ACCESS, "secret_key": SECRET, "endpoint_url": gateway.url}
