"""The storage back end `GoogleCloudStorage`: blobs in a bucket of Google Cloud Storage."""

from __future__ import annotations

from quayframe.plugin import hookimpl

from .backend import GoogleCloudStorage
from .config import GoogleConfig

__all__ = ["GoogleCloudStorage", "GoogleConfig", "quayframe_api", "quayframe_providers"]

quayframe_api = (1, 0)


@hookimpl
def quayframe_providers() -> list[type[GoogleCloudStorage]]:
    return [GoogleCloudStorage]
