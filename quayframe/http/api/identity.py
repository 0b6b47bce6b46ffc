"""Who calls the API: an OAuth token, or a browser's session; and the rules for browsers."""

from __future__ import annotations

import re
import time
from email.utils import formatdate

import falcon

from quayframe.errors import CsrfInvalid, FreshLoginRequired, Refused
from quayframe.registry import Registry
from quayframe.services.crypto import same
from quayframe.services.principal import ANONYMOUS, Principal
from quayframe.services.sessions import Session

from ..request import Callers

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/=-]{1,2048})").fullmatch
_BROWSER = re.compile(r"Mozilla/|Opera/|Chrome/|Safari/|Firefox/|MSIE|Edg/").search


class Identities:
    """Reads and writes what tells who calls."""

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._callers = callers
        s = registry.settings
        self._cookie = s.SESSION_COOKIE_NAME
        self._xhr_only = s.BROWSER_API_CALLS_XHR_ONLY
        self._fresh_s = int(s.FRESH_LOGIN_TIMEOUT)
        self._permanent = s.FEATURE_PERMANENT_SESSIONS
        self._secure = s.SESSION_COOKIE_SECURE or (
            s.PREFERRED_URL_SCHEME == "https" and not s.FORCE_NONSECURE_SESSION_COOKIE
        )

    def of(self, req: falcon.Request) -> tuple[Principal, Session | None]:
        """The caller, and its browser's session where it has one. A bad bearer token is nobody."""
        header = req.env.get("HTTP_AUTHORIZATION")
        if header is not None:
            found = _BEARER(header)
            if found is None:
                return ANONYMOUS, self._session(req)
            ip = self._callers.ip(req)
            return self._registry.tenancy.oauth.principal(found[1], ip) or ANONYMOUS, None
        session = self._session(req)
        account = None if session is None else self._registry.tenancy.sessions.account(session)
        if session is None or account is None:
            return ANONYMOUS, session
        ip = self._callers.ip(req)
        return self._registry.accounts.principal(account, ip, via="session"), session

    def _session(self, req: falcon.Request) -> Session | None:
        if "HTTP_COOKIE" not in req.env:
            return None
        values = req.get_cookie_values(self._cookie)
        sessions = self._registry.tenancy.sessions
        session = sessions.open(values[0] if values else None)
        return None if session is None or sessions.ended(session) else session

    def cookie(self, session: Session) -> str:
        """The Set-Cookie header of a session; of a signed-in one, good for SESSION_TIMEOUT from now."""
        sessions = self._registry.tenancy.sessions
        parts = [f"{self._cookie}={sessions.seal(session)}"]
        if session.account is not None and self._permanent:
            parts.append(f"Expires={formatdate(time.time() + sessions.timeout_s, usegmt=True)}")
        parts += ["HttpOnly", "Path=/", "SameSite=Lax"]
        if self._secure:
            parts.append("Secure")
        return "; ".join(parts)

    def check_browser(self, req: falcon.Request) -> None:
        """A page of somebody else's cannot set X-Requested-With. Raises Refused."""
        if not self._xhr_only or req.method != "GET" or not _BROWSER(req.user_agent or ""):
            return
        if str(req.get_header("X-Requested-With") or "").lower() != "xmlhttprequest":
            raise Refused("a browser's call of the API needs the header X-Requested-With: XMLHttpRequest")

    def check_csrf(self, req: falcon.Request, principal: Principal, session: Session | None) -> None:
        """A change by a session, or by nobody, brings the session's CSRF token. Raises CsrfInvalid."""
        if req.method in ("GET", "HEAD", "OPTIONS") or principal.via == "oauth":
            return
        given = req.get_header("X-CSRF-Token") or req.get_param("_csrf_token") or ""
        if session is not None and same(session.csrf, given):
            return
        whose = f" (authorized: user {principal.name})" if principal.account_id is not None else ""
        raise CsrfInvalid(CsrfInvalid.message + whose)

    def check_fresh(self, principal: Principal, session: Session | None) -> None:
        """Raises FreshLoginRequired for a session whose password was shown too long ago."""
        if principal.via != "session":
            return
        if session is None or time.time() - session.fresh_s > self._fresh_s:
            raise FreshLoginRequired()
