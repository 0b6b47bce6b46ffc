"""Models such as plugins bring: storage engines, a directory, log-in services."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from quayframe.config import EngineModels, Loaded, ProviderKeys


class Local(BaseModel):
    storage_path: str


class Bucket(BaseModel):
    storage_path: str = "/registry"
    bucket: str = Field(alias="s3_bucket")
    secret: SecretStr | None = Field(default=None, alias="s3_secret_key")
    private: SecretStr | None = Field(default=None, alias="opaque")


class Directory(BaseModel):
    LDAP_URI: str = Field(default="ldap://localhost", description="Where the directory is.")
    LDAP_ADMIN_PASSWD: SecretStr | None = None
    LDAP_BASE_DN: list[str]
    LDAP_TIMEOUT: int = 10

    @field_validator("LDAP_URI")
    @classmethod
    def _uri(cls, value: str) -> str:
        if not value.startswith("ldap"):
            raise ValueError(f"not a directory: {value}")
        return value


class Oidc(BaseModel):
    OIDC_SERVER: str
    CLIENT_SECRET: SecretStr


class Logins(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Oidc] = Field(init=False)


ENGINES: EngineModels = {"LocalStorage": Local, "S3Storage": Bucket}
LDAP = ProviderKeys("LDAP", ("LDAP_*",), Directory)
OIDC = ProviderKeys("OIDC", ("*_LOGIN_CONFIG",), Logins)

Read = Callable[..., Loaded]
"""The fixture `read`: loads a text as config.yaml."""

Problems = Callable[..., list[str]]
"""The fixture `problems`: what is wrong with a text."""
