"""The core's own plugin: providers that need the registry's services. Found like anybody's."""

from __future__ import annotations

from quayframe.plugin import Provider, hookimpl

from .database import DatabaseAuth

quayframe_api = (1, 0)


@hookimpl
def quayframe_providers() -> list[type[Provider]]:
    return [DatabaseAuth]
