"""The pages in a real browser: its rules about forms, redirects and scripts are the strictest reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from api_client import PASSWORD, ApiWorld
from playwright.sync_api import Browser, Page, expect
from protocol import Protocol

from quayframe.testing.server import RegistryServer

CONFIG = {"SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40, "FEATURE_MAILING": False}
WAIT_MS = 30_000


class Application:
    """An application that waits for its users to come back."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"back")

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/cb"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Place:
    url: str
    client_id: str
    application: Application

    def ask(self, **given: str) -> str:
        return f"{self.url}/oauth/authorize?{urlencode({'client_id': self.client_id, **given})}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("browser")
    protocol, application = Protocol(folder, CONFIG), Application()
    try:
        owner = ApiWorld(protocol).user("owner")
        owner.post("organization/", {"name": "acme"})
        said = {"name": "my <app>", "redirect_uri": application.url}
        client_id = owner.post("organization/acme/applications", said).json["client_id"]
    finally:
        protocol.close()
    server = RegistryServer(folder, CONFIG).start()
    yield Place(server.url, client_id, application)
    server.stop()
    application.close()


@pytest.fixture
def page(browser: Browser, place: Place, tmp_path: Path) -> Iterator[Page]:
    """A page of a browser in which `owner` is signed in; faults that the browser tells fail the test."""
    made = browser.new_page()
    made.set_default_timeout(WAIT_MS)
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
    csrf = made.request.get(f"{place.url}/csrf_token").json()["csrf_token"]
    signed = made.request.post(
        f"{place.url}/api/v1/signin",
        data=json.dumps({"username": "owner", "password": PASSWORD}),
        headers={"X-CSRF-Token": csrf, "Content-Type": "application/json"},
    )
    assert signed.status == 200, signed.text()
    yield made
    made.close()
    assert faults == []


def test_a_token_is_generated_and_shown_once(page: Page, place: Place) -> None:
    local = f"{place.url}/oauth/localapp"
    page.goto(place.ask(redirect_uri=local, response_type="token", scope="user:read"))
    expect(page.locator("body")).to_contain_text("my <app>")

    page.get_by_role("button", name="Authorize Application").click()

    shown = page.locator("#token")
    expect(shown).to_be_visible()
    token = shown.text_content() or ""
    assert page.url == local
    asked = page.request.get(
        f"{place.url}/api/v1/user/",
        headers={"Authorization": f"Bearer {token}", "X-Requested-With": "XMLHttpRequest"},
    )
    assert asked.json()["username"] == "owner"
    page.reload()
    expect(page.locator("#none")).to_be_visible()


def test_the_user_comes_back_to_the_application(page: Page, place: Place) -> None:
    for button, keys in (
        ("Cancel", {"error"}),
        ("Authorize Application", {"scope", "state", "code"}),
    ):
        page.goto(place.ask(redirect_uri=place.application.url, scope="repo:read", state="s"))
        page.get_by_role("button", name=button).click()
        expect(page.locator("body")).to_contain_text("back")
        assert set(parse_qs(urlsplit(page.url).query)) == keys
