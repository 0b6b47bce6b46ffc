"""Chapter 3, access to repositories: users, robots and their credentials, teams, roles, invitations."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from clients import Workstation
from smtp_server import Mailbox, smtp_server
from webui import Browser

from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer

PASSWORD = "correct-horse\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = RegistryServer(tmp_path_factory.mktemp("chapter-3"), {"FEATURE_MAILING": False}).start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def jsmith(server: RegistryServer) -> Browser:
    return Browser(server).sign_in(*server.user("jsmith"))


def make_repository(browser: Browser, namespace: str, name: str) -> str:
    body = {"namespace": namespace, "repository": name, "visibility": "private", "description": ""}
    assert browser.post("repository", body)["name"] == name
    return f"{namespace}/{name}"


def actions(server: RegistryServer, auth: tuple[str, str], repository: str) -> list[str]:
    """What a container client may do there."""
    import jwt

    token = server.token(auth, f"repository:{repository}:pull,push,*")
    claims = jwt.decode(token, options={"verify_signature": False})
    return list(claims["access"][0]["actions"])


def test_a_user_is_given_a_permission_which_is_taken_away_again(
    server: RegistryServer, jsmith: Browser
) -> None:
    """3.1.1: "Type the name of the user. The name appears as you type. Choose read, write or admin. Choose
    Add
    Permission." "To remove the permission choose Delete Permission."
    """
    guest = server.user("guest")
    repository = make_repository(jsmith, "jsmith", "shared")
    found = jsmith.get("entities/gue?namespace=jsmith")["results"]
    assert [entry["name"] for entry in found] == ["guest"]

    for role, allowed in (("read", ["pull"]), ("write", ["push", "pull"]), ("admin", ["push", "pull", "*"])):
        jsmith.put(f"repository/{repository}/permissions/user/guest", {"role": role})
        assert actions(server, guest, repository) == allowed
    jsmith.delete(f"repository/{repository}/permissions/user/guest")
    assert actions(server, guest, repository) == []


def test_a_robot_is_made_given_permissions_and_its_token_is_made_anew(
    server: RegistryServer, jsmith: Browser
) -> None:
    """3.2: "The robot's name becomes the combination of your user name and the robot's name
    (jsmith+myrobot)."
    "Regenerating the token makes the previous one invalid."
    """
    repository = make_repository(jsmith, "jsmith", "built")
    robot = jsmith.put("user/robots/myrobot", {"description": "builds"})
    assert robot["name"] == "jsmith+myrobot"
    jsmith.put(f"repository/{repository}/permissions/user/jsmith+myrobot", {"role": "write"})
    old = ("jsmith+myrobot", robot["token"])
    assert actions(server, old, repository) == ["push", "pull"]

    new = jsmith.post("user/robots/myrobot/regenerate")
    assert actions(server, ("jsmith+myrobot", new["token"]), repository) == ["push", "pull"]
    with pytest.raises(Exception, match="401"):
        server.token(old, f"repository:{repository}:pull")


def credentials(browser: Browser, form: str) -> bytes:
    answer = browser.send("GET", f"user/robots/keys/credentials/{form}")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_credentials_come_in_every_form(server: RegistryServer, jsmith: Browser, tmp_path: Any) -> None:
    """3.2, step 7: Kubernetes secret, rkt configuration, docker login, Docker configuration, Mesos
    credentials."""
    token = jsmith.put("user/robots/keys")["token"]
    auths = {"auths": {server.host: {"auth": _basic("jsmith+keys", token), "email": ""}}}

    secret = yaml.safe_load(credentials(jsmith, "kubernetes"))
    assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/dockerconfigjson")
    assert _auth(json.loads(_decoded(secret["data"][".dockerconfigjson"])), server) == ("jsmith+keys", token)
    rkt = json.loads(credentials(jsmith, "rkt"))
    assert rkt["credentials"] == {"user": "jsmith+keys", "password": token}
    assert credentials(jsmith, "docker-login").decode().split()[:2] == ["docker", "login"]
    for form in ("docker-config", "podman"):
        assert _auth(json.loads(credentials(jsmith, form)), server) == ("jsmith+keys", token)
    with tarfile.open(fileobj=io.BytesIO(credentials(jsmith, "mesos"))) as archive:
        member = archive.extractfile(".docker/config.json")
        assert member is not None
        assert _auth(json.loads(member.read()), server) == ("jsmith+keys", token)
    assert auths["auths"][server.host]["auth"]


def test_podman_logs_in_with_the_line_that_the_panel_shows(
    server: RegistryServer, jsmith: Browser, machine: Workstation
) -> None:
    """The credentials' `docker login` line, typed for podman, which takes the same options."""
    jsmith.put("user/robots/line")
    answer = jsmith.send("GET", "user/robots/line/credentials/docker-login")
    assert answer.status_code == 200
    words = answer.text.strip().replace("docker login", "").replace("'", "").replace('"', "").split()
    machine.run("podman", "login", "--tls-verify=false", *words)


