"""What the operator writes for each engine, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Encryption = Literal["AES256", "aws:kms"]
MIB = 1024 * 1024
GIB = 1024 * MIB
SHORTEST_PART = 5 * MIB
"""S3 takes no shorter part but the last."""


@dataclass(frozen=True)
class Target:
    """Where a back end's objects are and how they are spoken to: the same for all engines."""

    bucket: str
    root: str
    """The prefix of all keys: empty, or ending in `/`."""
    endpoint: str | None
    region: str | None
    access_key: str | None
    secret_key: str | None
    encryption: Encryption | None
    signature_version: str
    addressing: str
    minimum_part: int
    copy_part: int
    """Bytes that one request copies at most; 0 = the service copies nothing."""
    connections: int
    connect_timeout_s: float
    read_timeout_s: float
    attempts: int


class Common(BaseModel):
    """The parameters that every engine has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    storage_path: str = Field(
        description="The prefix of every object's key in the bucket; `/` is the bucket's root."
    )
    signature_version: Literal["s3v4", "s3"] | None = Field(
        default=None, description="How requests and URLs are signed; s3v4 unless given. s3 is the old form."
    )
    addressing_style: Literal["auto", "path", "virtual"] | None = Field(
        default=None,
        description="The bucket's place in URLs: in the path, or in the host's name. "
        "Unless given: the path where an endpoint is named, the host's name at Amazon.",
    )
    minimum_chunk_size_mb: int = Field(
        default=5,
        ge=5,
        le=1024,
        description="MiB that a part of an upload has at least; S3 takes none below 5. "
        "Four parts of an upload may be in memory.",
    )
    max_connections: int = Field(
        default=64,
        ge=2,
        le=10_000,
        description="Requests, and beside them downloads, under way in a process.",
    )
    connect_timeout: float = Field(default=5, gt=0, le=300, description="Seconds to wait for a connection.")
    read_timeout: float = Field(default=60, gt=0, le=900, description="Seconds to wait for the next bytes.")
    max_attempts: int = Field(
        default=5, ge=1, le=20, description="How often a request is made that fails for a passing reason."
    )

    @field_validator("storage_path")
    @classmethod
    def _plain_path(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or ".." in value.split("/"):
            raise ValueError("must be printable ASCII without `..`")
        return value

    def target(self) -> Target:
        """What these parameters come to."""
        raise NotImplementedError

    def _target(
        self,
        bucket: str,
        endpoint: str | None,
        region: str | None,
        access_key: SecretStr | None,
        secret_key: SecretStr | None,
        encryption: Encryption | None,
        copy_part: int,
    ) -> Target:
        root = "/".join(part for part in self.storage_path.split("/") if part)
        amazon = endpoint is None or ".amazonaws.com" in endpoint
        return Target(
            bucket=bucket,
            root=f"{root}/" if root else "",
            endpoint=endpoint,
            region=region or (None if endpoint is None else "us-east-1"),
            access_key=access_key.get_secret_value() if access_key else None,
            secret_key=secret_key.get_secret_value() if secret_key else None,
            encryption=encryption,
            signature_version=self.signature_version or "s3v4",
            addressing=self.addressing_style or ("auto" if amazon else "path"),
            minimum_part=self.minimum_chunk_size_mb * MIB,
            copy_part=copy_part,
            connections=self.max_connections,
            connect_timeout_s=self.connect_timeout,
            read_timeout_s=self.read_timeout,
            attempts=self.max_attempts,
        )


class AmazonConfig(Common):
    """What the engines at Amazon have in common."""

    s3_bucket: str = Field(description="The bucket; it must exist.")
    s3_region: str | None = Field(default=None, description="The bucket's region.")
    endpoint_url: str | None = Field(
        default=None, description="The URL of another service that speaks S3; Amazon's own unless given."
    )
    maximum_chunk_size_gb: int = Field(
        default=5, ge=1, le=5, description="GiB of an object that one request copies at most."
    )
    server_side_encryption: Encryption | None = Field(
        default="AES256",
        description="How the service is asked to encrypt objects; null asks for nothing, "
        "for services that refuse the header.",
    )

    @field_validator("endpoint_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    def amazon(
        self, access_key: SecretStr | None, secret_key: SecretStr | None, endpoint: str | None
    ) -> Target:
        return self._target(
            self.s3_bucket,
            endpoint,
            self.s3_region,
            access_key,
            secret_key,
            self.server_side_encryption,
            self.maximum_chunk_size_gb * GIB,
        )


class S3Config(AmazonConfig):
    """What the operator writes for `S3Storage`."""

    s3_access_key: SecretStr | None = Field(
        default=None, description="Without it, the credentials of the machine's role."
    )
    s3_secret_key: SecretStr | None = Field(default=None, description="The secret of s3_access_key.")
    host: str | None = Field(default=None, description="The host of another service, spoken to by TLS.")
    port: int | None = Field(default=None, ge=1, le=65535, description="The port of `host`.")

    @model_validator(mode="after")
    def _whole(self) -> S3Config:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("s3_access_key and s3_secret_key come together")
        if self.host and self.endpoint_url:
            raise ValueError("host and endpoint_url exclude each other")
        if self.port and not self.host:
            raise ValueError("port needs host; endpoint_url has its own")
        return self

    def target(self) -> Target:
        endpoint = self.endpoint_url
        if self.host:
            endpoint = endpoint_of(self.host, self.port, secure=True)
        return self.amazon(self.s3_access_key, self.s3_secret_key, endpoint)


class STSConfig(AmazonConfig):
    """What the operator writes for `STSS3Storage`."""

    sts_role_arn: str = Field(description="The role that is assumed.")
    sts_user_access_key: SecretStr | None = Field(
        default=None, description="Who assumes the role; without it, the machine's own credentials."
    )
    sts_user_secret_key: SecretStr | None = Field(default=None, description="The secret of that key.")
    sts_endpoint_url: str | None = Field(
        default=None, description="The URL of another token service; Amazon's own unless given."
    )

    @model_validator(mode="after")
    def _whole(self) -> STSConfig:
        if (self.sts_user_access_key is None) != (self.sts_user_secret_key is None):
            raise ValueError("sts_user_access_key and sts_user_secret_key come together")
        return self

    def target(self) -> Target:
        return self.amazon(None, None, self.endpoint_url)


class CloudFrontConfig(S3Config):
    """What the operator writes for `CloudFrontedS3Storage`."""

    cloudfront_distribution_domain: str = Field(description="The host that serves the bucket.")
    cloudfront_key_id: str = Field(description="The id of the key pair that signs URLs.")
    cloudfront_privatekey_filename: Path = Field(
        description="The key's PEM file; a relative one is looked for beside config.yaml."
    )
    cloudfront_distribution_org_overrides: dict[str, str] = Field(
        default_factory=dict, description="Another host for a namespace's blobs: {namespace: host}."
    )
    aws_ip_ranges_filename: Path | None = Field(
        default=None,
        description="Amazon's ip-ranges.json. With it, clients in the bucket's own region get URLs of S3.",
    )


class GatewayConfig(Common):
    """What the operator writes for `RadosGWStorage` and `RHOCSStorage`."""

    hostname: str = Field(description="The gateway's host.")
    is_secure: bool = Field(description="Whether it is spoken to by TLS.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Its port.")
    bucket_name: str = Field(description="The bucket; it must exist.")
    access_key: SecretStr = Field(description="The access key.")
    secret_key: SecretStr = Field(description="The secret key.")
    region_name: str | None = Field(default=None, description="The region that signatures name.")
    maximum_chunk_size_mb: int = Field(
        default=5 * 1024, ge=5, le=5 * 1024, description="MiB of an object that one request copies at most."
    )
    server_side_assembly: bool = Field(
        default=True,
        description="Whether the server can copy objects; if not, the rare upload that must be put together "
        "from several is read and written anew.",
    )
    server_side_encryption: Encryption | None = Field(
        default=None, description="How the server is asked to encrypt objects; null asks for nothing."
    )

    def target(self) -> Target:
        return self._target(
            self.bucket_name,
            endpoint_of(self.hostname, self.port, secure=self.is_secure),
            self.region_name,
            self.access_key,
            self.secret_key,
            self.server_side_encryption,
            self.maximum_chunk_size_mb * MIB if self.server_side_assembly else 0,
        )


class IBMConfig(GatewayConfig):
    """What the operator writes for `IBMCloudStorage`."""


def endpoint_of(host: str, port: int | None, *, secure: bool) -> str:
    """The URL of a service at this host; one that has a scheme already keeps it."""
    url = host.rstrip("/") if "://" in host else f"{'https' if secure else 'http'}://{host}"
    return f"{url}:{port}" if port else url
