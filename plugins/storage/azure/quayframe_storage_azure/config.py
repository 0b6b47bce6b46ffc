"""What the operator writes for `AzureStorage`."""

from __future__ import annotations

import base64
import binascii
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class AzureConfig(BaseModel):
    """The parameters of `AzureStorage`; one of `azure_account_key` and `sas_token` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    azure_container: str = Field(min_length=1, description="The container; it has to exist.")
    azure_account_name: str = Field(min_length=1, description="The storage account.")
    azure_account_key: SecretStr | None = Field(
        None, description="The account's key. Direct URLs for clients are signed with it."
    )
    sas_token: SecretStr | None = Field(
        None,
        description="A shared access signature instead of the key: read, add, create, write, delete and "
        "list on the container. Without the key clients get no direct URLs.",
    )
    storage_path: str = Field("", description="What the names of all blobs begin with.")
    endpoint_url: str | None = Field(
        None, description="The blob service, where it is not https://<account>.blob.core.windows.net."
    )
    timeout: float = Field(60, gt=0, description="Seconds that one answer of the service may take.")
    attempts: int = Field(5, ge=1, le=20, description="How often a request is made before it has failed.")

    @field_validator("storage_path")
    @classmethod
    def _without_slashes(cls, value: str) -> str:
        return value.strip("/")

    @field_validator("endpoint_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("a URL with http:// or https:// is needed")
        return value.rstrip("/") if value else None

    @field_validator("azure_account_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                base64.b64decode(value.get_secret_value(), validate=True)
            except binascii.Error as error:
                raise ValueError("not an account key: those are base64") from error
        return value

    @model_validator(mode="after")
    def _has_credential(self) -> Self:
        if not (self.azure_account_key or self.sas_token):
            raise ValueError("azure_account_key or sas_token is needed")
        return self

    @property
    def url(self) -> str:
        return self.endpoint_url or f"https://{self.azure_account_name}.blob.core.windows.net"
