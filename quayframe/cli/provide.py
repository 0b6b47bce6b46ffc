"""The commands about configuration and plugins, given what they need to know of the plugins."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quayframe import registry
from quayframe.errors import QuayframeError
from quayframe.plugin.manager import PluginManager

from .common import config_file
from .config import group as config_group
from .plugins import group as plugins_group


def _manager(path: Path | None = None) -> PluginManager:
    manager, loaded = registry.load(config_file(path))
    manager.configure(loaded.settings.PLUGIN_CONFIG)
    return manager


def _all_plugins() -> PluginManager:
    manager = PluginManager()
    manager.discover()
    manager.load()
    return manager


config = config_group(lambda: registry.provider_keys(_all_plugins()))
plugins = plugins_group(_manager)


def plugin_commands() -> dict[str, click.Group]:
    """The commands of plugins. A configuration that cannot be read hides them, says so, and hides
    nothing else."""
    try:
        manager, loaded = registry.load(config_file(_path("QUAYFRAME_CONFIG")))
        data = _path("QUAYFRAME_DATA") or Path("quayframe-data")
        return manager.commands(registry.hosts(manager, loaded, data))
    except QuayframeError as error:
        click.echo(f"quayframe: the commands of plugins are not there: {error}", err=True)
        return {}


def _path(variable: str) -> Path | None:
    text = os.environ.get(variable)
    return Path(text) if text else None
