"""quayframe recycle-bin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from quayframe.services.principal import SYSTEM

from .common import opened, where

if TYPE_CHECKING:
    from quayframe.services.recycle_bin import DeletedOrganization, DeletedRepository, Place

T = TypeVar("T", "DeletedOrganization", "DeletedRepository")
name_option = click.option("--name", help="What it is to be called, when its old name is taken.")


@click.group("recycle-bin")
def recycle_bin() -> None:
    """Deleted repositories and organizations, which can be brought back."""


@recycle_bin.command("list")
@click.option("--namespace", help="Repositories of this namespace alone.")
@where
def list_all(namespace: str | None, config_path: Path | None, data_dir: Path) -> None:
    """List what can be brought back, the latest first: kind, uuid, old name, deleted at, kept at least until.

    Repositories that went with their organization come back with it, and are not listed."""
    with opened(config_path, data_dir) as registry:
        bin_ = registry.content.recycle_bin
        if namespace is None:
            for organization in _all(lambda after: bin_.organizations(SYSTEM, after=after)):
                note = "\tits name is free" if organization.released else ""
                _line("organization", organization, organization.name, note)
        for one in _all(lambda after: bin_.repositories(SYSTEM, namespace, after=after)):
            _line("repository", one, f"{one.namespace}/{one.name}")


@recycle_bin.command("undelete-repository")
@click.argument("uuid")
@name_option
@where
def undelete_repository(uuid: str, name: str | None, config_path: Path | None, data_dir: Path) -> None:
    """Bring a repository back with all that it had."""
    with opened(config_path, data_dir, changing=True) as registry:
        back = registry.content.recycle_bin.undelete_repository(SYSTEM, uuid, name)
    click.echo(f"repository {back.full} is back")


@recycle_bin.command("undelete-organization")
@click.argument("uuid")
@name_option
@where
def undelete_organization(uuid: str, name: str | None, config_path: Path | None, data_dir: Path) -> None:
    """Bring an organization back with all that went with it."""
    with opened(config_path, data_dir, changing=True) as registry:
        back = registry.content.recycle_bin.undelete_organization(SYSTEM, uuid, name)
    click.echo(f"organization {back} is back")


@recycle_bin.command("release")
@click.argument("uuid")
@click.confirmation_option(prompt="Let others take this organization's name?")
@where
def release(uuid: str, config_path: Path | None, data_dir: Path) -> None:
    """Give the name of a deleted organization free; it stays in the recycle bin."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.content.recycle_bin.release(SYSTEM, uuid)
    click.echo("the name is free")


def _all(page: Callable[[Place | None], tuple[list[T], bool]]) -> Iterator[T]:
    after: Place | None = None
    more = True
    while more:
        found, more = page(after)
        yield from found
        after = found[-1].place if found else None


def _line(kind: str, one: DeletedOrganization | DeletedRepository, name: str, note: str = "") -> None:
    times = "\t".join(
        datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
        for ms in (one.deleted_ms, one.ends_ms)
    )
    click.echo(f"{kind}\t{one.uuid}\t{name}\t{times}{note}")
