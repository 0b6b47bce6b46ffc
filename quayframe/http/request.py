"""Who asks, from where, and under which name this registry is known to them."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Sequence
from hashlib import sha256

import falcon

from quayframe.errors import InvalidRequest, Unauthorized
from quayframe.registry import Registry
from quayframe.services.principal import ANONYMOUS, Principal
from quayframe.services.tokens import BearerToken

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)").fullmatch
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?").fullmatch
LONGEST_AUTHORIZATION = 16 * 1024

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Callers:
    """Reads requests for one registry.

    :param proxies: networks whose X-Forwarded-For, -Proto and -Host are believed.
    """

    def __init__(self, registry: Registry, proxies: Sequence[Network]) -> None:
        self._registry = registry
        self._hostname = registry.settings.SERVER_HOSTNAME
        self._scheme = registry.settings.PREFERRED_URL_SCHEME
        self._proxies = tuple(proxies)
        self._hosts: set[str] = set()

    def hostname(self, req: falcon.Request) -> str:
        """SERVER_HOSTNAME; where it is not set, the host that the request names."""
        if self._hostname is not None:
            return self._hostname
        host = self._forwarded(req, "HTTP_X_FORWARDED_HOST") or req.env.get("HTTP_HOST")
        if host is None:
            host = f"{req.env.get('SERVER_NAME', 'localhost')}:{req.env.get('SERVER_PORT', '80')}"
        if host not in self._hosts:
            if not _HOST(host):
                raise InvalidRequest("the Host header is not a host name")
            if len(self._hosts) < 100:
                self._hosts.add(host)
        return str(host)

    def base_url(self, req: falcon.Request) -> str:
        """`scheme://host`, without a slash at the end."""
        scheme: str = self._scheme
        if self._hostname is None:
            scheme = self._forwarded(req, "HTTP_X_FORWARDED_PROTO") or req.scheme
            if scheme not in ("http", "https"):
                scheme = "http"
        return f"{scheme}://{self.hostname(req)}"

    def ip(self, req: falcon.Request) -> str:
        """The client's address: the peer's, or what a trusted proxy says it is."""
        peer = str(req.env.get("REMOTE_ADDR") or "")
        # Granian gives "address:port" for IPv4 and IPv6 alike in some versions.
        if peer.count(":") == 1:
            peer = peer.partition(":")[0]
        if self._proxies and self._trusted(peer):
            hops = [h.strip() for h in str(req.env.get("HTTP_X_FORWARDED_FOR", "")).split(",") if h.strip()]
            for hop in reversed(hops):
                if not self._trusted(hop):
                    return hop[:64]
        return peer

    def token(self, req: falcon.Request) -> BearerToken | None:
        """The verified bearer token; None without an Authorization header. Raises Unauthorized: a bad
        header is refused even where a missing one would pass as anonymous."""
        header = req.env.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        if len(header) > LONGEST_AUTHORIZATION:
            raise Unauthorized("Invalid bearer token format")
        hostname = self.hostname(req)
        tokens = self._registry.tokens
        # The header as a whole is what is remembered: its form was right when it was first seen.
        mark = (sha256(header.encode("latin-1", "replace")).digest(), hostname)
        known = tokens.known(mark)
        if known is not None:
            return known
        found = _BEARER(header)
        if found is None:
            raise Unauthorized("Invalid bearer token format")
        return tokens.verify(found[1], hostname, mark)

    def current_token(self, req: falcon.Request) -> BearerToken | None:
        """The same, held against the account as it is now: for what names no repository."""
        token = self.token(req)
        if token is not None and not self._registry.gate.is_current(token):
            raise Unauthorized()
        return token

    def basic(self, req: falcon.Request) -> Principal:
        """The principal behind a Basic header; anonymous without one. Raises Unauthorized."""
        header = req.env.get("HTTP_AUTHORIZATION")
        if header is None:
            return ANONYMOUS
        kind, _, value = header.partition(" ")
        try:
            if kind.lower() != "basic" or len(value) > LONGEST_AUTHORIZATION:
                raise ValueError
            username, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (ValueError, binascii.Error, UnicodeDecodeError):
            raise Unauthorized("Invalid Basic authorization header") from None
        if not colon or not username or "\0" in username:
            raise Unauthorized("Invalid Basic authorization header")
        return self._registry.logins.basic(username, password, self.ip(req))

    def _forwarded(self, req: falcon.Request, header: str) -> str | None:
        value = req.env.get(header)
        if not value or not self._proxies:
            return None
        peer = str(req.env.get("REMOTE_ADDR") or "")
        return str(value).split(",")[0].strip() if self._trusted(peer) else None

    def _trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)
