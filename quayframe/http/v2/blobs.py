"""Blobs: pull with ranges, redirect where storage gives a URL, delete."""

from __future__ import annotations

import falcon

from quayframe.errors import Unavailable
from quayframe.oci.digest import Digest
from quayframe.oci.names import RepositoryName
from quayframe.oci.ranges import parse_range
from quayframe.plugin.access import SELF_DECIDED, Repo
from quayframe.registry import Registry

from ..request import Callers
from ..response import Response


class Blob:
    """`/v2/<name>/blobs/<digest>` (specification, end-2 and end-10)."""

    access = {"GET": SELF_DECIDED, "HEAD": SELF_DECIDED, "DELETE": Repo("delete")}

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._blobs = registry.blobs
        self._callers = callers
        self._direct = not registry.settings.FEATURE_PROXY_STORAGE

    def on_get(self, req: falcon.Request, resp: Response, name: RepositoryName, digest: str) -> None:
        found = self._blobs.find(req.context.token, name, Digest.parse(digest))
        self._headers(resp, digest)
        known = req.env.get("HTTP_IF_NONE_MATCH")
        if known is not None and digest in known:
            resp.status = 304
            return
        span = parse_range(req.env.get("HTTP_RANGE"), found.size)
        if self._direct:
            url = self._blobs.url(found, self._callers.ip(req))
            if url is not None:
                resp.status = 307
                resp.set_header("Location", url)
                resp.set_header("Cache-Control", "no-store")
                resp.delete_header("ETag")
                return
        if not req.context.admission.enter_stream(req.env):
            raise req.context.admission.refusal()
        start, stop = span if span is not None else (0, found.size)
        try:
            pieces = self._blobs.read(found, start, stop if span is not None else None)
        except BaseException:
            req.context.admission.leave(req.env)
            raise
        if span is not None:
            resp.status = 206
            resp.set_header("Content-Range", f"bytes {start}-{stop - 1}/{found.size}")
        resp.content_length = stop - start
        resp.stream = req.context.admission.until_closed(pieces, req.env)

    def on_head(self, req: falcon.Request, resp: Response, name: RepositoryName, digest: str) -> None:
        found = self._blobs.find(req.context.token, name, Digest.parse(digest))
        self._headers(resp, digest)
        resp.content_length = found.size
        try:
            self._blobs.refresh(req.context.token, found)
        except Unavailable:
            # The answer is true without it; a client that pushes next will be told if it is not.
            return

    @staticmethod
    def _headers(resp: Response, digest: str) -> None:
        resp.put(
            {
                "docker-content-digest": digest,
                "content-type": "application/octet-stream",
                "accept-ranges": "bytes",
                "cache-control": "max-age=31536000",
                "etag": f'"{digest}"',
            }
        )

    def on_delete(self, req: falcon.Request, resp: Response, name: RepositoryName, digest: str) -> None:
        self._blobs.delete(req.context.allowed, Digest.parse(digest))
        resp.status = 202
