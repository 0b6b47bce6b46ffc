"""What plugins add to the registry's faces: routes and commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .access import Access, declared
from .states import PluginRecord

if TYPE_CHECKING:
    import click

PREFIX = "/api/plugins"


@dataclass(frozen=True)
class Route:
    """One route of a plugin. `template` is whole, prefix included; `access` is by HTTP method."""

    plugin: str
    template: str
    resource: object
    access: Mapping[str, Access]


def routes(plugin: str, given: Iterable[Any]) -> list[Route]:
    """The routes that a plugin gave, each looked at.

    Raises StartError for a resource without a declaration of access, TypeError for what is no route.
    """
    found = []
    for pair in given:
        match pair:
            case (str(template), resource):
                whole = f"{PREFIX}/{plugin}/{template.lstrip('/')}"
                found.append(Route(plugin, whole, resource, declared(resource, whole)))
            case _:
                raise TypeError(f"a route is a pair of template and resource, not {pair!r}")
    return found


def commands(record: PluginRecord, given: Iterable[object]) -> click.Group:
    """The group under which a plugin's commands are offered. Raises TypeError for what is no command."""
    import click  # the protocol's processes need none of it

    group = click.Group(record.name, help=f"Commands of the plugin {record.name} ({record.distribution}).")
    for command in given:
        if not isinstance(command, click.Command):
            raise TypeError(f"not a click command: {command!r}")
        group.add_command(command)
    return group
