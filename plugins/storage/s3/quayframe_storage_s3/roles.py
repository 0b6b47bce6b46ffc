"""Credentials of a role that another key assumes, renewed before they expire."""

from __future__ import annotations

import uuid
from typing import Any

from .configs import STSConfig

_LIFE_S = 3600


def role_session(config: STSConfig) -> Any:
    """A boto3 session with the role's credentials; the first are fetched with the first request."""
    import boto3  # type: ignore[import-untyped]
    import botocore.session  # type: ignore[import-untyped]
    from botocore.credentials import DeferredRefreshableCredentials  # type: ignore[import-untyped]

    def secret(value: Any) -> str | None:
        return value.get_secret_value() if value is not None else None

    def assume() -> dict[str, str]:
        client = boto3.session.Session().client(
            "sts",
            endpoint_url=config.sts_endpoint_url,
            region_name=config.s3_region or "us-east-1",
            aws_access_key_id=secret(config.sts_user_access_key),
            aws_secret_access_key=secret(config.sts_user_secret_key),
        )
        answer = client.assume_role(
            RoleArn=config.sts_role_arn,
            RoleSessionName=f"quayframe-{uuid.uuid4().hex[:12]}",
            DurationSeconds=_LIFE_S,
        )
        found = answer["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    session = botocore.session.Session()
    # boto3 has no public way to give a session credentials that renew themselves.
    session._credentials = DeferredRefreshableCredentials(refresh_using=assume, method="sts-assume-role")
    return boto3.session.Session(botocore_session=session)
