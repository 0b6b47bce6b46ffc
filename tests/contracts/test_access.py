"""Every HTTP resource declares its access, and nothing is written without credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from protocol import HOST, Protocol

from quayframe.errors import StartError
from quayframe.http.router import Router

DIGEST = "sha256:" + "0" * 64
FILLED = {
    "name": "acme/app",
    "repository": "acme/app",
    "reference": "v1",
    "digest": DIGEST,
    "ident": "0" * 32,
    "service": "quay",
    "kid": "0" * 8,
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WRITING = ("POST", "PUT", "PATCH", "DELETE")
OWN_CREDENTIALS = {"/oauth/access_token": 400, "/api/v1/user/initialize": 400}
"""Where the credentials are in the body, or only the first caller is let in: what is answered without."""


class Site:
    """A registry with all its routes: (template, the access that each method declares)."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.routes: dict[str, dict[str, object]] = {}
        add_route, add_v2 = Router.add_route, Router.add_v2

        def route(router: Router, uri_template: str, resource: object, **more: object) -> None:
            add_route(router, uri_template, resource, **more)
            self.routes[uri_template] = dict(router.access[id(resource)])

        def v2(router: Router, kind: str, uri_template: str, resource: object) -> None:
            add_v2(router, kind, uri_template, resource)
            self.routes[uri_template] = dict(router.access[id(resource)])

        patch.setattr(Router, "add_route", route)
        patch.setattr(Router, "add_v2", v2)
        self.protocol = Protocol(folder)
        # As the factory of a web process does: without a signing key it is not healthy.
        self.protocol.registry.keys.extend()

    def ask(self, method: str, template: str) -> requests.Response:
        path = re.sub(r"\{(\w+)[^}]*\}", lambda match: FILLED.get(match[1], "something"), template)
        return self.protocol.session(None).request(method, f"http://{HOST}{path}", data=b"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        made = Site(tmp_path_factory.mktemp("registry"), patch)
    yield made
    made.protocol.close()


def test_all_routes_are_looked_at(site: Site) -> None:
    assert {"/v2/", "/v2/auth", "/v2/{name}/manifests/{reference}", "/metrics"} <= set(site.routes)


def test_every_method_of_every_route_declares_its_access(site: Site) -> None:
    for template, access in site.routes.items():
        assert access, template
        for method in access:
            assert method in METHODS, template


def test_nothing_fails_and_nothing_is_written_without_credentials(site: Site) -> None:
    for template in site.routes:
        for method in METHODS:
            status = site.ask(method, template).status_code
            assert status < 500, f"{method} {template}: {status}"
            if method in WRITING and status != OWN_CREDENTIALS.get(template):
                assert status in (401, 403, 404, 405), f"{method} {template}: {status}"


def test_what_is_declared_for_writing_asks_for_credentials(site: Site) -> None:
    asked = 0
    for template, access in site.routes.items():
        for method in set(access) & set(WRITING):
            answer = site.ask(method, template)
            if template.startswith("/v2/"):
                assert answer.status_code == 401, f"{method} {template}"
                assert "WWW-Authenticate" in answer.headers
            elif template not in OWN_CREDENTIALS:
                # Nobody's change lacks the CSRF token of a session; a path whose feature is off is not there.
                assert answer.status_code in (401, 403, 404), f"{method} {template}"
                assert "WWW-Authenticate" not in answer.headers
            asked += 1
    assert asked


def test_a_resource_without_a_declaration_does_not_start() -> None:
    class Undeclared:
        def on_get(self, req: object, resp: object) -> None:
            """Answers."""

    with pytest.raises(StartError, match="does not declare"):
        Router().add_route("/somewhere", Undeclared())
