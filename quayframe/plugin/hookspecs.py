"""All hooks of Quayframe. A plugin implements any of them as functions marked with `@hookimpl`.

An implementation takes those of the arguments that it wants, by name. docs/plugins/hooks.md says what
the registry does with each and what happens when one fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from ..events import Event
from .api import PROJECT
from .host import Host
from .provider import Provider

if TYPE_CHECKING:
    import click

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def quayframe_providers() -> Iterable[type[Provider]]:
    """The provider classes of the plugin; each one's kind is its base class.

    Example::

        @hookimpl
        def quayframe_providers() -> list[type[Provider]]:
            return [TapeStorage]
    """
    raise NotImplementedError


@hookspec
def quayframe_startup(host: Host) -> None:
    """The registry is ready and nothing has been served.

    Example::

        @hookimpl
        def quayframe_startup(host: Host) -> None:
            host.log.info("answering at %s", host.url)
    """
    raise NotImplementedError


@hookspec
def quayframe_routes(host: Host) -> Iterable[tuple[str, object]]:
    """Pairs of template and Falcon resource, served under `/api/plugins/<name>/`.

    Example::

        @hookimpl
        def quayframe_routes(host: Host) -> list[tuple[str, object]]:
            return [("greeting", Greeting())]
    """
    raise NotImplementedError


@hookspec
def quayframe_commands(host: Host) -> Iterable[click.Command]:
    """Click commands, offered as `quayframe <name> <command>`.

    Example::

        @hookimpl
        def quayframe_commands(host: Host) -> list[click.Command]:
            return [greet]
    """
    raise NotImplementedError


@hookspec
def quayframe_check(host: Host, event: Event) -> str | None:
    """A reason to refuse what is about to happen, or None; the annotation of `event` says which events.

    Example::

        @hookimpl
        def quayframe_check(event: DeleteTag) -> str | None:
            return "release tags stay" if event.tag.startswith("v") else None
    """
    raise NotImplementedError


@hookspec
def quayframe_observe(host: Host, event: Event) -> None:
    """It happened; called in the worker, in order, at least once for each event.

    Example::

        @hookimpl
        def quayframe_observe(host: Host, event: PushRepo | DeleteTag) -> None:
            host.log.info("%s in %s/%s", event.kind, event.namespace, event.repository)
    """
    raise NotImplementedError


HOOKS: tuple[str, ...] = (
    "quayframe_providers",
    "quayframe_startup",
    "quayframe_routes",
    "quayframe_commands",
    "quayframe_check",
    "quayframe_observe",
)
"""The names of all hooks, in the order in which a plugin meets them."""
