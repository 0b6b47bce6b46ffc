"""Lists: the catalog, the tags of a repository, the referrers of a manifest."""

from __future__ import annotations

from urllib.parse import quote

import falcon

from quayframe.errors import InvalidRequest, NameUnknown, NotFound
from quayframe.oci import media
from quayframe.oci.digest import Digest
from quayframe.oci.names import RepositoryName
from quayframe.plugin.access import PUBLIC, SELF_DECIDED, Repo
from quayframe.registry import Registry
from quayframe.services.principal import ANONYMOUS
from quayframe.services.referrers import Page

from ..render import JSON, link, to_json
from ..request import Callers

TAGS_PAGE = 100
REFERRERS_PAGE = 500


class Catalog:
    """`/v2/_catalog`: the repositories that the token's subject may see; needs no scope."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._callers = callers
        self._most = max(registry.settings.V2_PAGINATION_SIZE, 100)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        token = self._callers.current_token(req)
        principal = token.principal if token is not None else ANONYMOUS
        limit = _count(req.get_param("n"), self._most, least=1, bad=1)
        last = req.get_param("last") or req.get_param("next_page")
        if last is not None and "/" not in last:
            raise InvalidRequest("last is the full name of a repository, as a page before gave it")
        names, more = self._registry.repositories.catalog(
            principal, last=last, limit=limit, public=self._registry.settings.FEATURE_PUBLIC_CATALOG
        )
        if more:
            resp.set_header("Link", link(f"/v2/_catalog?n={limit}&last={quote(names[-1], safe='')}"))
        resp.content_type = JSON
        resp.data = to_json({"repositories": names})

    on_head = on_get


class TagList:
    """`/v2/<name>/tags/list` (specification, end-8a and end-8b)."""

    access = {"GET": Repo("pull"), "HEAD": Repo("pull")}

    def __init__(self, registry: Registry) -> None:
        self._tags = registry.tags

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName) -> None:
        limit = _count(req.get_param("n"), TAGS_PAGE, least=0, bad=TAGS_PAGE)
        tags: list[str] = []
        more = False
        if limit:
            tags, more = self._tags.page(req.context.allowed, last=req.get_param("last"), limit=limit)
        if more:
            path = f"/v2/{name.full}/tags/list?n={limit}&last={quote(tags[-1], safe='')}"
            resp.set_header("Link", link(path))
        resp.content_type = JSON
        resp.data = to_json({"name": name.full, "tags": tags})

    on_head = on_get


class ReferrersList:
    """`/v2/<name>/referrers/<digest>` (specification, end-12a and end-12b): an index of those that can
    be seen, empty for an unknown subject."""

    access = {"GET": SELF_DECIDED, "HEAD": SELF_DECIDED}

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: RepositoryName, digest: str) -> None:
        if not self._registry.settings.FEATURE_REFERRERS_API:
            raise NotFound("the referrers API is switched off here (FEATURE_REFERRERS_API)")
        subject = Digest.parse(digest)
        wanted = req.get_param("artifactType")
        limit = _count(req.get_param("n"), REFERRERS_PAGE, least=1, bad=REFERRERS_PAGE)
        try:
            allowed = self._registry.gate.pass_(req.context.token, name, "pull")
        except NameUnknown:
            # Never 404 to somebody who may ask (specification, "Listing Referrers").
            self._answer(resp, Page([], None), wanted)
            return
        assert allowed.repository_id is not None
        page = self._registry.referrers.page(
            allowed.repository_id,
            subject,
            artifact_type=wanted,
            last=req.get_param("last"),
            limit=limit,
        )
        if page.last is not None:
            path = f"/v2/{name.full}/referrers/{subject}?n={limit}&last={quote(page.last, safe='')}"
            if wanted is not None:
                path += f"&artifactType={quote(wanted, safe='')}"
            resp.set_header("Link", link(path))
        self._answer(resp, page, wanted)

    @staticmethod
    def _answer(resp: falcon.Response, page: Page, wanted: str | None) -> None:
        if wanted is not None:
            resp.set_header("OCI-Filters-Applied", "artifactType")
        resp.content_type = media.OCI_INDEX
        resp.data = to_json({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": page.descriptors})

    on_head = on_get


def _count(text: str | None, most: int, *, least: int, bad: int) -> int:
    """`n` of a query, between `least` and `most`; `bad` for a text that is no number."""
    if text is None:
        return most
    try:
        return min(most, max(least, int(text[:20])))
    except ValueError:
        return bad
