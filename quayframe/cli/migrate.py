"""quayframe migrate."""

from __future__ import annotations

from pathlib import Path

import click

from quayframe import config, registry
from quayframe.data import migrations
from quayframe.data.db import Database

from .common import config_file, where


@click.command()
@where
@click.option("--check", is_flag=True, help="Only say what is pending; exit status 1 when something is.")
def migrate(config_path: Path | None, data_dir: Path, check: bool) -> None:
    """Bring the database's schema up to date. SQLite does it by itself at start."""
    _, loaded = registry.load(config_file(config_path))
    settings = config.embedded(loaded.settings, data_dir)
    assert settings.DB_URI is not None
    db = Database(settings.DB_URI.get_secret_value(), settings.DB_CONNECTION_ARGS)
    pending = migrations.pending(db)
    if check:
        for name in pending:
            click.echo(f"pending: {name}")
        raise SystemExit(1 if pending else 0)
    for name in migrations.migrate(db):
        click.echo(f"applied: {name}")
    click.echo(f"the schema is at {migrations.version()}")
