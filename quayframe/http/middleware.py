"""What happens around every request: its id, the gate in front of its resource, its line in the log."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import falcon

from quayframe.errors import Denied, InvalidRequest, NameInvalid, Unauthorized
from quayframe.oci import names
from quayframe.oci.names import RepositoryName
from quayframe.plugin.access import PUBLIC, SELF_DECIDED, SIGNED_IN, SUPERUSER, Repo
from quayframe.registry import Registry
from quayframe.services.principal import Principal

from .admission import Admission
from .api.frame import Api
from .api.operation import Resource
from .body import REQUEST_ID, drained
from .request import Callers
from .response import Response
from .router import Router

_PREFIX = uuid.uuid4().hex[:12]
_CLEAN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_BODILESS = frozenset(("GET", "HEAD"))


class Frame:
    """The one middleware. Its work per request is measured in microseconds; keep it so."""

    def __init__(
        self,
        registry: Registry,
        callers: Callers,
        router: Router,
        api: Api,
        admission: Admission,
        observe: Any,
        log: Any,
    ) -> None:
        self._registry = registry
        self._callers = callers
        self._access = router.access
        self._api = api
        self._admission = admission
        self._observe = observe
        self._log = log
        self._count = 0
        self._prefix = f"{_PREFIX}{os.getpid():x}-"
        s = registry.settings
        self._library = s.LIBRARY_NAMESPACE if s.FEATURE_LIBRARY_SUPPORT else None
        self._extended = s.FEATURE_EXTENDED_REPOSITORY_NAMES
        # Texts and what they parse to: the same for ever, so that a full one need not forget.
        self._names: dict[str, RepositoryName] = {}

    def process_request(self, req: falcon.Request, resp: Response) -> None:
        context = req.context
        context.start = time.perf_counter()
        given = req.env.get("HTTP_X_REQUEST_ID")
        if given and len(given) <= 64 and _CLEAN.issuperset(given):
            ident = given
        else:
            self._count += 1
            ident = f"{self._prefix}{self._count:x}"
        context.request_id = req.env[REQUEST_ID] = ident
        context.user = None
        context.admission = self._admission
        resp.put({"x-request-id": ident})
        if "\0" in req.env["PATH_INFO"] or "%00" in req.env["QUERY_STRING"]:
            # Nothing here has such a name, and PostgreSQL refuses to be asked for one.
            raise InvalidRequest("the path or the query has a NUL character")
        if not self._admission.enter(req.env):
            raise self._admission.refusal()

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        access = self._access[id(resource)].get(req.method)
        if access is None or access is PUBLIC:
            return
        if isinstance(resource, Resource):
            self._api.admit(req, resp, resource, params)
        elif "path" in params:
            self._protocol(req, access, params)
        else:
            self._plain(req, access, params)

    def _protocol(self, req: falcon.Request, access: Any, params: dict[str, Any]) -> None:
        """A repository of the protocol: by bearer token, with a challenge that names the scope."""
        context = req.context
        path = params.pop("path")
        need = "pull" if access is SELF_DECIDED else access.action
        context.scope = (path, need)
        token = context.token = self._callers.token(req)
        if token is not None:
            context.user = token.principal.name
        name = self._names.get(path)
        if name is None:
            try:
                if path.endswith("/"):
                    raise NameInvalid("an empty segment in the repository's name")
                name = names.repository_path(path, library=self._library, extended=self._extended)
            except NameInvalid:
                # Permission comes before the name: nobody can have been granted this one.
                if token is None:
                    raise Unauthorized() from None
                raise
            if len(self._names) < 10_000:
                self._names[path] = name
        params["name"] = name
        if access is not SELF_DECIDED:
            context.allowed = self._registry.gate.pass_(token, name, access.action)

    def _plain(self, req: falcon.Request, access: Any, params: dict[str, Any]) -> None:
        """Resources outside the protocol, those of plugins among them."""
        header = req.env.get("HTTP_AUTHORIZATION", "")
        principal: Principal
        if header[:7].lower() == "bearer ":
            token = self._callers.current_token(req)
            assert token is not None
            if access is not SIGNED_IN:
                # A protocol token was made for repositories, and opens nothing more than they.
                raise Unauthorized()
            principal = token.principal
        else:
            principal = self._callers.basic(req)
        req.context.principal = principal
        req.context.user = principal.performer
        if isinstance(access, Repo):
            self._repository(principal, access, params)
        elif principal.account_id is None:
            raise Unauthorized()
        elif access is SUPERUSER and not principal.superuser:
            raise Denied("only a superuser may do this")
        elif access not in (SIGNED_IN, SUPERUSER):
            raise Denied()

    def _repository(self, principal: Principal, access: Repo, params: dict[str, Any]) -> None:
        name = names.repository_path(params["repository"], library=self._library, extended=self._extended)
        row = self._registry.access.repository(name.namespace, name.name)
        may = self._registry.access
        if row is not None:
            allowed = {
                "pull": may.may_pull,
                "push": may.may_push,
                "delete": may.may_push,
                "admin": may.may_admin,
            }[access.action](principal, row)
            if allowed:
                return
        raise Denied() if principal.account_id is not None else Unauthorized()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        context = req.context
        if req.path.startswith("/api/v1/"):
            self._api.decorate(req, resp)
        if req.method not in _BODILESS and not drained(req.env):
            resp.set_header("Connection", "close")
        if resp.stream is None:
            self._admission.leave(req.env)
        took = time.perf_counter() - context.start
        status = resp.status_code
        self._observe(req.method, req.uri_template, status, took)
        self._log(req, resp, status, took)
