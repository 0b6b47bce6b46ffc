"""quayframe robot: made, listed, regenerated, deleted; its credentials as each client reads them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from quayframe.cli.root import root

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a registry of this test's own, with the user `ada`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QUAYFRAME_CONFIG", raising=False)
    monkeypatch.setenv("QUAYFRAME_DATA", str(tmp_path / "data"))

    def one(*args: str) -> Result:
        return CliRunner().invoke(root, list(args))

    assert one("user", "create", "ada").exit_code == 0
    return one


def test_a_robot_lives_its_life_on_the_command_line(run: Run) -> None:
    made = run("robot", "create", "ada+ci", "--description", "builds")
    assert made.exit_code == 0
    assert len(made.output.strip()) == 64
    assert run("robot", "list", "ada").output == "ada+ci\n"
    again = run("robot", "regenerate", "ada+ci").output.strip()
    assert len(again) == 64
    assert again != made.output.strip()
    assert run("robot", "delete", "ada+ci", "--yes").exit_code == 0
    assert run("robot", "list", "ada").output == ""


def test_credentials_are_printed_and_nothing_beside_them(run: Run) -> None:
    token = run("robot", "create", "ada+ci").output.strip()
    where = ("--server", "registry.example:8443")

    def printed(form: str) -> bytes:
        result = run("robot", "credentials", "ada+ci", form, *where)
        assert result.exit_code == 0
        return result.stdout_bytes

    line = f"docker login -u='ada+ci' -p='{token}' registry.example:8443\n"
    assert printed("docker-login").decode() == line
    config = json.loads(printed("docker-config"))
    assert list(config["auths"]) == ["registry.example:8443"]
    assert json.loads(printed("podman")) == config
    assert json.loads(printed("rkt"))["credentials"] == {"user": "ada+ci", "password": token}
    assert yaml.safe_load(printed("kubernetes"))["kind"] == "Secret"
    with tarfile.open(fileobj=io.BytesIO(printed("mesos"))) as tar:
        assert ".docker/config.json" in tar.getnames()


def test_the_server_is_the_configured_one_or_has_to_be_named(run: Run, tmp_path: Path) -> None:
    run("robot", "create", "ada+ci")
    result = run("robot", "credentials", "ada+ci", "docker-login")
    assert result.exit_code == 2
    assert "--server" in result.output
    (tmp_path / "config.yaml").write_text("SERVER_HOSTNAME: quay.example\n")
    assert run("robot", "credentials", "ada+ci", "docker-login").output.endswith(" quay.example\n")


@pytest.mark.parametrize("name", ["ada", "ada+nosuch", "nobody+ci", "ada+NO"])
def test_a_robot_that_is_not_there_has_no_credentials(run: Run, name: str) -> None:
    result = run("robot", "credentials", name, "rkt", "--server", "registry.example")

    assert result.exit_code != 0
    assert result.output == ""
