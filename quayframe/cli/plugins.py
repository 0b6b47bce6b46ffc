"""quayframe plugins: what is installed, in which state, and why."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quayframe.plugin.manager import PluginManager
from quayframe.plugin.states import PluginRow, State

_STYLES = {State.FAILED: "red", State.REFUSED: "yellow"}


def group(manager: Callable[[], PluginManager]) -> click.Group:
    """`plugins [--json]` and `plugins info NAME`. `manager` gives one that has loaded its plugins."""

    @click.group(invoke_without_command=True)
    @click.option("--json", "as_json", is_flag=True, help="JSON: a list of objects.")
    @click.pass_context
    def plugins(context: click.Context, as_json: bool) -> None:
        """The installed plugins, each with its state and the reason for it."""
        if context.invoked_subcommand is None:
            rows = manager().report()
            click.echo(
                json.dumps([row.as_dict() for row in rows], indent=2) if as_json else _table(rows), nl=as_json
            )

    @plugins.command()
    @click.argument("name")
    @click.option("--json", "as_json", is_flag=True, help="JSON: one object.")
    def info(name: str, as_json: bool) -> None:
        """All that is known of one plugin."""
        rows = {row.name: row for row in reversed(manager().report())}
        row = rows.get(name)
        if row is None:
            close = difflib.get_close_matches(name, rows, 1)
            hint = f'; the nearest name is "{close[0]}"' if close else ""
            raise click.ClickException(f'no plugin "{name}" is installed{hint}')
        click.echo(json.dumps(row.as_dict(), indent=2) if as_json else _details(row), nl=as_json)

    return plugins


def _table(rows: list[PluginRow]) -> str:
    table = Table(box=None, pad_edge=False)
    for column in ("plugin", "version", "state", "providers and hooks", "reason"):
        # names are not cut: they are there to be copied
        table.add_column(column, overflow="fold", no_wrap=column in ("plugin", "version", "state"))
    for row in rows:
        brings = row.providers + tuple(_short(hook) for hook in row.hooks if hook != "quayframe_providers")
        # as Text, because rich would read square brackets in a reason as markup
        cells = (Text(row.name), Text(row.version), _state(row), Text(", ".join(brings)), Text(row.reason))
        table.add_row(*cells)
    return _print(table)


def _details(row: PluginRow) -> str:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    lines = {
        "plugin": Text(row.name),
        "distribution": Text(f"{row.distribution} {row.version}".strip()),
        "state": _state(row),
        "reason": Text(row.reason),
        "plugin API": Text(row.api),
        "hooks": Text(", ".join(row.hooks)),
        "providers": Text(", ".join(row.providers)),
    }
    for title, value in lines.items():
        if value.plain:
            grid.add_row(title, value)
    return _print(grid)


def _short(hook: str) -> str:
    return hook.removeprefix("quayframe_")


def _state(row: PluginRow) -> Text:
    return Text(str(row.state), style=_STYLES.get(row.state, ""))


def _print(table: Table) -> str:
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()
