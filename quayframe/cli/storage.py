"""quayframe storage."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .common import bar, opened, where


@click.group()
def storage() -> None:
    """The locations of DISTRIBUTED_STORAGE_CONFIG."""


@storage.command("list")
@where
def list_(config_path: Path | None, data_dir: Path) -> None:
    """What each location has: blobs, bytes, and how many blobs are there alone."""
    from quayframe.services.storage_copy import StorageCopy

    with opened(config_path, data_dir) as registry:
        content = registry.content
        held = StorageCopy(registry.db, registry.storage, registry.blobs, content.placing).held()
        engines = registry.settings.DISTRIBUTED_STORAGE_CONFIG or {}
        waiting = content.replication.waiting()
    for name, found in held.items():
        engine = engines[name][0] if name in engines else "not configured"
        click.echo(f"{name}\t{engine}\t{found.blobs} blobs\t{found.size} bytes\t{found.alone} nowhere else")
    if waiting:
        click.echo(f"{waiting} copies are still to be made")


@storage.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--jobs", default=4, show_default=True, type=click.IntRange(1, 64), help="Blobs at once.")
@click.option("--move", is_flag=True, help="What both locations have at the end, FROM gives up.")
@where
def copy(source: str, target: str, jobs: int, move: bool, config_path: Path | None, data_dir: Path) -> None:
    """Copy all blobs of one location to another; the registry may be serving.

    Every digest is verified on the way. Killed or cut off, it is simply run again. The exit status is 1
    when bytes that the database names could not be had."""
    from quayframe.services.storage_copy import StorageCopy

    with opened(config_path, data_dir) as registry, bar() as tell:
        copying = StorageCopy(registry.db, registry.storage, registry.blobs, registry.content.placing)
        done = copying.run(source, target, tell, threads=jobs, move=move)
        under_way = copying.under_way(source)
    click.echo(f"{done.copied} blobs, {done.size} bytes copied from {source} to {target}")
    if move:
        click.echo(f"{done.moved} copies given up at {source}; their objects go with the next sweep")
    if under_way:
        click.echo(f"{under_way} uploads are under way at {source} and end there: run this again after them")
    for digest in done.lost:
        click.echo(f"lost: {digest} has its right bytes nowhere", err=True)
    if done.lost:
        sys.exit(1)
