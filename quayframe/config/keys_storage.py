"""Keys of storage: which back ends there are, and which is used for what."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .keys_core import Keys


class StorageKeys(Keys):
    DISTRIBUTED_STORAGE_CONFIG: dict[str, tuple[str, dict[str, Any]]] | None = Field(
        default=None,
        repr=False,
        description="Storage locations: {id: [Engine, {parameters}]}; unset, a folder in the data folder.",
    )
    DISTRIBUTED_STORAGE_PREFERENCE: tuple[str, ...] = Field(
        default=(), description="Ids in order: writes go to the first, reads to the first that has the blob."
    )
    DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS: tuple[str, ...] = Field(
        default=(), description="Ids that every blob is copied to."
    )
    FEATURE_STORAGE_REPLICATION: bool = Field(
        default=False, description="Blobs are copied to all of DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS."
    )
    DISTRIBUTED_STORAGE_VALIDATE_ENDTOEND: bool = Field(
        default=True, description="/health/endtoend writes to and reads from storage."
    )
    DISTRIBUTED_STORAGE_VALIDATE_ALL: bool = Field(
        default=False, description="/health/endtoend asks every location, not only the preferred one."
    )
    FEATURE_PROXY_STORAGE: bool = Field(
        default=False, description="Clients fetch blobs through the registry, not from the storage's URLs."
    )
