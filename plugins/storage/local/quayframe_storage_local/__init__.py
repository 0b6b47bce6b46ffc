"""The storage back end `LocalStorage`: blobs in a folder."""

from __future__ import annotations

from quayframe.plugin import hookimpl

from .backend import LocalConfig, LocalStorage

__all__ = ["LocalConfig", "LocalStorage", "quayframe_api", "quayframe_providers"]

quayframe_api = (1, 0)


@hookimpl
def quayframe_providers() -> list[type[LocalStorage]]:
    return [LocalStorage]
