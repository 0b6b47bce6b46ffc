"""Where service accounts get their tokens."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class TokenServer(ThreadingHTTPServer):
    """Gives tokens to service accounts, or refuses them with `refusal`."""

    daemon_threads = True

    refusal: str | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tokens)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


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
