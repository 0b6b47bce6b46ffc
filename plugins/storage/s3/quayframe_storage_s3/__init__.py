"""Storage back ends that speak S3: Amazon's own, with STS and CloudFront, RadosGW, RHOCS, IBM."""

from __future__ import annotations

from quayframe.plugin import hookimpl

from .backend import S3Storage
from .engines import (
    CloudFrontedS3Storage,
    IBMCloudStorage,
    RadosGWStorage,
    RHOCSStorage,
    STSS3Storage,
)

__all__ = [
    "CloudFrontedS3Storage",
    "IBMCloudStorage",
    "RHOCSStorage",
    "RadosGWStorage",
    "S3Storage",
    "STSS3Storage",
    "quayframe_api",
    "quayframe_providers",
]

quayframe_api = (1, 0)


@hookimpl
def quayframe_providers() -> list[type[S3Storage]]:
    return [
        S3Storage,
        STSS3Storage,
        CloudFrontedS3Storage,
        RadosGWStorage,
        RHOCSStorage,
        IBMCloudStorage,
    ]
