"""`/api/v1/docs`: Swagger UI over the API's description, from this installation alone."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import importlib.resources
from dataclasses import dataclass
from typing import Any

import falcon

from quayframe.errors import NotFound
from quayframe.plugin.access import PUBLIC

_OWN = {"docs.js": "text/javascript; charset=utf-8"}
_SWAGGER = {
    "favicon-32x32.png": "image/png",
    "oauth2-redirect.html": "text/html; charset=utf-8",
    "oauth2-redirect.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
_PAGE = "docs.html"
_TYPES = {_PAGE: "text/html; charset=utf-8"} | _OWN | _SWAGGER
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI puts style elements into its page; scripts come from this registry alone."""


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes
    etag: str


class Assets:
    """The page's files, read when they are first asked for. Nothing but these names is ever opened."""

    def __init__(self) -> None:
        self._read: dict[str, Asset] = {}

    def get(self, name: str) -> Asset:
        """Raises NotFound."""
        if name not in _TYPES:
            raise NotFound()
        found = self._read.get(name)
        if found is None:
            plain = (_swagger_ui() if name in _SWAGGER else _own()).joinpath(name).read_bytes()
            etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
            found = self._read[name] = Asset(_TYPES[name], plain, gzip.compress(plain, mtime=0), etag)
        return found


def _own() -> Any:
    return importlib.resources.files("quayframe.http").joinpath("static")


def _swagger_ui() -> Any:
    return importlib.import_module("swagger_ui_bundle").swagger_ui_path


class _Files:
    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def _send(self, req: falcon.Request, resp: falcon.Response, name: str, cache: str) -> None:
        asset = self._assets.get(name)
        resp.set_header("Cache-Control", cache)
        resp.set_header("ETag", asset.etag)
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("Referrer-Policy", "no-referrer")
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.append_header("Vary", "Accept-Encoding")
        if asset.etag in (req.get_header("If-None-Match") or "").replace("W/", ""):
            resp.status = 304
            return
        resp.content_type = asset.kind
        if "gzip" in (req.get_header("Accept-Encoding") or ""):
            resp.set_header("Content-Encoding", "gzip")
            resp.data = asset.packed
        else:
            resp.data = asset.plain


class DocsPage(_Files):
    """The page itself."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._send(req, resp, _PAGE, "no-cache")

    on_head = on_get


class DocsFile(_Files):
    """What the page needs."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        if name == _PAGE:
            raise NotFound()
        self._send(req, resp, name, "public, max-age=86400")

    on_head = on_get
