"""Chapter 1, users and organizations: what its steps do in the panel, done as the panel does it."""

from __future__ import annotations

import pytest
import requests
from webui import Browser

from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer


@pytest.fixture
def server(make_registry_server: MakeServer) -> RegistryServer:
    return make_registry_server({"FEATURE_MAILING": False})


def can_log_in(server: RegistryServer, username: str, password: str) -> bool:
    return requests.get(f"{server.url}/v2/auth", auth=(username, password), timeout=30).status_code == 200


def test_a_superuser_creates_a_user_who_then_logs_in(server: RegistryServer) -> None:
    """1.2: "Enter the new user's name and e-mail address, then choose Create User. ... Choose Change
    Password.
    ... The new user can now log in with that name and password, through the web UI or some container client."
    """
    panel = Browser(server).sign_in(*server.admin)
    panel.post("superuser/users/", {"username": "jsmith", "email": "jsmith@example.com"})
    assert [user["username"] for user in panel.get("superuser/users/")["users"]] == ["admin", "jsmith"]
    panel.put("superuser/users/jsmith", {"password": "changed-password"})

    assert can_log_in(server, "jsmith", "changed-password")
    assert Browser(server).sign_in("jsmith", "changed-password").get("user/")["username"] == "jsmith"


def test_any_user_creates_an_organization(server: RegistryServer) -> None:
    """1.3: "Any user can create an organization. ... The name must be alphanumeric, all lower case, and
    between
    2 and 255 characters long. ... The new organization appears."
    """
    jsmith = Browser(server).sign_in(*server.user("jsmith"))
    for name in ("A", "Acme", "a", "a" * 256, "acme corp"):
        assert jsmith.send("POST", "organization/", {"name": name}).status_code == 400
    assert jsmith.post("organization/", {"name": "acme"}) == "Created"

    assert [entry["name"] for entry in jsmith.get("user/")["organizations"]] == ["acme"]
    shown = jsmith.get("organization/acme")
    assert (shown["is_admin"], list(shown["teams"])) == (True, ["owners"])


def test_a_user_has_a_namespace_and_robots_are_like_other_members(server: RegistryServer) -> None:
    """1.1: "Each user automatically gets a user namespace." "Permissions can be given to a robot account
    like to
    any other user or team."
    """
    name, password = server.user("jsmith")
    jsmith = Browser(server).sign_in(name, password)
    body = {"namespace": "jsmith", "repository": "app", "visibility": "private", "description": ""}
    jsmith.post("repository", body)
    robot = jsmith.put("user/robots/ci")
    jsmith.put("repository/jsmith/app/permissions/user/jsmith+ci", {"role": "write"})

    token = server.token(("jsmith+ci", robot["token"]), "repository:jsmith/app:pull,push")
    answer = requests.post(
        f"{server.url}/v2/jsmith/app/blobs/uploads/", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 202
