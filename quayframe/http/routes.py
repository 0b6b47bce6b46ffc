"""Which resource answers which path. A new endpoint is one line here."""

from __future__ import annotations

from quayframe.registry import Registry

from . import pages, service, web
from .api import routes as api_routes
from .api.frame import Api
from .docs import Assets, DocsFile, DocsPage
from .html import Pages
from .oauth import authorize, tokens
from .request import Callers
from .router import Router
from .telemetry import Metrics
from .v2.base import Auth, Base
from .v2.blobs import Blob
from .v2.lists import Catalog, ReferrersList, TagList
from .v2.manifests import Manifest
from .v2.uploads import Upload, Uploads


def add_all(router: Router, registry: Registry, callers: Callers, metrics: Metrics) -> Api:
    """Registers every resource of the core and of the plugins."""
    router.add_route("/v2/", Base(registry, callers))
    router.add_route("/v2", Base(registry, callers))
    router.add_route("/v2/auth", Auth(registry, callers))
    router.add_route("/v2/_catalog", Catalog(registry, callers))
    router.add_v2("manifests", "/v2/{name}/manifests/{reference}", Manifest(registry))
    router.add_v2("blobs", "/v2/{name}/blobs/{digest}", Blob(registry, callers))
    router.add_v2("uploads", "/v2/{name}/blobs/uploads/", Uploads(registry, callers))
    router.add_v2("upload", "/v2/{name}/blobs/uploads/{ident}", Upload(registry, callers))
    router.add_v2("tags", "/v2/{name}/tags/list", TagList(registry))
    router.add_v2("referrers", "/v2/{name}/referrers/{digest}", ReferrersList(registry))
    router.add_route("/", service.Welcome())
    router.add_route("/_internal_ping", service.Ping())
    router.add_route("/v1/_ping", service.Ping())
    router.add_route("/health/instance", service.Health(registry, end_to_end=False))
    router.add_route("/health/endtoend", service.Health(registry, end_to_end=True))
    router.add_route("/status", service.Health(registry, end_to_end=True))
    router.add_route("/metrics", service.MetricsPage(metrics))
    html = Pages(registry, callers)
    router.add_route("/csrf_token", web.CsrfToken(html))
    router.add_route("/config", web.PublicConfig(registry))
    router.add_route("/confirm", pages.Confirm(html))
    router.add_route("/recovery", pages.Recover(html))
    router.add_route("/confirminvite", pages.ConfirmInvite(html))
    router.add_route("/oauth/authorize", authorize.Authorize(html))
    router.add_route("/oauth/authorizeapp", authorize.AuthorizeApp(html))
    router.add_route("/oauth/denyapp", authorize.DenyApp(html))
    router.add_route("/oauth/authorize/assignuser", authorize.AssignUser(html))
    router.add_route("/oauth/access_token", tokens.AccessToken(html))
    router.add_route(registry.settings.LOCAL_OAUTH_HANDLER, tokens.LocalApp(html))
    assets = Assets()
    router.add_route("/api/v1/docs", DocsPage(assets))
    router.add_route("/api/v1/docs/{name}", DocsFile(assets))
    router.add_route("/keys/services/{service}/keys", service.PublishedKeys(registry))
    router.add_route("/keys/services/{service}/keys/{kid}", service.PublishedKey(registry))
    for route in registry.plugins.routes(registry.host_for):
        router.add_route(route.template, route.resource)
    return api_routes.add_all(router, registry, callers)
