"""Settings: all keys of config.yaml that the core reads, typed. Times are seconds, sizes are bytes."""

from __future__ import annotations

from .keys_accounts import AccountKeys
from .keys_content import ContentKeys
from .keys_core import CoreKeys
from .keys_registry import RegistryKeys
from .keys_storage import StorageKeys
from .keys_tenancy import TenancyKeys


class Settings(ContentKeys, StorageKeys, TenancyKeys, RegistryKeys, AccountKeys, CoreKeys):
    """Immutable. An attribute is named as its key; a key that is not set has its default."""
