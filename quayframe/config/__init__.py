"""config.yaml: typed settings, checks that tell all problems at once, schema, masked dump."""

from __future__ import annotations

from .catalogue import EngineModels, ProviderKeys
from .embedded import embedded
from .loading import Loaded, StorageEntry, load
from .mask import plain
from .settings import Settings
from .show import catalogue_of, dump, dump_yaml, explain, schema
from .told import told
from .types import MASK, DatabaseUri, Duration, Size

__all__ = [
    "MASK",
    "DatabaseUri",
    "Duration",
    "EngineModels",
    "Loaded",
    "ProviderKeys",
    "Settings",
    "Size",
    "StorageEntry",
    "catalogue_of",
    "dump",
    "dump_yaml",
    "embedded",
    "explain",
    "load",
    "plain",
    "schema",
    "told",
]