def test_a_team_gets_permissions_and_a_role(server: RegistryServer, jsmith: Browser) -> None:
    """3.3.1 to 3.3.3: the team `owners`, a new team with permissions, its role, users and robots in it."""
    jsmith.post("organization/", {"name": "acme"})
    assert list(jsmith.get("organization/acme")["teams"]) == ["owners"]
    repository = make_repository(jsmith, "acme", "product")
    for bad in ("Devs", "dev team", "-devs"):
        assert jsmith.send("PUT", f"organization/acme/team/{bad}", {"role": "member"}).status_code == 400
    assert jsmith.put("organization/acme/team/devs", {"role": "member"})["new_team"] is True
    jsmith.put(f"repository/{repository}/permissions/team/devs", {"role": "write"})
    worker = server.user("worker")
    assert jsmith.put("organization/acme/team/devs/members/worker")["invited"] is False
    assert actions(server, worker, repository) == ["push", "pull"]

    theirs = Browser(server).sign_in(*worker)
    new = {"namespace": "acme", "repository": "tools", "visibility": "private", "description": ""}
    assert theirs.send("POST", "repository", new).status_code == 403
    jsmith.put("organization/acme/team/devs", {"role": "creator"})
    assert theirs.send("POST", "repository", new).status_code == 201
    jsmith.put("organization/acme/team/devs", {"role": "admin"})
    assert theirs.put("organization/acme/team/more", {"role": "member"})["name"] == "more"

    robot = jsmith.put("organization/acme/robots/bot")
    member = jsmith.put("organization/acme/team/devs/members/acme+bot")
    assert (member["is_robot"], member["invited"]) == (True, False)
    assert actions(server, ("acme+bot", robot["token"]), repository) == ["push", "pull", "*"]


def _basic(user: str, password: str) -> str:
    import base64

    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _decoded(text: str) -> str:
    import base64

    return base64.b64decode(text).decode()


def _auth(config: dict[str, Any], server: RegistryServer) -> tuple[str, str]:
    """(user, password) that a configuration of docker's form has for the registry."""
    user, _, password = _decoded(config["auths"][server.host]["auth"]).partition(":")
    return user, password


def test_a_user_joins_a_team_when_accepting_the_mail_that_invites(make_registry_server: MakeServer) -> None:
    """3.3.3: "An invitation to join is sent to the user. Until accepting, the user is INVITED TO JOIN. Next
    the user
    accepts the mail's invitation to join the team ... and moves from the INVITED TO JOIN list to the MEMBERS
    list."
    "The registry user's name, or the e-mail address of the user's account." "A robot is added at once."
    """
    with smtp_server() as mailbox:
        config = {
            "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": mailbox.port, "MAIL_USE_TLS": False, "TESTING": False,
        }  # fmt: skip
        server = make_registry_server(config)
        server.cli(
            "user", "create", "guest", "--email", "guest@example.com", "--password-stdin", stdin=PASSWORD
        )
        boss = Browser(server).sign_in(*server.admin)
        boss.post("organization/", {"name": "acme"})
        boss.put("organization/acme/team/devs", {"role": "member"})
        assert boss.put("organization/acme/team/devs/members/guest")["invited"] is True
        boss.put("organization/acme/robots/bot")
        assert boss.put("organization/acme/team/devs/members/acme+bot")["invited"] is False

        members = boss.get("organization/acme/team/devs/members?includePending=true")["members"]
        assert [(one["name"], one["invited"]) for one in members] == [("acme+bot", False), ("guest", True)]
        mail = _mail(mailbox)
        assert mail["To"] == "guest@example.com"
        body = mail.get_body(("plain",))
        assert body is not None
        found = re.search(r"/confirminvite\?code=(\S+)", body.get_content())
        assert found is not None
        guest = Browser(server).sign_in("guest", PASSWORD.strip())
        assert guest.put(f"teaminvite/{unquote(found[1])}") == {"org": "acme", "team": "devs"}

        members = boss.get("organization/acme/team/devs/members?includePending=true")["members"]
        assert {(one["name"], one["invited"]) for one in members} == {("acme+bot", False), ("guest", False)}
        boss.put("organization/acme/team/devs/invite/else@example.com")
        assert _mail(mailbox, 2)["To"] == "else@example.com"


def _mail(mailbox: Mailbox, count: int = 1) -> EmailMessage:
    """The newest mail, when so many have come."""
    deadline = time.monotonic() + 30
    while len(mailbox.mails) < count:
        assert time.monotonic() < deadline, "no mail"
        time.sleep(0.05)
    return mailbox.mails[-1]
