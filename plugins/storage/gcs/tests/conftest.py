"""A bucket of fake-gcs-server's for each test, and a service account with a token server of its own."""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# The servers that all of the project's tests share.
TESTS = Path(__file__).parents[4] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import servers  # noqa: E402
from object_servers import FakeGcs  # noqa: E402


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


class TokenServer(ThreadingHTTPServer):
    """Gives tokens to service accounts, or refuses them with `refusal`."""

    daemon_threads = True
    refusal: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Tokens(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refusal = getattr(self.server, "refusal", None)
        answer = {"error": refusal} if refusal else {"access_token": "token", "expires_in": 3600}
        body = json.dumps(answer).encode()
        self.send_response(400 if refusal else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests say themselves what went wrong."""


@pytest.fixture(scope="session")
def session_tokens() -> Iterator[TokenServer]:
    server = TokenServer(("127.0.0.1", 0), _Tokens)
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
