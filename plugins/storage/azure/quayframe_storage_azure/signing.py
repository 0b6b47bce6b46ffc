"""URLs by which clients fetch blobs directly: shared access signatures of the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from quayframe.plugin.storage import UrlRequest

_CLOCKS_DIFFER = timedelta(minutes=5)


def signed_url(url: str, account: str, key: str, container: str, blob: str, request: UrlRequest) -> str:
    """`url` with a signature that lets its holder read this one blob until `request.expires` is over."""
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    now = datetime.now(UTC)
    token = generate_blob_sas(
        account,
        container,
        blob,
        account_key=key,
        permission=BlobSasPermissions(read=True),
        start=now - _CLOCKS_DIFFER,
        expiry=now + timedelta(seconds=request.expires),
        protocol="https" if url.startswith("https:") else None,
        content_type=request.content_type,
        content_disposition=disposition(request.filename) if request.filename else None,
    )
    return f"{url}?{token}"


def disposition(filename: str) -> str:
    """The header Content-Disposition for a download under this name (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    extended = f"; filename*=UTF-8''{quote(filename, safe='')}" if plain != filename else ""
    return f'attachment; filename="{plain}"{extended}'
