"""Chapter 14, the API: a token is made as the panel makes it; the curl lines are typed as they stand, changed
only in host and token."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from webui import Browser

from quayframe.testing.server import RegistryServer

ALL = "repo:read repo:write repo:admin repo:create user:read user:admin org:admin super:user"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    config = {
        "FEATURE_MAILING": False,
        "FEATURE_USER_INITIALIZE": True,
        "SUPER_USERS": ["quayadmin", "quaysuper"],
        "BROWSER_API_CALLS_XHR_ONLY": False,
    }
    made = RegistryServer(tmp_path_factory.mktemp("chapter-14"), config).start()
    body = {"username": "quayadmin", "password": "quaypass12345", "email": "quayadmin@example.com"}
    answer = requests.post(f"{made.url}/api/v1/user/initialize", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    yield made
    made.kill()


@pytest.fixture(scope="module")
def browser(server: RegistryServer) -> Browser:
    made = Browser(server).sign_in("quayadmin", "quaypass12345")
    made.post("organization/", {"name": "testorg"})
    return made


@pytest.fixture(scope="module")
def token(browser: Browser) -> str:
    return generate_token(browser, "testorg", ALL)


def generate_token(browser: Browser, organization: str, scope: str) -> str:
    """14.2: "Choose Create New Application and give it a name. ... Choose Generate Token. ... Select the
    boxes of
    the token's scope, then choose Generate Access Token. Check the permissions and choose Authorize
    Application.
    Copy the new token."
    """
    app = browser.post(f"organization/{organization}/applications", {"name": "my app"})
    handler = f"{browser.server.url}/oauth/localapp"
    query = {
        "client_id": app["client_id"],
        "redirect_uri": handler,
        "response_type": "token",
        "scope": scope,
    }
    page = browser.send("GET", "/oauth/authorize", params=query)
    assert page.status_code == 200
    assert "my app" in page.text
    form = query | {"_csrf_token": browser.csrf}
    answer = browser.session.post(
        f"{browser.server.url}/oauth/authorizeapp", data=form, timeout=30, allow_redirects=False
    )
    assert answer.status_code == 302, answer.text
    location = answer.headers["Location"]
    assert location.startswith(handler)
    shown = browser.session.get(location.partition("#")[0], timeout=30)
    assert shown.status_code == 200
    return parse_qs(urlsplit(location).fragment)["access_token"][0]


def curl(server: RegistryServer, token: str, line: str) -> tuple[int, Any]:
    """Types a line of the guide: (status, JSON). `<host>` and `<token>` stand for what is replaced."""
    words = shlex.split(line.replace("<host>", server.url).replace("<token>", token))
    assert words[0] == "curl"
    done = subprocess.run(
        [*words, "-sS", "-w", "\n%{http_code}"], capture_output=True, text=True, timeout=60, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body.strip() else None


def test_the_superuser_lists_the_users(server: RegistryServer, token: str) -> None:
    """14.4.1"""
    status, body = curl(
        server, token, 'curl -X GET -H "Authorization: Bearer <token>" "<host>/api/v1/superuser/users/"'
    )

    assert status == 200
    first = body["users"][0]
    assert (first["username"], first["super_user"], first["enabled"]) == ("quayadmin", True, True)
    assert set(first) >= {"kind", "name", "username", "email", "verified", "avatar", "super_user", "enabled"}
    assert set(first["avatar"]) == {"name", "hash", "color", "kind"}


def test_a_superuser_is_created_with_a_password(server: RegistryServer, token: str) -> None:
    """14.4.2: "What is returned has the generated password of the new account."""
    status, made = curl(
        server,
        token,
        """curl -H "Content-Type: application/json" -H "Authorization: Bearer <token>" -X POST --data '{
  "username": "quaysuper",
  "email": "quaysuper@example.com"
}' <host>/api/v1/superuser/users/""",
    )
    assert status == 200
    assert set(made) >= {"username", "email", "password", "encrypted_password"}
    assert len(made["password"]) == 32

    _, body = curl(
        server, token, 'curl -X GET -H "Authorization: Bearer <token>" <host>/api/v1/superuser/users/'
    )
    found = {user["username"]: user for user in body["users"]}["quaysuper"]
    assert (found["super_user"], found["verified"], found["email"]) == (True, True, "quaysuper@example.com")
    for password in (made["password"], made["encrypted_password"]):
        answer = requests.get(f"{server.url}/v2/auth", auth=("quaysuper", password), timeout=30)
        assert answer.status_code == 200


def test_an_organizations_robot_is_created(server: RegistryServer, token: str) -> None:
    """14.4.6"""
    status, body = curl(
        server,
        token,
        "curl -X PUT <host>/api/v1/organization/testorg/robots/mybot -H 'Authorization: Bearer <token>'",
    )

    assert (status, body["name"]) == (201, "testorg+mybot")
    assert len(body["token"]) == 64


def test_a_private_repository_is_created(server: RegistryServer, token: str) -> None:
    """14.4.8"""
    status, body = curl(
        server,
        token,
        """curl -X POST <host>/api/v1/repository \
-H 'Authorization: Bearer <token>' \
-H 'Content-Type: application/json' \
-d '{"namespace": "testorg", "repository": "yourreponame",
"description": "descriptionofyourrepo", "visibility": "private"}'""",
    )
    assert (status, body) == (201, {"namespace": "testorg", "name": "yourreponame", "kind": "image"})

    answer = requests.get(f"{server.url}/api/v1/repository/testorg/yourreponame", timeout=30)
    assert answer.status_code == 401


def test_the_api_is_described_for_a_browser_of_swagger(server: RegistryServer) -> None:
    """14.3: "https://<yourquayhost>/api/v1/discovery", read by a page of another origin; with
    BROWSER_API_CALLS_XHR_ONLY: false without X-Requested-With."""
    headers = {"User-Agent": "Mozilla/5.0 Chrome/120.0", "Origin": "http://localhost:8888"}
    answer = requests.get(f"{server.url}/api/v1/discovery", headers=headers, timeout=30)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "/api/v1/repository" in answer.json()["paths"]
    assert not [path for path in answer.json()["paths"] if path == "/api/v1/superuser/organizations/"]
