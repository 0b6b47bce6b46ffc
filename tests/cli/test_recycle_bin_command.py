"""quayframe recycle-bin: what an operator brings back without the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_organizations_command import Shell

from quayframe.errors import InvalidRequest, NameTaken, NotFound


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "data")
    made("user", "create", "boss", "--password-stdin")
    made("organization", "create", "org", "--admin", "boss")
    made("repository", "create", "org/app")
    made("repository", "create", "boss/mine")
    return made


def listed(shell: Shell, *options: str) -> list[list[str]]:
    return [line.split("\t") for line in shell("recycle-bin", "list", *options).splitlines()]


def test_a_repository_is_listed_and_brought_back(shell: Shell) -> None:
    for name in ("org/app", "boss/mine"):
        shell("repository", "delete", name, "--yes")
    assert [(line[0], line[2]) for line in listed(shell)] == [
        ("repository", "boss/mine"),
        ("repository", "org/app"),
    ]
    ((_, uuid, _, deleted, until),) = listed(shell, "--namespace", "org")
    assert deleted < until

    shell("repository", "create", "org/app")
    with pytest.raises(NameTaken):
        shell("recycle-bin", "undelete-repository", uuid)
    told = shell("recycle-bin", "undelete-repository", uuid, "--name", "app2")
    assert told == "repository org/app2 is back\n"
    with pytest.raises(NotFound):
        shell("recycle-bin", "undelete-repository", uuid)
    assert shell("repository", "list").split() == ["org/app", "org/app2"]


def test_an_organization_is_released_and_brought_back(shell: Shell) -> None:
    shell("organization", "delete", "org", "--yes")
    ((kind, uuid, name, *_),) = listed(shell)
    assert (kind, name) == ("organization", "org")
    with pytest.raises(InvalidRequest):
        shell("organization", "create", "org", "--admin", "boss")
    shell("recycle-bin", "release", uuid, "--yes")
    assert listed(shell)[0][-1] == "its name is free"
    shell("organization", "create", "org", "--admin", "boss")
    told = shell("recycle-bin", "undelete-organization", uuid, "--name", "org2")
    assert told == "organization org2 is back\n"
    assert shell("repository", "list").split() == ["boss/mine", "org2/app"]
    assert listed(shell) == []
