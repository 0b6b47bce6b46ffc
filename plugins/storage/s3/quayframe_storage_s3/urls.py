"""URLs by which clients fetch objects directly."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from quayframe.plugin.storage import UrlRequest

from .bucket import Bucket

LONGEST_S = 7 * 24 * 3600


def presigned(bucket: Bucket, key: str, request: UrlRequest) -> str | None:
    """A URL of the bucket, signed for this request; None for methods other than GET and HEAD."""
    operation = {"GET": "get_object", "HEAD": "head_object"}.get(request.method.upper())
    if operation is None:
        return None
    params: dict[str, Any] = {"Key": key}
    if request.content_type:
        params["ResponseContentType"] = request.content_type
    if request.filename:
        params["ResponseContentDisposition"] = disposition(request.filename)
    return bucket.presigned(operation, max(1, min(request.expires, LONGEST_S)), **params)


def disposition(filename: str) -> str:
    """A Content-Disposition by which browsers save under this name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    text = f'attachment; filename="{plain}"'
    return text if plain == filename else f"{text}; filename*=UTF-8''{quote(filename, safe='')}"
