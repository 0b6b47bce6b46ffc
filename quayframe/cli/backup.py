"""quayframe backup and quayframe restore."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from .common import bar, config_file, opened, where

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


class _Backup(click.Group):
    """`backup DIR` is `backup to DIR`: whatever is no command names a folder."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands.get(cmd_name, self.commands["to"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["to", *args])


@click.group(cls=_Backup, context_settings={"ignore_unknown_options": True})
def backup() -> None:
    """Back the registry up: quayframe backup DIR. It may be serving."""


@backup.command("to", hidden=True)
@folder_argument
@where
def to(folder: Path, config_path: Path | None, data_dir: Path) -> None:
    """Back up rows and bytes into a folder; one that holds an older backup is brought up to date.

    The exit status is 1 when bytes that the database names could not be had."""
    from quayframe.services.backup import Backup
    from quayframe.services.backup_folder import Folder

    with opened(config_path, data_dir) as registry, bar() as tell:
        readonly = registry.settings.REGISTRY_STATE == "readonly"
        box = registry.tenancy.ground.box
        page = Backup(registry.db, registry.storage, box, readonly=readonly).make(Folder(folder), tell)
    at = datetime.fromtimestamp(page.at_ms / 1000, UTC).isoformat(timespec="seconds")
    rows = sum(count for count, _ in page.tables.values())
    click.echo(f"{folder} is the registry of {at}: {rows} rows, {page.objects} objects, {page.size} bytes")
    click.echo("Keep SECRET_KEY and DATABASE_SECRET_KEY with it: they are not in it.")
    for digest in page.lost:
        click.echo(f"lost: {digest} is in no storage, or its bytes are wrong", err=True)
    if page.lost:
        sys.exit(1)


@backup.command("verify")
@folder_argument
def verify(folder: Path) -> None:
    """Read all of a backup, and prove every tag. The exit status is 1 when something is wrong."""
    from quayframe.services import backup as service
    from quayframe.services.backup_folder import Folder

    with bar() as tell:
        proof = service.verify(Folder(folder), tell)
    for fault in proof.faults:
        click.echo(fault)
    click.echo(
        f"{proof.tags} tags, {proof.manifests} manifests, {proof.objects} objects, {proof.size} bytes:"
        f" {'nothing is wrong' if not proof.faults else f'{len(proof.faults)} faults'}"
    )
    if proof.faults:
        sys.exit(1)


@click.command()
@folder_argument
@where
def restore(folder: Path, config_path: Path | None, data_dir: Path) -> None:
    """Restore a backup into the configured database, which must be empty, and the configured storage.

    Killed or cut off, it is simply run again."""
    from quayframe import config, registry
    from quayframe.services import locations
    from quayframe.services.backup_folder import Folder
    from quayframe.services.crypto import SecretBox
    from quayframe.services.restore import Restore

    manager, loaded = registry.load(config_file(config_path))
    settings = config.embedded(loaded.settings, data_dir)
    manager.configure(settings.PLUGIN_CONFIG)
    storage = locations.build(manager, loaded, settings)
    assert settings.DB_URI is not None
    assert settings.DATABASE_SECRET_KEY is not None
    box = SecretBox(settings.DATABASE_SECRET_KEY.get_secret_value())
    with bar() as tell:
        done = Restore(settings.DB_URI.get_secret_value(), storage, box).run(Folder(folder), tell)
    click.echo(f"restored: {done.rows} rows, {done.objects} objects")
    for digest in done.absent:
        click.echo(f"without bytes: {digest}", err=True)
