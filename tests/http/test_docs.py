"""Swagger UI's page: from this installation alone, cached, under a strict policy."""

from __future__ import annotations

import gzip
import re

import pytest
from protocol import HOST, Protocol

BASE = f"http://{HOST}/api/v1/docs"
PLAIN = {"Accept-Encoding": "identity"}


def test_the_page_names_only_files_of_this_registry(protocol: Protocol) -> None:
    page = protocol.session().get(BASE, headers=PLAIN)

    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/api/v1/docs/swagger-ui-bundle.js" in named
    for url in named:
        assert url.startswith("/api/v1/")
        assert protocol.session().get(f"http://{HOST}{url}").status_code == 200


def test_no_script_runs_but_files_of_this_registry(protocol: Protocol) -> None:
    page = protocol.session().get(BASE, headers=PLAIN)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in page.text
    assert page.headers["X-Frame-Options"] == "DENY"


def test_a_browser_keeps_the_files(protocol: Protocol) -> None:
    session = protocol.session()
    first = session.get(f"{BASE}/swagger-ui.css", headers=PLAIN)
    again = session.get(f"{BASE}/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]})

    assert "max-age=" in first.headers["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")


def test_files_are_sent_compressed_to_who_can_read_it(protocol: Protocol) -> None:
    session = protocol.session()
    plain = session.get(f"{BASE}/swagger-ui-bundle.js", headers=PLAIN)
    packed = session.get(f"{BASE}/swagger-ui-bundle.js", headers={"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.content) == plain.content
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize(
    "name", ["..%2fdocs.py", "%2e%2e/docs.py", "swagger-ui.css.map", "docs.html", "", "."]
)
def test_nothing_else_is_a_file_of_the_page(protocol: Protocol, name: str) -> None:
    assert protocol.session().get(f"{BASE}/{name}").status_code == 404
