"""All keys that are known: the core's, those of plugins' providers, and those that are not built yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .known import NOT_BUILT, NOT_BUILT_PATTERNS
from .settings import Settings

EngineModels: TypeAlias = Mapping[str, type[BaseModel]]
"""Storage engines by name, each with the model of its parameters."""


@dataclass(frozen=True)
class ProviderKeys:
    """The top-level keys that a provider reads: names or patterns (`LDAP_*`, `*_LOGIN_CONFIG`), and the
    model that types them, its fields named as the keys. A model for a pattern whose names are open has
    `extra="allow"` (and types them by `__pydantic_extra__`)."""

    provider: str
    patterns: tuple[str, ...]
    model: type[BaseModel]


@dataclass(frozen=True)
class Catalogue:
    """What a configuration is checked against. `engines` None: storage parameters are not checked."""

    providers: tuple[ProviderKeys, ...] = ()
    engines: EngineModels | None = None
    core: Mapping[str, FieldInfo] = field(default_factory=lambda: Settings.model_fields)

    @classmethod
    def of(cls, providers: Sequence[ProviderKeys], engines: EngineModels | None) -> Catalogue:
        return cls(tuple(providers), engines)

    def owners(self, key: str) -> tuple[ProviderKeys, ...]:
        """The providers that read this key. One that names it whole goes before a pattern's."""
        exact = tuple(p for p in self.providers if key in p.patterns)
        if exact:
            return exact
        matching = (p for p in self.providers if any(fnmatchcase(key, pattern) for pattern in p.patterns))
        return tuple(p for p in matching if takes(p.model, key))

    def forbids(self, key: str) -> bool:
        """A provider's pattern has this key, and its model allows no others than its own."""
        return any(
            p.model.model_config.get("extra") == "forbid" and any(fnmatchcase(key, x) for x in p.patterns)
            for p in self.providers
        )

    def not_built(self, key: str) -> bool:
        return key in NOT_BUILT or any(fnmatchcase(key, pattern) for pattern in NOT_BUILT_PATTERNS)

    def names(self) -> frozenset[str]:
        """Every name that is known; patterns are not among them."""
        plain = {
            key for p in self.providers for key in (*p.patterns, *field_names(p.model)) if "*" not in key
        }
        return frozenset(self.core) | NOT_BUILT | plain


def field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The names under which the model reads its fields."""
    return tuple(info.alias or name for name, info in model.model_fields.items())


def takes(model: type[BaseModel], key: str) -> bool:
    return model.model_config.get("extra") == "allow" or key in field_names(model)


def field_of(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The field that is read from `key`."""
    for name, info in model.model_fields.items():
        if (info.alias or name) == key:
            return info
    return None
