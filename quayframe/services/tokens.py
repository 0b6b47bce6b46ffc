"""The token service: bearer tokens for the protocol, granted by scope and verified by signature.

A token says what was so when it was made. What may have changed since (account, repository, its
visibility) is asked of the database in each request; `gate.py` compares.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from quayframe.cache import MemoryCache
from quayframe.errors import NamespaceDisabled, Unauthorized, Unsupported
from quayframe.oci import names
from quayframe.oci.names import RepositoryName, Scope

from .access import Access, RepositoryRow
from .accounts import Accounts
from .keys import TOKEN_LIFE_S, Keys
from .principal import ANONYMOUS, Principal

LEEWAY_S = 30
_ORDER = ("push", "pull", "*")
Mark = tuple[bytes, str]


@dataclass(frozen=True)
class Grant:
    """What a token allows on one repository. `uuid` is None when it did not exist; `public` says that
    pull came from its being public alone."""

    actions: frozenset[str]
    uuid: str | None
    public: bool


@dataclass(frozen=True)
class BearerToken:
    """A token whose signature and times have been verified. Times in seconds since the epoch."""

    principal: Principal
    grants: dict[str, Grant]
    kid: str
    issued: int
    expires: int


@dataclass(frozen=True)
class Issued:
    token: str
    expires_in: int
    issued_at: str


class Tokens:
    """Issues and verifies bearer tokens.

    :param hostname: SERVER_HOSTNAME, or None: then the audience is the request's own host.
    :param create_namespaces: CREATE_NAMESPACE_ON_PUSH.
    """

    def __init__(
        self,
        keys: Keys,
        access: Access,
        accounts: Accounts,
        *,
        service: str,
        max_fresh_s: int,
        library: str | None,
        extended_names: bool,
        create_namespaces: bool = False,
        anonymous: bool = True,
    ) -> None:
        self._keys = keys
        self._access = access
        self._accounts = accounts
        self._issuer = service
        self._max_fresh_s = max_fresh_s
        self._library = library
        self._extended = extended_names
        self._create_namespaces = create_namespaces
        self._anonymous = anonymous
        self._verified: MemoryCache[BearerToken] = MemoryCache(4096, TOKEN_LIFE_S)

    # -- issuing ------------------------------------------------------------------------------

    def issue(
        self, principal: Principal, audience: str | None, scopes: Sequence[str], hostname: str
    ) -> Issued:
        """A token for these scopes; actions are reduced to what is allowed, never widened.

        Raises InvalidRequest for a text that is no scope, NameInvalid, Unauthorized for nobody
        without a scope or with FEATURE_ANONYMOUS_ACCESS off.
        """
        if principal.kind == "anonymous" and (not scopes or not self._anonymous):
            raise Unauthorized()
        access: list[dict[str, Any]] = []
        facts: dict[str, list[Any]] = {}
        roots: dict[str, str] = {}
        for text in scopes:
            if text:
                self._scope(principal, names.parse_scope(text, hostname), access, facts, roots)
        now = int(time.time())
        key = self._keys.signing()
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": principal.name,
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_LIFE_S,
            "access": access,
            "context": self._context(principal, facts, roots),
        }
        token = jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.kid})
        issued = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Issued(token, TOKEN_LIFE_S, issued)

    def _context(
        self, principal: Principal, facts: dict[str, list[Any]], roots: dict[str, str]
    ) -> dict[str, Any]:
        context: dict[str, Any] = {
            "com.apostille.roots": roots,
            "com.apostille.root": "$disabled",
            "repositories": facts,
        }
        context |= _identity(principal)
        return context

    def _scope(
        self,
        principal: Principal,
        scope: Scope,
        access: list[dict[str, Any]],
        facts: dict[str, list[Any]],
        roots: dict[str, str],
    ) -> None:
        if scope.type != "repository":
            access.append({"type": scope.type, "name": scope.name, "actions": list(scope.actions)})
            return
        path = scope.repository or scope.name
        name = names.repository_path(path, library=self._library, extended=self._extended)
        actions, row, public = self._grant(principal, name, set(scope.actions))
        access.append(
            {"type": "repository", "name": scope.name, "actions": [a for a in _ORDER if a in actions]}
        )
        facts[name.full] = [row.uuid if row else None, public, sorted(actions)]
        roots[name.full] = "$disabled"

    def _grant(
        self, principal: Principal, name: RepositoryName, asked: set[str]
    ) -> tuple[set[str], RepositoryRow | None, bool]:
        namespace = self._access.namespace(name.namespace)
        if namespace is not None and not namespace.enabled:
            raise NamespaceDisabled()
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            return self._grant_new(principal, name.namespace, asked), None, False
        if row.kind != "image":
            raise Unsupported("this repository does not hold images")
        granted: set[str] = set()
        role = self._access.role(principal, row)
        if "pull" in asked and (role or self._access.is_public(row, principal)):
            granted.add("pull")
        if "push" in asked and self._access.may_push(principal, row):
            granted.add("push")
        if "*" in asked and role == "admin" and row.state == "NORMAL":
            granted.add("*")
        return granted, row, role is None

    def _grant_new(self, principal: Principal, namespace_name: str, asked: set[str]) -> set[str]:
        """Push where the repository could be created; the first upload or manifest creates it."""
        namespace = self._access.namespace(namespace_name)
        if namespace is None:
            may = self._create_namespaces and self._access.may_create_organization(principal)
            return asked & {"push", "pull"} if may and "push" in asked else set()
        granted: set[str] = set()
        if "push" in asked and self._access.may_create_in(principal, namespace):
            granted |= {"push", "pull"}
        if "pull" in asked and self._access.may_admin_namespace(principal, namespace):
            granted.add("pull")
        return granted

    # -- verifying ----------------------------------------------------------------------------

    def known(self, mark: Mark) -> BearerToken | None:
        """The token that was verified under this mark, while its key is published; None to verify.

        Raises Unauthorized when it has expired, or its key was taken back."""
        found = self._verified.get(mark)
        if found is None:
            return None
        if self._keys.public(found.kid) is None:
            self._verified.drop(mark)
            raise Unauthorized("Unknown service key")
        if found.expires + LEEWAY_S < time.time():
            raise Unauthorized("the token has expired")
        return found

    def verify(self, token: str, hostname: str, mark: Mark) -> BearerToken:
        """The token behind a Bearer header: signature and times, once per process. It is remembered by
        `mark`, (SHA-256 of the header, host name), never by itself. Raises Unauthorized."""
        found = self._verify(token, hostname)
        self._verified.put(mark, found)
        return found

    def _verify(self, token: str, hostname: str) -> BearerToken:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Unauthorized("Invalid bearer token format") from error
        kid = header.get("kid")
        key = self._keys.public(kid) if isinstance(kid, str) and len(kid) < 256 else None
        if key is None:
            raise Unauthorized("Unknown service key")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=hostname,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "nbf", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"Invalid bearer token: {error}") from error
        if claims["exp"] - claims["iat"] > self._max_fresh_s:
            raise Unauthorized("Invalid bearer token: it lives longer than this registry allows")
        return self._token(claims, str(kid))

    def _token(self, claims: dict[str, Any], kid: str) -> BearerToken:
        context = claims.get("context")
        facts = context.get("repositories") if isinstance(context, dict) else None
        if not isinstance(context, dict) or not isinstance(facts, dict):
            raise Unauthorized("Invalid bearer token: it has no context")
        principal = self._principal(claims["sub"], context)
        grants = {
            full: Grant(frozenset(actions), uuid, bool(public))
            for full, (uuid, public, actions) in facts.items()
        }
        return BearerToken(principal, grants, kid, int(claims["iat"]), int(claims["exp"]))

    def _principal(self, name: str, context: dict[str, Any]) -> Principal:
        """Who the token was made for, with what limits it: what is decided later by its name (where to
        make a repository, what to list) is decided within them."""
        account, shown = context.get("account"), context.get("shown")
        via, uuid = shown or ("password", None)
        if context.get("grant"):
            repository_id, role = context["grant"]
            return Principal("token", via=via, token=uuid, grant=(repository_id, role))
        if not account:
            return ANONYMOUS
        kind = "robot" if context.get("entity_kind") == "robot" else "user"
        listed = context.get("scopes")
        scopes = None if listed is None else frozenset(listed)
        user, super_ = kind == "user", scopes is None or "super:user" in scopes
        return Principal(
            kind,
            account[0],
            account[1],
            name,
            account[2],
            user and super_ and self._accounts.is_superuser(name),
            None,
            user and self._accounts.is_readonly_superuser(name),
            scopes,
            via,
            uuid,
        )


_ENTITIES = {"oauth": "oauthtoken", "app": "appspecifictoken", "repository": "token"}


def _identity(principal: Principal) -> dict[str, Any]:
    """Who a token is made for, as its `context` says it; nothing for nobody."""
    if principal.kind == "anonymous":
        return {}
    robot = principal.kind == "robot"
    said: dict[str, Any] = {"version": 2, "kind": "user"}
    if principal.token is None:
        said["entity_kind"] = "robot" if robot else "user"
        said["entity_reference"] = principal.name if robot else principal.uuid
    else:
        said["entity_kind"] = _ENTITIES[principal.via]
        said["entity_reference"] = principal.token
        said["shown"] = [principal.via, principal.token]
    if principal.via == "oauth":
        said |= {"kind": "oauth", "oauth": principal.token}
    if principal.account_id is not None:
        said["user"] = principal.name
        said["account"] = [principal.account_id, principal.uuid, principal.epoch]
    if principal.grant is not None:
        said |= {"kind": "token", "token": principal.token, "grant": list(principal.grant)}
    if principal.scopes is not None:
        said["scopes"] = sorted(principal.scopes)
    return said
