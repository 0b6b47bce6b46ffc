"""quayframe db copy: what it prints, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from protocol import Protocol

from quayframe.cli.root import root


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/target.db"


def run(protocol: Protocol, *arguments: str) -> Result:
    where = ["--config", str(protocol.data.parent / "config.yaml"), "--data", str(protocol.data)]
    return CliRunner().invoke(root, ["db", "copy", *arguments, *where])


def test_a_copied_registry_serves_what_was_pushed(
    make_protocol: Callable[..., Protocol], target: str
) -> None:
    source = make_protocol()
    repo = source.repo()
    _, pushed = repo.image("v1")
    assert repo.owner is not None
    result = run(source, "--to", target)
    assert result.exit_code == 0, result.output
    assert "manifest\t1\tsha256:" in result.stdout
    assert "tables are equal on both sides" in result.stdout

    copy = make_protocol(DB_URI=target)
    owner = copy.registry.accounts.principal(copy.registry.accounts.get(repo.owner.name))
    assert copy.repo(owner, repo.path.name).get("manifests/v1").content == pushed


def test_a_readonly_source_has_nothing_later_to_tell(
    make_protocol: Callable[..., Protocol], target: str
) -> None:
    result = run(make_protocol(REGISTRY_STATE="readonly"), "--to", target)
    assert (result.exit_code, "The copy is of" in result.stdout) == (0, False)


def test_a_source_that_takes_writes_says_of_when_the_copy_is(
    make_protocol: Callable[..., Protocol], target: str
) -> None:
    result = run(make_protocol(), "--to", target)
    assert "The copy is of 2" in result.stdout


def test_no_registry_starts_before_the_last_run(make_protocol: Callable[..., Protocol], target: str) -> None:
    source = make_protocol()
    first = run(source, "--to", target, "--more")
    assert "No registry starts on the target" in first.stdout
    with pytest.raises(Exception, match="is not finished"):
        make_protocol(DB_URI=target)
    assert run(source, "--to", target).exit_code == 0
    make_protocol(DB_URI=target)


def test_an_unknown_kind_of_database_is_refused(make_protocol: Callable[..., Protocol]) -> None:
    result = run(make_protocol(), "--to", "oracle://host/name")
    assert (result.exit_code, "unknown database oracle" in str(result.exception)) == (1, True)
