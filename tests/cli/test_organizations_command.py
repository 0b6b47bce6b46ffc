"""quayframe organization and quayframe team: what an operator does without the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quayframe.cli.root import root
from quayframe.errors import InvalidRequest, NotFound, Refused, RegistryError


class Shell:
    """Commands on a registry of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *words: str) -> str:
        """What the command printed. Raises what ended it."""
        options = ["--data", str(self._folder)]
        result: Result = CliRunner().invoke(root, [*words, *options], input="correct-horse\n")
        if isinstance(result.exception, RegistryError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "data")
    for name in ("boss", "user"):
        made("user", "create", name, "--password-stdin")
    made("organization", "create", "org", "--admin", "boss")
    return made


def test_an_organization_is_made_listed_and_deleted(shell: Shell) -> None:
    assert shell("organization", "list").split() == ["org"]
    assert shell("organization", "members", "org").split() == ["boss", "owners"]
    shell("organization", "delete", "org", "--yes")
    assert shell("organization", "list") == ""
    with pytest.raises(InvalidRequest):
        shell("organization", "create", "org", "--admin", "boss")


def test_an_admin_must_be_a_user(shell: Shell) -> None:
    for name in ("nobody", "org"):
        with pytest.raises(InvalidRequest, match=f"there is no user {name}"):
            shell("organization", "create", "new", "--admin", name)


def test_a_team_gets_and_loses_members(shell: Shell) -> None:
    assert "made" in shell("team", "set", "org", "dev", "creator", "--description", "they write")
    shell("team", "add", "org", "dev", "user")
    assert shell("organization", "members", "org").splitlines() == ["boss\towners", "user\tdev"]
    assert "changed" in shell("team", "set", "org", "dev", "member")
    shell("team", "remove", "org", "dev", "user")
    shell("team", "delete", "org", "dev", "--yes")
    assert shell("organization", "members", "org").splitlines() == ["boss\towners"]
    with pytest.raises(Refused, match="only admin"):
        shell("team", "remove", "org", "owners", "boss")


def test_an_organization_that_is_none_is_named(shell: Shell) -> None:
    for words in (("organization", "members"), ("team", "set"), ("team", "add")):
        more = {"set": ("dev", "member"), "add": ("dev", "user")}.get(words[1], ())
        with pytest.raises(NotFound, match="there is no organization nope"):
            shell(*words, "nope", *more)
