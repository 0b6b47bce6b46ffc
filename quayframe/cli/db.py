"""quayframe db."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .common import bar, opened, where

if TYPE_CHECKING:
    from quayframe.services.db_copy import Copied


@click.group()
def db() -> None:
    """The registry's database as a whole."""


@db.command("copy")
@click.option(
    "--to",
    "uri",
    required=True,
    envvar="QUAYFRAME_DB_COPY_TO",
    metavar="DB_URI",
    help="The database to fill, as in DB_URI; the variable hides its password from lists of processes.",
)
@click.option("--more", is_flag=True, help="Another run is to follow and brings what came since.")
@where
def copy(uri: str, more: bool, config_path: Path | None, data_dir: Path) -> None:
    """Copy all rows into another, empty database: SQLite, PostgreSQL or MariaDB.

    Killed or cut off, it is simply run again. At the end both sides are compared, table by table."""
    from quayframe.services.db_copy import DatabaseCopy

    with opened(config_path, data_dir) as registry, bar() as tell:
        readonly = registry.settings.REGISTRY_STATE == "readonly"
        box = registry.tenancy.ground.box
        copied = DatabaseCopy(registry.db, box, readonly=readonly).run(uri, tell, more=more)
    _show(copied, readonly=readonly, more=more)


def _show(copied: Copied, *, readonly: bool, more: bool) -> None:
    for name, found in copied.tables.items():
        if found.rows:
            click.echo(f"{name}\t{found.rows}\tsha256:{found.digest}")
    click.echo(f"{copied.rows} rows of {len(copied.tables)} tables are equal on both sides")
    at = datetime.fromtimestamp(copied.at_ms / 1000, UTC).isoformat(timespec="seconds")
    if copied.later:
        rows = ", ".join(f"{count} {name}" for name, count in copied.later.items())
        click.echo(f"The copy is of {at}. New in the source since then, and not copied: {rows}")
        if copied.events:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(copied.events.items()))
            click.echo(f"Events among them: {kinds}")
    elif not readonly:
        click.echo(f"The copy is of {at}. Changes of rows that were there then are not seen here.")
    if more:
        click.echo("No registry starts on the target before a run without --more.")
