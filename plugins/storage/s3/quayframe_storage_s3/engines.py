"""The engines beside `S3Storage`: other credentials, other URLs, other services."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from quayframe.plugin.storage import UrlRequest

from .backend import S3Storage
from .bucket import MakeSession
from .cloudfront import CloudFront
from .configs import CloudFrontConfig, GatewayConfig, IBMConfig, STSConfig
from .roles import role_session


class STSS3Storage(S3Storage):
    """Objects in a bucket that a role may use, which the credentials of the configuration may assume."""

    name = "STSS3Storage"
    title = "Amazon S3 by an assumed role"
    Config: ClassVar[type[BaseModel]] = STSConfig

    def _session(self, config: STSConfig) -> MakeSession:
        return lambda: role_session(config)


class CloudFrontedS3Storage(S3Storage):
    """Objects in a bucket that clients reach by CloudFront."""

    name = "CloudFrontedS3Storage"
    title = "Amazon S3 behind CloudFront"
    Config: ClassVar[type[BaseModel]] = CloudFrontConfig

    def __init__(self, config: CloudFrontConfig) -> None:
        super().__init__(config)
        self._cloudfront = CloudFront(config)

    def url(self, key: str, request: UrlRequest) -> str | None:
        direct = super().url(key, request)
        if direct is None or not self._cloudfront.serves(request.client_address):
            return direct
        return self._cloudfront.url(self._root + key, request)


class RadosGWStorage(S3Storage):
    """Objects in a bucket of Ceph's RADOS gateway."""

    name = "RadosGWStorage"
    title = "Ceph RADOS Gateway"
    Config: ClassVar[type[BaseModel]] = GatewayConfig

    def url(self, key: str, request: UrlRequest) -> str | None:
        # The gateway does not let pages of other origins read its answers.
        return None if request.cors else super().url(key, request)


class RHOCSStorage(RadosGWStorage):
    """Objects in a bucket of Red Hat OpenShift's object storage."""

    name = "RHOCSStorage"
    title = "Red Hat OpenShift Data Foundation"


class IBMCloudStorage(S3Storage):
    """Objects in a bucket of IBM Cloud Object Storage."""

    name = "IBMCloudStorage"
    title = "IBM Cloud Object Storage"
    Config: ClassVar[type[BaseModel]] = IBMConfig
