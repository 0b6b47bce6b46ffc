"""The locations that a configuration names, made."""

from __future__ import annotations

from typing import Any

from quayframe.config import Loaded, Settings
from quayframe.errors import StartError
from quayframe.plugin import StorageBackend
from quayframe.plugin.manager import PluginManager

from .storage import Storage


def build(manager: PluginManager, loaded: Loaded, settings: Settings) -> Storage:
    """The storage that the configuration names. Raises StartError."""
    backends: dict[str, StorageBackend] = {}
    for location, (engine, params) in (settings.DISTRIBUTED_STORAGE_CONFIG or {}).items():
        cls: Any = manager.provider("storage", engine).cls
        entry = loaded.storage.get(location)
        try:
            backends[location] = cls(entry.config if entry else cls.Config(**params))
        except Exception as error:
            raise StartError(f"the storage location {location} ({engine}) cannot be used: {error}") from error
    preference = [name for name in settings.DISTRIBUTED_STORAGE_PREFERENCE if name in backends]
    if not preference:
        raise StartError("DISTRIBUTED_STORAGE_PREFERENCE names no location of DISTRIBUTED_STORAGE_CONFIG")
    return Storage(backends, preference)
