"""Each form of credentials is what its client reads, whatever the name of the robot and the host."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import tarfile
from typing import Any

import pytest
import yaml

from quayframe.errors import NotFound
from quayframe.services import robot_credentials
from quayframe.services.robot_credentials import Login

TOKEN = "A1" * 32
LOGINS = [
    Login("registry.example", "jsmith+myrobot", TOKEN),
    Login("registry.example:8443", "a.b_c-d+0.x_y", TOKEN),
    Login("[::1]:5000", "yes+no", TOKEN),
    Login("evil.example\n$(id)'\"`: #", "jsmith+null", TOKEN),
]


def auths(content: bytes) -> dict[str, Any]:
    value = json.loads(content)
    assert set(value) == {"auths"}
    return {
        host: base64.b64decode(entry["auth"]).decode()
        for host, entry in value["auths"].items()
        if set(entry) == {"auth"}
    }


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("form", ["docker-config", "podman"])
def test_a_configuration_file_has_the_host_and_both_parts(form: str, login: Login) -> None:
    made = robot_credentials.write(form, login)

    assert auths(made.content) == {login.host: f"{login.robot}:{login.token}"}


@pytest.mark.parametrize("login", LOGINS)
def test_a_pull_secret_is_one_yaml_document_with_strings(login: Login) -> None:
    made = robot_credentials.write("kubernetes", login)
    (secret,) = yaml.safe_load_all(made.content)

    assert (secret["apiVersion"], secret["kind"]) == ("v1", "Secret")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert set(secret["data"]) == {".dockerconfigjson"}
    config = base64.b64decode(secret["data"][".dockerconfigjson"], validate=True)
    assert auths(config) == {login.host: f"{login.robot}:{login.token}"}
    assert secret["metadata"] == {"name": robot_credentials.secret_name(login.robot)}


@pytest.mark.parametrize(
    ("robot", "name"),
    [
        ("jsmith+myrobot", "jsmith-myrobot-pull-secret"),
        ("a_b+c.d", "a-b-c.d-pull-secret"),
        ("12+34", "12-34-pull-secret"),
    ],
)
def test_a_pull_secrets_name_is_the_robots(robot: str, name: str) -> None:
    assert robot_credentials.secret_name(robot) == name


def test_long_names_stay_names_and_stay_apart() -> None:
    long = [f"{'n' * 120}+{'s' * length}" for length in (106, 107, 108, 118, 119, 120, 134)]
    long += [f"{'n' * 120}+{'a.' * 60}{end}" for end in "xy"]
    made = [robot_credentials.secret_name(robot) for robot in long]

    assert len(set(made)) == len(made)
    for name in made:
        assert len(name) <= 253
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", name)


@pytest.mark.parametrize("login", LOGINS)
def test_the_docker_login_line_is_safe_in_a_shell(login: Login) -> None:
    made = robot_credentials.write("docker-login", login)

    words = shlex.split(made.content.decode())
    assert words == ["docker", "login", f"-u={login.robot}", f"-p={login.token}", login.host]
    assert made.file is None


@pytest.mark.parametrize("login", LOGINS)
def test_a_rkt_configuration_names_registry_and_credentials(login: Login) -> None:
    assert json.loads(robot_credentials.write("rkt", login).content) == {
        "rktKind": "dockerAuth",
        "rktVersion": "v1",
        "registries": [login.host],
        "credentials": {"user": login.robot, "password": login.token},
    }


@pytest.mark.parametrize("login", LOGINS)
def test_a_mesos_tarball_unpacks_to_a_configuration_that_only_its_owner_reads(login: Login) -> None:
    made = robot_credentials.write("mesos", login)

    with tarfile.open(fileobj=io.BytesIO(made.content), mode="r:gz") as tar:
        assert tar.getnames() == [".docker", ".docker/config.json"]
        assert [member.mode for member in tar] == [0o700, 0o600]
        file = tar.extractfile(".docker/config.json")
        assert file is not None
        assert auths(file.read()) == {login.host: f"{login.robot}:{login.token}"}
    assert robot_credentials.write("mesos", login) == made


def test_a_file_is_named_after_the_robot() -> None:
    files = {form: write(LOGINS[0]).file for form, write in robot_credentials.FORMS.items()}

    assert files == {
        "kubernetes": "jsmith-myrobot-secret.yml",
        "rkt": "jsmith-myrobot-auth.json",
        "docker-login": None,
        "docker-config": "jsmith-myrobot-auth.json",
        "mesos": "jsmith-myrobot-docker.tar.gz",
        "podman": "auth.json",
    }


def test_another_form_is_none() -> None:
    with pytest.raises(NotFound):
        robot_credentials.write("cri-o", LOGINS[0])
