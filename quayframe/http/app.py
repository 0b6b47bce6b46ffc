"""The WSGI application of one registry."""

from __future__ import annotations

import logging
from typing import Any

import falcon

from quayframe.errors import Internal, MethodNotAllowed, NameUnknown, NotFound, RegistryError, Unsupported
from quayframe.registry import Registry
from quayframe.services.gate import scope_for

from . import render, routes
from .admission import Admission, long_requests
from .middleware import Frame
from .request import Callers
from .response import Response
from .router import Router
from .telemetry import Metrics, RequestLog

log = logging.getLogger("quayframe.http")
_API_SHAPES = ("/api/", "/oauth/")
"""Where errors have the API's shapes."""


class Application(falcon.App[Any, Any]):
    """The WSGI callable of one registry. A server that ends calls `close`, after its last request."""

    registry: Registry

    def close(self) -> None:
        self.registry.close()


def create_app(registry: Registry, *, threads: int = 256, log_requests: bool = True) -> Application:
    """The callable that a WSGI server runs.

    :param threads: of each process of the server: long requests may take all but a few of them.
    """
    callers = Callers(registry, registry.settings.TRUSTED_PROXIES)
    router = Router()
    metrics = Metrics(registry.settings.PROMETHEUS_NAMESPACE)
    api = routes.add_all(router, registry, callers, metrics)
    request_log = RequestLog() if log_requests else _silent
    admission = Admission(long_requests(threads))
    frame = Frame(registry, callers, router, api, admission, metrics.observe, request_log)
    app = Application(router=router, middleware=[frame], response_type=Response)
    app.registry = registry
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.auto_parse_form_urlencoded = False
    app.resp_options.default_media_type = render.JSON
    handler = Errors(callers, router)
    app.add_error_handler(RegistryError, handler.known)
    app.add_error_handler(falcon.HTTPError, handler.of_falcon)
    app.add_error_handler(Exception, handler.unforeseen)
    return app


def _silent(req: Any, resp: Any, status: int, seconds: float) -> None:
    """No request log."""


class Errors:
    """Every error in the shape of its part of the registry, never as HTML."""

    def __init__(self, callers: Callers, router: Router) -> None:
        self._callers = callers
        self._router = router

    def known(
        self, req: falcon.Request, resp: falcon.Response, error: RegistryError, params: dict[str, Any]
    ) -> None:
        api = req.path.startswith(_API_SHAPES)
        try:
            base, hostname = self._callers.base_url(req), self._callers.hostname(req)
        except RegistryError:
            base, hostname = "http://localhost", "localhost"
        render.refuse(resp, error, req.context.request_id, api=api, base_url=base)
        for name in ("cache-control", "etag", "accept-ranges", "docker-content-digest"):
            # Set for an answer that did not come to be.
            resp.delete_header(name)
        if error.status == 401 and not api:
            scope = getattr(error, "scope", None)
            asked = getattr(req.context, "scope", None)
            if scope is None and asked is not None:
                scope = scope_for(*asked)
            resp.set_header("WWW-Authenticate", render.challenge(base, hostname, scope))
            resp.set_header("Docker-Distribution-API-Version", "registry/2.0")

    def of_falcon(
        self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
    ) -> None:
        if isinstance(error, falcon.HTTPRouteNotFound) and self._lacks_slash(req.path):
            query = f"?{req.query_string}" if req.query_string else ""
            resp.status = 308
            resp.location = f"{self._callers.base_url(req)}{req.path}/{query}"
            return
        made = render.from_falcon(error)
        if req.path.startswith(_API_SHAPES) and isinstance(made, Unsupported):
            made = MethodNotAllowed(headers=made.headers)
        if req.path.startswith("/v2/"):
            if isinstance(made, NotFound):
                made = NameUnknown("there is no such path in the registry protocol")
            elif isinstance(made, Unsupported):
                made = Unsupported(headers=made.headers)
        self.known(req, resp, made, params)

    def _lacks_slash(self, path: str) -> bool:
        """Whether this is a known path of the API but for its last slash: clients follow to it."""
        if not path.startswith("/api/v1/") or path.endswith("/"):
            return False
        return self._router.find(f"{path}/") is not None

    def unforeseen(
        self, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
    ) -> None:
        log.exception("request %s failed", req.context.request_id, exc_info=error)
        self.known(req, resp, Internal(), params)
