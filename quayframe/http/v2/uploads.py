"""Blob uploads: whole, chunked, streamed, resumed, mounted, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from quayframe.errors import BlobUploadInvalid, DigestInvalid, NameInvalid, RangeInvalid
from quayframe.oci import names
from quayframe.oci.digest import Digest
from quayframe.oci.names import RepositoryName
from quayframe.oci.ranges import parse_content_range
from quayframe.plugin.access import Repo
from quayframe.registry import Registry
from quayframe.services.gate import Allowed
from quayframe.services.uploads import range_header

from ..body import RequestBody
from ..request import Callers


class _Uploading:
    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._uploads = registry.uploads
        self._callers = callers
        self._limit = int(registry.settings.MAXIMUM_LAYER_SIZE)

    def _location(self, req: falcon.Request, name: RepositoryName, ident: str) -> str:
        return f"{self._callers.base_url(req)}/v2/{name.full}/blobs/uploads/{ident}"

    def _made(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, digest: str) -> None:
        resp.status = 201
        resp.set_header("Location", f"{self._callers.base_url(req)}/v2/{name.full}/blobs/{digest}")
        resp.set_header("Docker-Content-Digest", digest)

    @contextmanager
    def _body(self, req: falcon.Request) -> Iterator[RequestBody]:
        body = RequestBody(req.env, limit=self._limit)
        try:
            yield body
        finally:
            body.close()


class Uploads(_Uploading):
    """`/v2/<name>/blobs/uploads/` (specification, end-4a, end-4b, end-11)."""

    access = {"POST": Repo("push")}

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName) -> None:
        allowed: Allowed = req.context.allowed
        mount, digest = req.get_param("mount"), req.get_param("digest")
        if mount and self._mount(req, allowed, mount):
            self._made(req, resp, name, mount)
            return
        if digest and not mount:
            self._whole(req, resp, allowed, Digest.parse(digest))
            return
        algorithm = req.get_param("digest-algorithm") or "sha256"
        if algorithm not in ("sha256", "sha512"):
            raise DigestInvalid(
                f"the digest algorithm {algorithm[:40]} is not known here; use sha256 or sha512"
            )
        ident = self._uploads.begin(allowed, algorithm)
        resp.status = 202
        resp.set_header("Location", self._location(req, name, ident))
        resp.set_header("Docker-Upload-UUID", ident)
        resp.set_header("Range", range_header(0))

    def _mount(self, req: falcon.Request, allowed: Allowed, mount: str) -> bool:
        source = req.get_param("from")
        token = req.context.token
        try:
            digest = Digest.parse(mount)
            origin = None
            if source:
                settings = self._registry.settings
                origin = names.repository_path(
                    source,
                    library=settings.LIBRARY_NAMESPACE if settings.FEATURE_LIBRARY_SUPPORT else None,
                    extended=settings.FEATURE_EXTENDED_REPOSITORY_NAMES,
                )
        except (DigestInvalid, NameInvalid):
            return False
        return token is not None and self._registry.blobs.mount(token, allowed, digest, origin)

    def _whole(self, req: falcon.Request, resp: falcon.Response, allowed: Allowed, digest: Digest) -> None:
        with self._body(req) as body:
            ident = self._uploads.begin(allowed, digest.algorithm)
            allowed = self._registry.gate.pass_(req.context.token, allowed.name, "push")
            try:
                self._uploads.finish(allowed, ident, digest, body)
            except BaseException:
                self._uploads.abandon(allowed, ident)
                raise
        self._made(req, resp, allowed.name, digest)


class Upload(_Uploading):
    """`/v2/<name>/blobs/uploads/<id>` (specification, end-5, end-6, end-13, end-14)."""

    access = {
        "GET": Repo("push"),
        "HEAD": Repo("push"),
        "PATCH": Repo("push"),
        "PUT": Repo("push"),
        "DELETE": Repo("push"),
    }

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, ident: str) -> None:
        size = self._uploads.status(req.context.allowed, ident)
        resp.status = 204
        self._progress(req, resp, name, ident, size)

    on_head = on_get

    def on_patch(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, ident: str) -> None:
        start, length = _content_range(req)
        with self._body(req) as body:
            try:
                size = self._uploads.append(req.context.allowed, ident, body, start, length)
            except RangeInvalid as error:
                error.headers["Location"] = self._location(req, name, ident)
                raise
        resp.status = 202
        self._progress(req, resp, name, ident, size)

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, ident: str) -> None:
        allowed: Allowed = req.context.allowed
        self._uploads.status(allowed, ident)
        text = req.get_param("digest")
        if not text:
            raise BlobUploadInvalid(
                "the digest of the blob is missing: PUT ...?digest=sha256:...",
                detail={"reason": "Missing digest arg on monolithic upload"},
            )
        start, length = _content_range(req)
        digest = Digest.parse(text)
        with self._body(req) as body:
            try:
                self._uploads.finish(allowed, ident, digest, body, start, length)
            except RangeInvalid as error:
                error.headers["Location"] = self._location(req, name, ident)
                raise
        self._made(req, resp, name, digest)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, ident: str) -> None:
        self._uploads.cancel(req.context.allowed, ident)
        resp.status = 204

    def _progress(
        self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, ident: str, size: int
    ) -> None:
        resp.set_header("Location", self._location(req, name, ident))
        resp.set_header("Docker-Upload-UUID", ident)
        resp.set_header("Range", range_header(size))


def _content_range(req: falcon.Request) -> tuple[int | None, int | None]:
    """(first byte, count) of a Content-Range header; (None, None) without one."""
    header = req.env.get("HTTP_CONTENT_RANGE")
    if header is None:
        return None, None
    start, stop = parse_content_range(header)
    return start, stop - start
