"""What the operator writes for `GoogleCloudStorage`."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_NEEDED = ("client_email", "private_key", "token_uri")


class GoogleConfig(BaseModel):
    """The parameters of `GoogleCloudStorage`: a service account, or an HMAC key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket_name: str = Field(min_length=3, description="The bucket; it has to exist.")
    service_account_key: SecretStr | None = Field(
        None,
        description="A service account's key: the JSON file that Google Cloud gives, as {file: PATH}.",
    )
    access_key: str | None = Field(None, min_length=1, description="An HMAC key instead: its access id.")
    secret_key: SecretStr | None = Field(None, description="The HMAC key's secret.")
    storage_path: str = Field("", description="What the names of all objects begin with.")
    endpoint_url: str = Field(
        "https://storage.googleapis.com", description="The service, where it is reached in another way."
    )
    boto_timeout: float = Field(60, gt=0, description="Seconds that one answer of the service may take.")
    attempts: int = Field(5, ge=1, le=20, description="How often a request is made before it has failed.")
    minimum_chunk_size_mb: int = Field(
        5, ge=1, le=32, description="MiB of one request of a long append; so much memory is held for each."
    )
    signature_version: str | None = Field(
        None, description="Taken from older configurations; signatures are always V4."
    )

    @field_validator("storage_path")
    @classmethod
    def _without_slashes(cls, value: str) -> str:
        return value.strip("/")

    @field_validator("endpoint_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("a URL with http:// or https:// is needed")
        return value.rstrip("/")

    @field_validator("service_account_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                found = json.loads(value.get_secret_value())
            except ValueError as error:
                raise ValueError("not the JSON of a service account's key") from error
            missing = [name for name in _NEEDED if not isinstance(found, dict) or not found.get(name)]
            if missing:
                raise ValueError(f"not a service account's key: {', '.join(missing)} missing")
        return value

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        hmac = self.access_key, self.secret_key
        if any(hmac) and not all(hmac):
            raise ValueError("access_key and secret_key go together")
        if bool(self.service_account_key) == all(hmac):
            raise ValueError("either service_account_key or access_key and secret_key is needed")
        return self

    @property
    def account(self) -> dict[str, Any]:
        """The service account's key, read."""
        assert self.service_account_key is not None
        return dict(json.loads(self.service_account_key.get_secret_value()))

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and to wait for an answer."""
        return min(5, self.boto_timeout), self.boto_timeout
