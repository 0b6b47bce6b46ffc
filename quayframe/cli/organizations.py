"""quayframe organization, quayframe team."""

from __future__ import annotations

from pathlib import Path

import click

from quayframe.services.principal import SYSTEM

from .common import opened, where


@click.group()
def organization() -> None:
    """Organizations."""


@organization.command("create")
@click.argument("name")
@click.option("--admin", required=True, help="The user who is its first admin.")
@click.option("--email", help="The organization's e-mail address.")
@where
def create(name: str, admin: str, email: str | None, config_path: Path | None, data_dir: Path) -> None:
    """Make an organization."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.organizations.create(SYSTEM, name, email, admin=admin)
    click.echo(f"organization {name} made; {admin} is its admin")


@organization.command("list")
@where
def list_all(config_path: Path | None, data_dir: Path) -> None:
    """List the organizations."""
    with opened(config_path, data_dir) as registry:
        for found in registry.tenancy.ownership.page()[0]:
            click.echo(found.name)


@organization.command("delete")
@click.argument("name")
@click.confirmation_option(prompt="Delete this organization with all that is in it?")
@where
def delete(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Delete an organization with its repositories, teams and robots; its name stays taken."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.organizations.delete(SYSTEM, name, as_superuser=True)
    click.echo(f"organization {name} deleted")


@organization.command("members")
@click.argument("name")
@where
def list_members(name: str, config_path: Path | None, data_dir: Path) -> None:
    """List an organization's users: name, teams."""
    with opened(config_path, data_dir) as registry:
        for member in registry.tenancy.members.all(SYSTEM, name):
            click.echo(f"{member.person.name}\t{','.join(member.teams)}")


@click.group()
def team() -> None:
    """Teams of organizations."""


@team.command("set")
@click.argument("organization")
@click.argument("name")
@click.argument("role", type=click.Choice(["member", "creator", "admin"]))
@click.option("--description", help="What it is for.")
@where
def set_team(
    organization: str,
    name: str,
    role: str,
    description: str | None,
    config_path: Path | None,
    data_dir: Path,
) -> None:
    """Make a team, or give it another role."""
    with opened(config_path, data_dir, changing=True) as registry:
        _, new = registry.tenancy.teams.put(SYSTEM, organization, name, role, description)
    click.echo(f"team {name} of {organization} {'made' if new else 'changed'}: {role}")


@team.command("delete")
@click.argument("organization")
@click.argument("name")
@click.confirmation_option(prompt="Delete this team?")
@where
def delete_team(organization: str, name: str, config_path: Path | None, data_dir: Path) -> None:
    """Delete a team and what it was given."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.teams.delete(SYSTEM, organization, name)
    click.echo(f"team {name} of {organization} deleted")


@team.command("add")
@click.argument("organization")
@click.argument("name")
@click.argument("account")
@where
def add(organization: str, name: str, account: str, config_path: Path | None, data_dir: Path) -> None:
    """Put a user, or a robot of the organization, into a team."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.teams.add_member(SYSTEM, organization, name, account)
    click.echo(f"{account} is in team {name} of {organization}")


@team.command("remove")
@click.argument("organization")
@click.argument("name")
@click.argument("account")
@where
def remove(organization: str, name: str, account: str, config_path: Path | None, data_dir: Path) -> None:
    """Take a user or robot out of a team."""
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.teams.remove_member(SYSTEM, organization, name, account)
    click.echo(f"{account} is not in team {name} of {organization}")
