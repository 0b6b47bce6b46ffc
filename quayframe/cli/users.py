"""quayframe user, quayframe robot."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import click

from quayframe.oci import names
from quayframe.services import robot_credentials
from quayframe.services.principal import SYSTEM

from .common import opened, where


def _password(given: bool) -> tuple[str, bool]:
    """(password, whether it was made up): from standard input, from a prompt, or random."""
    if not given:
        return secrets.token_urlsafe(18), True
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n"), False
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), False


@click.group()
def user() -> None:
    """Users of the registry's own database."""


@user.command("create")
@click.argument("name")
@click.option("--email", help="The user's e-mail address.")
@click.option(
    "--password-stdin", "given", is_flag=True, help="Read the password; without it a random one is made."
)
@where
def create(name: str, email: str | None, given: bool, config_path: Path | None, data_dir: Path) -> None:
    """Make a user."""
    password, made = _password(given)
    names.check_password(password)
    with opened(config_path, data_dir, changing=True) as registry:
        registry.accounts.create_user(SYSTEM, name, password, email)
    click.echo(f"user {name} made")
    if made:
        click.echo(f"password: {password}")


@user.command("password")
@click.argument("name")
@click.option(
    "--password-stdin", "given", is_flag=True, help="Read the password; without it a random one is made."
)
@where
def password_(name: str, given: bool, config_path: Path | None, data_dir: Path) -> None:
    """Give a user a new password; everything made with the old one ends."""
    password, made = _password(given)
    with opened(config_path, data_dir, changing=True) as registry:
        registry.accounts.set_password(SYSTEM, name, password)
    click.echo(f"the password of {name} is changed")
    if made:
        click.echo(f"password: {password}")


@user.command("list")
@where
def list_users(config_path: Path | None, data_dir: Path) -> None:
    """List the users: name, e-mail, state."""
    with opened(config_path, data_dir) as registry:
        for account in registry.accounts.users():
            marks = ["disabled"] if not account.enabled else []
            if registry.accounts.is_superuser(account.name):
                marks.append("superuser")
            click.echo("\t".join([account.name, account.email or "-", ",".join(marks) or "-"]))


def _switch(name: str, on: bool, config_path: Path | None, data_dir: Path) -> None:
    with opened(config_path, data_dir, changing=True) as registry:
        registry.accounts.set_enabled(SYSTEM, name, on)
    click.echo(f"{name} is {'enabled' if on else 'disabled'}")


@user.command("disable")
@click.argument("name")
@where
def disable(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Switch an account off; its tokens and its robots' are refused at once."""
    _switch(name, False, config_path, data_dir)


@user.command("enable")
@click.argument("name")
@where
def enable(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Switch an account on again."""
    _switch(name, True, config_path, data_dir)


@click.group()
def robot() -> None:
    """Robot accounts: NAMESPACE+NAME."""


@robot.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@where
def create_robot(name: str, description: str, config_path: Path | None, data_dir: Path) -> None:
    """Make a robot and print its token."""
    namespace, short = names.parse_robot(name)
    with opened(config_path, data_dir, changing=True) as registry:
        made = registry.tenancy.robots.create(SYSTEM, namespace, short, description=description)
        click.echo(made.token)


@robot.command("regenerate")
@click.argument("name")
@where
def regenerate(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Give a robot a new token and print it; the old one ends."""
    namespace, short = names.parse_robot(name)
    with opened(config_path, data_dir, changing=True) as registry:
        click.echo(registry.tenancy.robots.regenerate(SYSTEM, namespace, short).token)


@robot.command("delete")
@click.argument("name")
@click.confirmation_option(prompt="Delete this robot?")
@where
def delete_robot(name: str, config_path: Path | None, data_dir: Path) -> None:
    """Delete a robot; its tokens are refused at once."""
    namespace, short = names.parse_robot(name)
    with opened(config_path, data_dir, changing=True) as registry:
        registry.tenancy.robots.delete(SYSTEM, namespace, short)
    click.echo(f"robot {name} deleted")


@robot.command("list")
@click.argument("namespace")
@where
def list_robots(namespace: str, config_path: Path | None, data_dir: Path) -> None:
    """List a namespace's robots."""
    with opened(config_path, data_dir) as registry:
        for found in registry.tenancy.robots.of(SYSTEM, namespace, tokens=False):
            click.echo(found.name)


@robot.command("credentials")
@click.argument("name")
@click.argument("form", type=click.Choice(list(robot_credentials.FORMS)))
@click.option("--server", help="The registry's host, with its port; SERVER_HOSTNAME where it is set.")
@where
def credentials(name: str, form: str, server: str | None, config_path: Path | None, data_dir: Path) -> None:
    """Print a robot's credentials as a client reads them: a secret, a file, a command, a tarball."""
    namespace, short = names.parse_robot(name)
    with opened(config_path, data_dir) as registry:
        host = server or registry.settings.SERVER_HOSTNAME
        if not host:
            raise click.UsageError("SERVER_HOSTNAME is not set: name the registry's host with --server")
        found = registry.tenancy.robots.secret(SYSTEM, namespace, short)
        login = robot_credentials.Login(host, found.name, found.token or "")
        content = robot_credentials.write(form, login).content
    click.echo(content, nl=False)
