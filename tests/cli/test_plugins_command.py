"""quayframe plugins: what is shown."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from quayframe.cli.plugins import group
from quayframe.plugin import Message, Notifier, hookimpl
from quayframe.plugin.manager import PluginManager


class Pigeon(Notifier):
    name = "pigeon"

    def send(self, message: Message, options: object) -> None: ...


@hookimpl
def quayframe_providers() -> list[type[Notifier]]:
    return [Pigeon]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> click.Group:
    module = ModuleType("made_birds")
    vars(module).update(quayframe_api=(1, 0), quayframe_providers=quayframe_providers)
    monkeypatch.setitem(sys.modules, "made_birds", module)
    points = [EntryPoint("birds", "made_birds", "quayframe"), EntryPoint("fish", "made_fish", "quayframe")]

    def manager() -> PluginManager:
        manager = PluginManager(points)
        manager.discover()
        manager.load()
        return manager

    return group(manager)


def test_the_table_names_each_plugin_with_state_and_reason(command: click.Group) -> None:
    output = CliRunner().invoke(command, [], env={"COLUMNS": "160"}).output
    birds, fish = (line for line in output.splitlines() if line.startswith(("birds", "fish")))
    assert "loaded" in birds
    assert "notifier:pigeon" in birds
    assert "failed" in fish
    assert "No module named 'made_fish'" in fish


def test_json_has_a_row_for_each_plugin_with_its_hooks_and_providers(command: click.Group) -> None:
    rows = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [(row["name"], row["state"]) for row in rows] == [("birds", "loaded"), ("fish", "failed")]
    assert rows[0]["api"] == "1.0"
    assert rows[0]["hooks"] == ["quayframe_providers"]
    assert rows[0]["providers"] == ["notifier:pigeon"]


def test_info_tells_all_of_one_plugin(command: click.Group) -> None:
    result = CliRunner().invoke(command, ["info", "fish"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "ModuleNotFoundError: No module named 'made_fish'" in result.output


def test_info_of_an_unknown_plugin_fails_with_one_line(command: click.Group) -> None:
    result = CliRunner().invoke(command, ["info", "cats"])
    assert result.exit_code == 1
    assert 'no plugin "cats" is installed' in result.output
