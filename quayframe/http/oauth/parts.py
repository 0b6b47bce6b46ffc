"""What the provider's resources share: who asks, with which parameters, and errors as `{"error"}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import falcon

from quayframe.errors import CsrfInvalid, InvalidRequest, RegistryError
from quayframe.plugin.access import PUBLIC
from quayframe.services.authorizing import Asked, OauthRefused
from quayframe.services.crypto import same
from quayframe.services.principal import ANONYMOUS, Principal
from quayframe.services.sessions import Session

from ..api.frame import ReadOnlyRegistry
from ..html import MOST_FIELDS, Pages
from ..render import to_json

JSON_UTF8 = "application/json;charset=UTF-8"
NO_CACHE = "no-cache, no-store, must-revalidate"


class Missing(OauthRefused):
    def __init__(self, name: str) -> None:
        super().__init__(f"Required param: {name}")


class OauthResource:
    """The base of them. Each decides by itself who may: the caller comes by session or Basic header."""

    access: dict[str, Any] = {"GET": PUBLIC}

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.registry = pages.registry
        self.authorizing = pages.registry.tenancy.authorizing

    def answer(self, resp: falcon.Response, act: Callable[[], None]) -> None:
        """Runs `act`; what it raises is told as `{"error"}`, a 401 without a challenge: browsers would
        ask for a password of their own accord."""
        try:
            act()
        except RegistryError as error:
            said = {"message": error.text, **error.detail} if error.shape == "message" else error.text
            self.json(resp, said if isinstance(said, dict) else {"error": said}, status=error.status)
            for name, value in error.headers.items():
                resp.set_header(name, value)
            resp.set_header("Cache-Control", "no-store")

    def json(self, resp: falcon.Response, value: Any, *, status: int = 200) -> None:
        resp.status = status
        resp.content_type = JSON_UTF8
        resp.data = to_json(value)
        resp.set_header("Cache-Control", NO_CACHE)
        resp.set_header("X-Frame-Options", "DENY")

    def redirect(self, resp: falcon.Response, location: str) -> None:
        resp.status = 302
        resp.set_header("Location", location)
        resp.data = b""
        resp.content_type = None
        resp.set_header("Cache-Control", NO_CACHE)
        resp.set_header("Referrer-Policy", "no-referrer")

    def caller(self, req: falcon.Request) -> tuple[Principal, Session | None, bool]:
        """(who, the browser's session, whether by a Basic header). A bearer token is nobody here.

        Raises Unauthorized for a bad Basic header, TooManyRequests."""
        principal, session = self.pages.identities.of(req)
        basic = str(req.env.get("HTTP_AUTHORIZATION", ""))[:6].lower() == "basic "
        if basic:
            principal = self.pages.callers.basic(req)
        if principal.via == "oauth":
            principal = ANONYMOUS
        req.context.principal = principal
        req.context.user = principal.performer
        return principal, session, basic

    def check_csrf(self, req: falcon.Request, given: dict[str, str], session: Session | None) -> None:
        """Raises CsrfInvalid."""
        shown = req.get_header("X-CSRF-Token") or given.get("_csrf_token", "")
        if session is None or not same(session.csrf, shown):
            raise CsrfInvalid()

    def check_writable(self) -> None:
        """Raises ReadOnlyRegistry."""
        if self.registry.settings.REGISTRY_STATE == "readonly":
            raise ReadOnlyRegistry()

    def local(self, req: falcon.Request) -> str:
        """The address of the registry's own page for tokens."""
        return f"{self.pages.callers.base_url(req)}{self.registry.settings.LOCAL_OAUTH_HANDLER}"

    def asked(self, req: falcon.Request, given: dict[str, str]) -> Asked:
        """Raises Missing for the first parameter that is not there."""
        for name in ("client_id", "redirect_uri", "scope"):
            if not given.get(name):
                raise Missing(name)
        return Asked(
            given["client_id"],
            given["redirect_uri"],
            given["scope"],
            self.local(req),
            given.get("response_type") or "code",
            given.get("assignment_uuid") or None,
        )


def of_query(req: falcon.Request) -> dict[str, str]:
    """The query's parameters. Raises InvalidRequest: none may be there twice (RFC 6749, section 3.1)."""
    try:
        pairs = parse_qsl(req.query_string, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidRequest("the query cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs) or any("\0" in text for text in found.values()):
        raise InvalidRequest("a parameter is there twice, or has a NUL character")
    return found


def with_params(uri: str, pairs: list[tuple[str, str]]) -> str:
    """The address with these parameters behind its own. Raises OauthRefused."""
    try:
        # Authlib brings much along, and few processes ever send anybody back.
        from authlib.common.urls import add_params_to_uri

        return str(add_params_to_uri(uri, pairs))
    except ValueError:
        raise OauthRefused("invalid_request") from None
