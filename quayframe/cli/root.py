"""The commands by name; each is imported when it is used."""

from __future__ import annotations

import importlib

import click

import quayframe

_COMMANDS = {
    "serve": "serve:serve",
    "migrate": "migrate:migrate",
    "config": "provide:config",
    "plugins": "provide:plugins",
    "user": "users:user",
    "robot": "users:robot",
    "organization": "organizations:organization",
    "team": "organizations:team",
    "repository": "repositories:repository",
    "storage": "storage:storage",
    "sweep": "sweep:sweep",
    "gc": "gc:gc",
    "fsck": "fsck:fsck",
    "doctor": "doctor:doctor",
    "db": "db:db",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "recycle-bin": "recycle_bin:recycle_bin",
    "worker-process": "serve:worker_process",
}
_HIDDEN = ("worker-process",)


class Commands(click.Group):
    """The core's commands, and one group for each plugin that has some."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = [name for name in _COMMANDS if name not in _HIDDEN]
        return sorted([*own, *self._of_plugins()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _COMMANDS.get(cmd_name)
        if found is None:
            return self._of_plugins().get(cmd_name)
        module, _, attribute = found.partition(":")
        command: click.Command = getattr(importlib.import_module(f"quayframe.cli.{module}"), attribute)
        return command

    @staticmethod
    def _of_plugins() -> dict[str, click.Group]:
        from .provide import plugin_commands

        return plugin_commands()


@click.group(cls=Commands)
@click.version_option(quayframe.__version__, prog_name="quayframe")
def root() -> None:
    """Quayframe, a container registry that is a framework."""
