"""The storage back end `AzureStorage`: blobs in a container of Azure Blob Storage."""

from __future__ import annotations

from quayframe.plugin import hookimpl

from .backend import AzureStorage
from .config import AzureConfig

__all__ = ["AzureConfig", "AzureStorage", "quayframe_api", "quayframe_providers"]

quayframe_api = (1, 0)


@hookimpl
def quayframe_providers() -> list[type[AzureStorage]]:
    return [AzureStorage]
