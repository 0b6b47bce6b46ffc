"""quayframe sweep."""

from __future__ import annotations

from pathlib import Path

import click

from quayframe.services.gc import UPLOAD_IDLE_MS

from .common import opened, where


@click.command()
@click.option("--idle", type=int, help="End uploads untouched for so many seconds; two days by default.")
@where
def sweep(idle: int | None, config_path: Path | None, data_dir: Path) -> None:
    """End abandoned uploads and free what nothing refers to, now."""
    with opened(config_path, data_dir, changing=True) as registry:
        done = registry.collector.sweep(UPLOAD_IDLE_MS if idle is None else idle * 1000)
        click.echo(" ".join(f"{name}={count}" for name, count in done.items()))
