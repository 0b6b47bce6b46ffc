"""Credentials over the API: the right type and file name, for who may have the token."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
import yaml
from api_client import ApiWorld, Caller
from protocol import HOST

TYPES = {
    "kubernetes": ("application/yaml", "{}-secret.yml"),
    "rkt": ("application/json", "{}-auth.json"),
    "docker-login": ("text/plain; charset=utf-8", None),
    "docker-config": ("application/json", "{}-auth.json"),
    "mesos": ("application/gzip", "{}-docker.tar.gz"),
    "podman": ("application/json", "auth.json"),
}


@pytest.fixture(params=["user/robots/ci", "organization/acme/robots/ci"])
def robot(request: pytest.FixtureRequest, boss: Caller) -> str:
    boss.post("organization/", {"name": "acme"})
    assert boss.put(request.param).status_code == 201
    return str(request.param)


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    return api.user("boss")


@pytest.mark.parametrize("form", list(TYPES))
def test_each_form_has_its_type_and_file(boss: Caller, robot: str, form: str) -> None:
    media_type, file = TYPES[form]
    result = boss.get(f"{robot}/credentials/{form}")
    stem = "boss-ci" if robot.startswith("user") else "acme-ci"

    assert result.status_code == 200
    assert result.headers["content-type"] == media_type
    assert result.headers["cache-control"] == "no-store"
    wanted = f'attachment; filename="{file.format(stem)}"' if file else None
    assert result.headers.get("content-disposition") == wanted


def test_every_form_has_the_name_the_token_and_the_host(boss: Caller, robot: str) -> None:
    made = boss.get(robot).json
    config = boss.get(f"{robot}/credentials/docker-config").json
    assert list(config["auths"]) == [HOST]
    assert boss.get(f"{robot}/credentials/podman").json == config
    rkt = boss.get(f"{robot}/credentials/rkt").json
    assert rkt["credentials"] == {"user": made["name"], "password": made["token"]}
    line = boss.get(f"{robot}/credentials/docker-login").text
    assert line == f"docker login -u='{made['name']}' -p='{made['token']}' {HOST}\n"
    secret = yaml.safe_load(boss.get(f"{robot}/credentials/kubernetes").text)
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    packed = boss.get(f"{robot}/credentials/mesos").content
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        member = tar.extractfile(".docker/config.json")
        assert member is not None
        assert json.load(member) == config


def test_an_unknown_form_and_an_unknown_robot_are_told(boss: Caller, robot: str) -> None:
    result = boss.get(f"{robot}/credentials/nosuch")
    assert (result.status_code, result.json["error_type"]) == (404, "not_found")
    other = boss.get(f"{robot}x/credentials/rkt")
    assert (other.status_code, other.json) == (
        400, {"message": "Could not find robot with specified username"},
    )  # fmt: skip
