"""URLs by which clients fetch objects directly."""

from __future__ import annotations

from urllib.parse import quote

from quayframe.plugin.storage import UrlRequest

from .bucket import Bucket

LONGEST_S = 7 * 24 * 3600
_QUERY = {
    "ResponseContentType": "response-content-type",
    "ResponseContentDisposition": "response-content-disposition",
}


def presigned(bucket: Bucket, key: str, request: UrlRequest) -> str | None:
    """A URL of the bucket, signed for this request; None for methods other than GET and HEAD."""
    operation = {"GET": "get_object", "HEAD": "head_object"}.get(request.method.upper())
    if operation is None:
        return None
    asked = {}
    if request.content_type:
        asked["ResponseContentType"] = request.content_type
    if request.filename:
        asked["ResponseContentDisposition"] = disposition(request.filename)
    expires_s = max(1, min(request.expires, LONGEST_S))
    query = {_QUERY[name]: value for name, value in asked.items()}
    url = bucket.signed(request.method.upper(), key, expires_s, query)
    return url or bucket.presigned(operation, expires_s, Key=key, **asked)


def disposition(filename: str) -> str:
    """A Content-Disposition by which browsers save under this name."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    text = f'attachment; filename="{plain}"'
    return text if plain == filename else f"{text}; filename*=UTF-8''{quote(filename, safe='')}"
