"""URLs by which clients fetch objects directly."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from quayframe.plugin.storage import UrlRequest

from .bucket import Bucket
from .failures import no_credentials

LONGEST_S = 7 * 24 * 3600


def presigned(bucket: Bucket, key: str, request: UrlRequest) -> str | None:
    """A URL of the bucket, signed for this request; None for methods other than GET and HEAD."""
    from botocore import exceptions as boto  # type: ignore[import-untyped]

    operation = {"GET": "get_object", "HEAD": "head_object"}.get(request.method.upper())
    if operation is None:
        return None
    params: dict[str, Any] = {"Bucket": bucket.name, "Key": key}
    if request.content_type:
        params["ResponseContentType"] = request.content_type
    if request.filename:
        params["ResponseContentDisposition"] = disposition(request.filename)
    try:
        url = bucket.client.generate_presigned_url(
            operation, Params=params, ExpiresIn=max(1, min(request.expires, LONGEST_S))
        )
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise no_credentials(f"URL of {key}", error) from error
    return str(url)


def disposition(filename: str) -> str:
    """A Content-Disposition by which browsers save under this name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    text = f'attachment; filename="{plain}"'
    return text if plain == filename else f"{text}; filename*=UTF-8''{quote(filename, safe='')}"
