"""quayframe repository."""

from __future__ import annotations

from pathlib import Path

import click

from quayframe.oci import names
from quayframe.services.principal import SYSTEM

from .common import opened, where


@click.group()
def repository() -> None:
    """Repositories: NAMESPACE/NAME."""


@repository.command("create")
@click.argument("name")
@click.option("--public", is_flag=True, help="Anybody may pull.")
@where
def create(name: str, public: bool, config_path: Path | None, data_dir: Path) -> None:
    """Make an empty repository."""
    with opened(config_path, data_dir, changing=True) as registry:
        visibility = "public" if public else "private"
        registry.repositories.create(SYSTEM, names.repository_path(name), visibility)
    click.echo(f"repository {name} made")


@repository.command("visibility")
@click.argument("name")
@click.argument("visibility", type=click.Choice(["public", "private"]))
@where
def visibility_(name: str, visibility: str, config_path: Path | None, data_dir: Path) -> None:
    """Make a repository public or private."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.repositories.set_visibility(SYSTEM, names.repository_path(name), visibility)
    click.echo(f"repository {name} is {visibility}")


@repository.command("grant")
@click.argument("name")
@click.argument("account")
@click.argument("role", type=click.Choice(["read", "write", "admin", "none"]))
@where
def grant(name: str, account: str, role: str, config_path: Path | None, data_dir: Path) -> None:
    """Give a user or robot a role on a repository, or take it away."""
    with opened(config_path, data_dir, changing=True) as registry:
        given = None if role == "none" else role
        registry.tenancy.permissions.grant(SYSTEM, names.repository_path(name), account, given)
    click.echo(f"{account} has {role} on {name}")


@repository.command("delete")
@click.argument("name")
@click.confirmation_option(prompt="Delete this repository?")
@where
def delete(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Delete a repository."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.repositories.delete(SYSTEM, names.repository_path(name))
    click.echo(f"repository {name} deleted")


@repository.command("list")
@where
def list_all(config_path: Path | None, data_dir: Path) -> None:
    """List all repositories."""
    with opened(config_path, data_dir) as registry:
        last = None
        while True:
            found, more = registry.repositories.catalog(SYSTEM, last=last, limit=500, public=True)
            for name in found:
                click.echo(name)
            if not more:
                return
            last = found[-1]
