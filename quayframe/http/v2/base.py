"""GET /v2/ and the token service."""

from __future__ import annotations

import falcon

from quayframe.errors import InvalidRequest, NotFound
from quayframe.plugin.access import PUBLIC
from quayframe.registry import Registry

from ..render import JSON, challenge, to_json
from ..request import Callers

MOST_SCOPES = 100


class Base:
    """`/v2/`: 200 for a valid token, else 401 with the way to get one (specification, end-1)."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._callers = callers
        self._advertised = registry.settings.FEATURE_ADVERTISE_V2
        self._sparse = str(registry.settings.FEATURE_SPARSE_INDEX).lower()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not self._advertised:
            raise NotFound()
        # docker's `manifest` commands take the registry for one of version 1 without it
        resp.set_header("Docker-Distribution-API-Version", "registry/2.0")
        resp.set_header("X-Sparse-Manifest-Support", self._sparse)
        token = self._callers.current_token(req)
        resp.set_header(
            "WWW-Authenticate", challenge(self._callers.base_url(req), self._callers.hostname(req), None)
        )
        resp.content_type = JSON
        resp.data = b"true"
        if token is None:
            resp.status = 401
        else:
            req.context.user = token.principal.name

    on_head = on_get


class Auth:
    """`/v2/auth`: a bearer token for the scopes asked for, reduced to what is allowed."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._callers = callers

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        principal = self._callers.basic(req)
        req.context.user = principal.performer
        # "a b" in one parameter is two scopes to older clients.
        asked = [s for text in req.get_param_as_list("scope") or [] for s in text.split(" ") if s]
        scopes = list(dict.fromkeys(asked))
        if len(scopes) > MOST_SCOPES:
            raise InvalidRequest(f"at most {MOST_SCOPES} scopes in one request")
        issued = self._registry.tokens.issue(
            principal, req.get_param("service"), scopes, self._callers.hostname(req)
        )
        if not scopes:
            self._registry.logins.logged_in(principal)
        resp.set_header("Cache-Control", "no-cache, no-store, must-revalidate")
        resp.content_type = JSON
        resp.data = to_json(
            {
                "token": issued.token,
                "access_token": issued.token,
                "expires_in": issued.expires_in,
                "issued_at": issued.issued_at,
            }
        )

    on_head = on_get
