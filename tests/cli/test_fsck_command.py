"""quayframe fsck: what it prints, and what its exit status says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from protocol import Protocol

from quayframe.cli.root import root
from quayframe.data import tables as t


@pytest.fixture
def protocol(make_protocol: Callable[..., Protocol]) -> Protocol:
    made = make_protocol()
    made.repo().image("v1")
    return made


def fsck(protocol: Protocol, *arguments: str) -> Result:
    where = ["--config", str(protocol.data.parent / "config.yaml"), "--data", str(protocol.data)]
    return CliRunner().invoke(root, ["fsck", *arguments, *where])


def damage(protocol: Protocol) -> None:
    protocol.registry.db.write(lambda tx: tx.run(t.TagInterval.delete()))


def test_nothing_wrong_is_status_0(protocol: Protocol) -> None:
    result = fsck(protocol, "--digests")
    assert (result.exit_code, result.stdout) == (0, "nothing is wrong\n")


def test_a_finding_is_status_1_with_its_cure_and_a_repair_status_0(protocol: Protocol) -> None:
    damage(protocol)
    found = fsck(protocol)
    assert found.exit_code == 1
    assert found.stdout.startswith("missing-period: v1 in ")
    assert "the repair writes it" in found.stdout
    assert found.stdout.endswith("1 findings, 0 repaired\n")

    repaired = fsck(protocol, "--repair")
    assert (repaired.exit_code, repaired.stdout.splitlines()[-1]) == (0, "1 findings, 1 repaired")
    assert fsck(protocol).exit_code == 0


def test_json_has_one_object_a_finding(protocol: Protocol) -> None:
    damage(protocol)
    result = fsck(protocol, "--json")
    (line,) = result.stdout.splitlines()
    said = json.loads(line)
    assert (said["kind"], said["what"], said["repaired"]) == ("missing-period", "v1", None)
    assert result.exit_code == 1


def test_what_cannot_be_checked_is_status_2(protocol: Protocol) -> None:
    result = fsck(protocol, "--repository", "no/where")
    assert result.exit_code == 2
    assert "no/where" in result.stderr
