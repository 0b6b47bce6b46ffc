"""Errors and lists in the shapes that clients know."""

from __future__ import annotations

import json
import logging
from typing import Any

import falcon

from quayframe import errors
from quayframe.errors import RegistryError, Unauthorized

log = logging.getLogger("quayframe.http")
JSON = "application/json"


def to_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def challenge(base_url: str, hostname: str, scope: str | None) -> str:
    """WWW-Authenticate: where to get a token, for whom, and for what."""
    text = f'Bearer realm="{base_url}/v2/auth",service="{hostname}"'
    if scope is None:
        return text
    # The path stands in the challenge as it was sent; a quote must not end the value.
    clean = "".join(c for c in scope if " " <= c <= "~" and c not in '"\\')[:512]
    return f'{text},scope="{clean}"'


def refuse(resp: falcon.Response, error: RegistryError, request_id: str, *, api: bool, base_url: str) -> None:
    """Puts an error into the response: `{"errors": [...]}` for the protocol, the typed shape for the
    API. Both carry the request id."""
    resp.status = error.status
    for name, value in error.headers.items():
        resp.set_header(name, value)
    resp.content_type = JSON
    if api:
        body = _api_error(error, request_id, base_url)
    else:
        detail = error.detail | {"request_id": request_id} if error.status >= 500 else error.detail
        body = {"errors": [{"code": error.code, "message": error.text, "detail": detail}]}
    resp.data = to_json(body)


def _api_error(error: RegistryError, request_id: str, base_url: str) -> dict[str, Any]:
    if error.shape == "error":
        return {"error": error.text}
    if error.shape == "message":
        return {"message": getattr(error, "message_object", error.text), **error.detail}
    return {
        "detail": error.text,
        "error_message": error.text,
        "error_type": error.api_type,
        "title": error.api_type,
        "type": f"{base_url}/api/v1/error/{error.api_type}",
        "status": error.status,
        "request_id": request_id,
        **error.detail,
    }


_BY_STATUS: dict[int, type[RegistryError]] = {
    400: errors.InvalidRequest,
    404: errors.NotFound,
    405: errors.Unsupported,
    413: errors.LayerTooLarge,
}


def from_falcon(error: falcon.HTTPError) -> RegistryError:
    """The framework's own errors (404, 405, bad requests) as ours."""
    cls = _BY_STATUS.get(error.status_code, errors.InvalidRequest)
    text = error.description or error.title
    made = cls(text) if not issubclass(cls, Unauthorized) else cls()
    for name, value in dict(error.headers or {}).items():
        made.headers[name] = value
    return made


def link(path: str) -> str:
    return f'<{path}>; rel="next"'
