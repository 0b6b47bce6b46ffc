"""What a browser does for its user: a session with the CSRF token that changes need."""

from __future__ import annotations

from typing import Any

import requests

from quayframe.testing.server import RegistryServer

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0 Safari/537.36"


class Browser:
    """One user's browser. `v1` calls take a path below /api/v1/ and give the answer as JSON (None for none);
    they raise on 4xx."""

    def __init__(self, server: RegistryServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["User-Agent"] = BROWSER
        self.session.headers["X-Requested-With"] = "XMLHttpRequest"
        self.csrf = str(self.session.get(f"{server.url}/csrf_token", timeout=30).json()["csrf_token"])

    def sign_in(self, username: str, password: str) -> Browser:
        assert self.post("signin", {"username": username, "password": password}) == {"success": True}
        return self

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """The answer, whatever it is. A path that begins with / is not one of /api/v1/."""
        url = self.server.url + (path if path.startswith("/") else f"/api/v1/{path}")
        if method != "GET":
            options["headers"] = {"X-CSRF-Token": self.csrf} | options.get("headers", {})
        answer = self.session.request(method, url, json=body, timeout=30, **options)
        self.csrf = answer.headers.get("X-Next-CSRF-Token", self.csrf)
        return answer

    def do(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.send(method, path, body)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.do("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.do("POST", path, body)

    def put(self, path: str, body: Any = None) -> Any:
        return self.do("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self.do("DELETE", path)
