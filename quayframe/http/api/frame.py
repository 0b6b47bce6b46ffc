"""What all operations share, and the gate in front of them."""

from __future__ import annotations

from typing import Any

import falcon

from quayframe.errors import NotFound, Unavailable
from quayframe.oci import names
from quayframe.oci.names import RepositoryName
from quayframe.registry import Registry

from ..request import Callers
from .identity import Identities
from .operation import Call, Operation, Resource
from .pages import Pages

_METHODS = "DELETE, GET, HEAD, OPTIONS, POST, PUT"


class ReadOnlyRegistry(Unavailable):
    shape = "message"
    message = "This registry is read-only at the moment"

    def __init__(self) -> None:
        super().__init__(retry_after=60)
        self.detail["is_readonly"] = True


class Api:
    """The frame of /api/v1."""

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self.registry = registry
        self.callers = callers
        self.identities = Identities(registry, callers)
        s = registry.settings
        assert s.SECRET_KEY is not None
        key = s.PAGE_TOKEN_KEY.get_secret_value() if s.PAGE_TOKEN_KEY else None
        self.pages = Pages(key, s.SECRET_KEY.get_secret_value())
        self.resources: list[Resource] = []
        self._library = s.LIBRARY_NAMESPACE if s.FEATURE_LIBRARY_SUPPORT else None
        self._extended = s.FEATURE_EXTENDED_REPOSITORY_NAMES
        self._origins = tuple(s.CORS_ORIGIN)

    def repository_name(self, path: str) -> RepositoryName:
        """Raises NameInvalid."""
        return names.repository_path(path, library=self._library, extended=self._extended)

    def is_on(self, declared: Operation) -> bool:
        return declared.feature is None or bool(getattr(self.registry.settings, declared.feature, False))

    def admit(
        self, req: falcon.Request, resp: falcon.Response, resource: Resource, params: dict[str, Any]
    ) -> None:
        """Lets a request through to its operation, or raises what it is told."""
        declared = resource.operations[req.method]
        if not self.is_on(declared):
            raise NotFound()
        principal, session = self.identities.of(req)
        req.context.principal = principal
        req.context.user = principal.performer
        if principal.via != "oauth":
            resp.append_header("Vary", "Cookie")
        if principal.via == "session" and session is not None:
            req.context.keep = session
        self.identities.check_browser(req)
        if declared.csrf:
            self.identities.check_csrf(req, principal, session)
        if req.method not in ("GET", "HEAD") and self.registry.settings.REGISTRY_STATE == "readonly":
            raise ReadOnlyRegistry()
        call = Call(self, declared, req, resp, principal, session, dict(params))
        declared.need.check(call)
        if declared.fresh:
            self.identities.check_fresh(principal, session)
        req.context.call = call

    def decorate(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The headers that every answer of the API has, whatever became of the request."""
        origin = "*"
        if "*" not in self._origins:
            asked = req.get_header("Origin")
            origin = asked if asked in self._origins else self._origins[0]
            resp.append_header("Vary", "Origin")
        resp.set_header("Access-Control-Allow-Origin", origin)
        resp.set_header("Access-Control-Allow-Headers", "AUTHORIZATION, CONTENT-TYPE, X-REQUESTED-WITH")
        resp.set_header("Access-Control-Allow-Methods", _METHODS)
        resp.set_header("Access-Control-Max-Age", "21600")
        resp.set_header("X-Frame-Options", "DENY")
        keep = getattr(req.context, "keep", None)
        if keep is not None:
            resp.append_header("Set-Cookie", self.identities.cookie(keep))
