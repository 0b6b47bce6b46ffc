"""What all providers share: a name, a title and a typed configuration."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class NoConfig(BaseModel):
    """The configuration of a provider that takes none."""

    model_config = ConfigDict(extra="forbid")


class Provider(ABC):
    """The base of every kind.

    `name` is what configuration, API and database call the provider (`LocalStorage`, `Database`);
    `title` is what people read; `Config` is a pydantic model of what the operator writes, secrets as
    `SecretStr`; `config_keys` are the top-level keys of config.yaml that `Config` reads, `*` allowed in them
    (`LDAP_*`), empty for a provider that is configured in place, as storage is.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str]
    title: ClassVar[str] = ""
    Config: ClassVar[type[BaseModel]] = NoConfig
    config_keys: ClassVar[tuple[str, ...]] = ()
