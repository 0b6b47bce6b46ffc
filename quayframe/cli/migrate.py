"""quayframe migrate."""

from __future__ import annotations

from pathlib import Path

import click

from quayframe import registry

from .common import config_file, where


@click.command()
@where
@click.option("--check", is_flag=True, help="Only say what is pending; exit status 1 when something is.")
def migrate(config_path: Path | None, data_dir: Path, check: bool) -> None:
    """Bring the database's schema up to date. SQLite does it by itself at start."""
    _, loaded = registry.load(config_file(config_path))
    if check:
        pending = registry.pending_migrations(loaded, data_dir)
        for name in pending:
            click.echo(f"pending: {name}")
        raise SystemExit(1 if pending else 0)
    applied, version = registry.migrate(loaded, data_dir)
    for name in applied:
        click.echo(f"applied: {name}")
    click.echo(f"the schema is at {version}")
