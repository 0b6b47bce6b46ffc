"""Manifests: pull, push, delete, under conditions."""

from __future__ import annotations

import re
from contextlib import suppress

import falcon

from quayframe.errors import InvalidRequest, ManifestTooLarge, ManifestUnknown, TagExpired, Unavailable
from quayframe.events import PullRepo
from quayframe.oci import names
from quayframe.oci.digest import Digest
from quayframe.oci.manifest import MAXIMUM_SIZE
from quayframe.oci.names import RepositoryName
from quayframe.plugin.access import SELF_DECIDED, Repo
from quayframe.registry import Registry
from quayframe.services import as_of
from quayframe.services.pulls import Pulled
from quayframe.services.tags import Condition

from ..body import RequestBody
from ..response import Response

_ETAGS = re.compile(r'\s*(?:W/)?"([^"]*)"\s*(?:,|$)|\s*(\*)\s*$')


class Manifest:
    """`/v2/<name>/manifests/<reference>` (specification, end-3, end-7, end-9)."""

    access = {
        "GET": SELF_DECIDED,
        "HEAD": SELF_DECIDED,
        "PUT": Repo("push"),
        "DELETE": Repo("delete"),
    }

    def __init__(self, registry: Registry) -> None:
        self._manifests = registry.manifests
        self._pulls = registry.pulls
        self._as_of = registry.content.as_of
        counts = registry.content.pull_counts
        self._count = counts.note if counts.enabled else None
        self._tags = registry.tags
        self._registry = registry
        self._checked = registry.plugins.wants_check(PullRepo)

    def on_get(self, req: falcon.Request, resp: Response, name: RepositoryName, reference: str) -> None:
        self._answer(req, resp, self._pull(req, name, reference))

    def _answer(self, req: falcon.Request, resp: Response, pulled: Pulled) -> None:
        resp.put(
            {
                "docker-content-digest": pulled.digest,
                "content-type": pulled.media_type,
                "docker-distribution-api-version": "registry/2.0",
                "etag": f'"{pulled.digest}"',
            }
        )
        known = req.env.get("HTTP_IF_NONE_MATCH")
        if known is not None and not {pulled.digest, "*"}.isdisjoint(_etags(known)):
            resp.status = 304
            return
        if self._count is not None and req.method == "GET":
            self._count(pulled)
        resp.data = pulled.body

    def on_head(self, req: falcon.Request, resp: Response, name: RepositoryName, reference: str) -> None:
        pulled = self._pull(req, name, reference)
        self._answer(req, resp, pulled)
        if ":" in reference:
            # The answer is true without it; a client that pushes next will be told if it is not.
            with suppress(Unavailable):
                self._manifests.refresh(req.context.token, name, pulled)

    def _pull(self, req: falcon.Request, name: RepositoryName, reference: str) -> Pulled:
        tag: str | None = None
        if ":" in reference:
            if _moment(req) is not None:
                raise InvalidRequest("as_of goes with a tag: a digest names the same manifest at all times")
            pulled = self._pulls.by_digest(req.context.token, name, Digest.parse(reference))
        elif names.is_tag(reference):
            pulled, tag = self._by_tag(req, name, reference)
        else:
            self._registry.gate.pass_(req.context.token, name, "pull")
            raise ManifestUnknown()
        if self._checked:
            event = PullRepo(
                namespace=name.namespace,
                repository=name.name,
                performer=req.context.user,
                digest=pulled.digest,
                tag=tag,
            )
            self._registry.plugins.check(event, self._registry.host_for)
        return pulled

    def _by_tag(self, req: falcon.Request, name: RepositoryName, reference: str) -> tuple[Pulled, str]:
        """A tag as it is, or as it was: asked by `?as_of=`, or as `<tag>.at.<moment>` where no live tag has
        that very name. With the name of the tag that it is about."""
        token, accept = req.context.token, req.env.get("HTTP_ACCEPT")
        asked = _moment(req)
        if asked is not None:
            return self._as_of.pull(token, name, reference, as_of.moment(asked), accept), reference
        try:
            return self._pulls.by_tag(token, name, reference, accept), reference
        except (ManifestUnknown, TagExpired):
            then = as_of.split(reference)
            if then is None:
                raise
        return self._as_of.pull(token, name, *then, accept), then[0]

    def on_put(
        self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, reference: str
    ) -> None:
        digest = None
        # OCI-Tag: a push by digest or by tag may name further tags.
        tags = req.get_param_as_list("tag") or []
        if ":" in reference:
            digest = Digest.parse(reference)
        else:
            tags = [reference, *tags]
        for tag in tags:
            names.check_tag(tag)
        body = _whole_body(req)
        pushed = self._manifests.push(
            req.context.allowed,
            body,
            req.env.get("CONTENT_TYPE"),
            digest=digest,
            tags=tags,
            condition=_condition(req),
        )
        resp.status = 201
        resp.set_header("Location", f"/v2/{name.full}/manifests/{pushed.digest}")
        resp.set_header("Docker-Content-Digest", pushed.digest)
        resp.set_header("ETag", f'"{pushed.digest}"')
        if pushed.subject is not None:
            resp.set_header("OCI-Subject", pushed.subject)
        if pushed.tags and req.get_param_as_list("tag"):
            resp.set_header("OCI-Tag", ", ".join(pushed.tags))

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, reference: str
    ) -> None:
        condition = _condition(req)
        if ":" in reference:
            digest = Digest.parse(reference)
            condition.check(reference, digest)
            self._manifests.delete(req.context.allowed, digest)
        else:
            names.check_tag(reference)
            self._tags.delete(req.context.allowed, reference, condition)
        resp.status = 202


def _moment(req: falcon.Request) -> str | None:
    return req.get_param("as_of") if req.env["QUERY_STRING"] else None


def _whole_body(req: falcon.Request) -> bytes:
    body = RequestBody(req.env, limit=MAXIMUM_SIZE, too_large=ManifestTooLarge)
    pieces = []
    try:
        while piece := body.read(MAXIMUM_SIZE + 1):
            pieces.append(piece)
    finally:
        body.close()
    return b"".join(pieces)


def _condition(req: falcon.Request) -> Condition:
    match = req.env.get("HTTP_IF_MATCH")
    none_match = req.env.get("HTTP_IF_NONE_MATCH")
    return Condition(
        match=_etags(match) if match is not None else None,
        none_match=_etags(none_match) if none_match is not None else None,
    )


def _etags(header: str) -> tuple[str, ...]:
    """The tags of an If-Match or If-None-Match header, `*` among them. A bare digest is taken too."""
    found: list[str] = []
    at = 0
    header = header.strip()
    while at < len(header):
        piece = _ETAGS.match(header, at)
        if piece is None:
            bare = header.strip()
            if not found and bare.startswith(("sha256:", "sha512:")):
                return (bare,)
            raise InvalidRequest('If-Match and If-None-Match are written as "<digest>" in quotes, or *')
        found.append(piece[1] if piece[1] is not None else "*")
        at = piece.end()
    if not found:
        raise InvalidRequest("an empty If-Match or If-None-Match header")
    return tuple(found)
