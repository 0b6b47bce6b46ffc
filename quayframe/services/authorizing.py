"""The OAuth 2 provider's decisions: who may grant what to which application, and codes for tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account
from quayframe.data.tenancy import OauthApplication, OauthAssignment, OauthCode
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn, RegistryError

from . import redirects, scopes
from .access import Access
from .applications import Application, Applications
from .authorizations import Authorizations, covered
from .clock import now_ms
from .crypto import SecretBox, new_token
from .oauth import LIFE_S, Made, OauthTokens
from .principal import Principal

CODE_LIFE_MS = 600_000
RESPONSE_TYPES = ("code", "token")
_OWN_WAYS = ("session", "password")


class OauthRefused(RegistryError):
    """400 with one word of RFC 6749, section 5.2: the text."""

    status = 400
    shape: ClassVar[str] = "error"
    message = "invalid_request"


class RedirectMismatch(RegistryError):
    """The address is none of the application's; `registered` is where its users are told so."""

    status = 400
    shape: ClassVar[str] = "error"
    message = "redirect_uri_mismatch"

    def __init__(self, registered: str) -> None:
        super().__init__()
        self.registered = registered


@dataclass(frozen=True)
class Asked:
    """What an application asks a user for. `local` is the address of the registry's own page."""

    client_id: str
    redirect_uri: str
    scope: str
    local: str
    response_type: str = "code"
    assignment: str | None = None


class Authorizing:
    """:param superusers: FEATURE_SUPER_USERS: the scope `super:user` exists.
    :param assigning: FEATURE_ASSIGN_OAUTH_TOKEN.
    """

    def __init__(
        self,
        db: Database,
        access: Access,
        applications: Applications,
        authorizations: Authorizations,
        tokens: OauthTokens,
        box: SecretBox,
        *,
        superusers: bool = True,
        assigning: bool = True,
    ) -> None:
        self._db = db
        self._access = access
        self._applications = applications
        self._authorizations = authorizations
        self._tokens = tokens
        self._box = box
        self._superusers = superusers
        self._assigning = assigning

    def application(self, principal: Principal, asked: Asked) -> Application:
        """The application, when this user may grant it something: as an admin of its organization, or
        because it was offered to the user.

        Raises NotSignedIn, NotFound, InsufficientScope, RedirectMismatch, ScopeUnknown, in this order."""
        if principal.account_id is None:
            raise NotSignedIn()
        found = self._applications.find(asked.client_id)
        if found is None:
            raise NotFound("there is no such application")
        # Before anybody is sent anywhere: nobody else's application moves this user's browser.
        self._may_grant(principal, found, asked)
        if not redirects.matches(asked.redirect_uri, found.redirect_uri, asked.local):
            raise RedirectMismatch(found.redirect_uri)
        if not scopes.parse(asked.scope, superusers=self._superusers):
            raise scopes.ScopeUnknown()
        return found

    def _may_grant(self, principal: Principal, found: Application, asked: Asked) -> None:
        # A token or a robot must not make itself tokens that may more.
        if principal.kind != "user" or principal.scopes is not None or principal.via not in _OWN_WAYS:
            raise InsufficientScope()
        if asked.assignment and self._assigning:
            assert principal.account_id is not None
            offered = self._authorizations.assignment(principal.account_id, asked.assignment)
            if (
                offered is None
                or offered.application.id != found.id
                or asked.response_type != offered.response_type
                or asked.redirect_uri != offered.redirect_uri
                or not scopes.covers(offered.scope, asked.scope)
            ):
                raise InsufficientScope()
            return
        namespace = self._access.namespace(found.owner)
        if namespace is None or not self._access.may_admin_namespace(principal, namespace):
            raise InsufficientScope()

    def is_covered(self, principal: Principal, found: Application, scope: str) -> bool:
        """Whether the user has granted this application as much already."""
        return principal.account_id is not None and covered(self._db, principal.account_id, found, scope)

    def grant(self, principal: Principal, found: Application, asked: Asked) -> str:
        """The user agrees: a code (good once, for ten minutes), or for response_type `token` the token
        itself. An offer is used up. Checks as `application` does."""
        self.application(principal, asked)
        if asked.response_type not in RESPONSE_TYPES:
            raise OauthRefused("unsupported_response_type")
        assert principal.account_id is not None
        account_id = principal.account_id

        def work(tx: Tx) -> str:
            if not tx.share(_row(found)):
                raise NotFound("there is no such application")
            if asked.assignment and self._assigning:
                _use_up(tx, account_id, asked.assignment)
            if asked.response_type == "token":
                return self._made(tx, account_id, found, asked.scope).token
            code, now = new_token(40), now_ms()
            tx.run(OauthCode.delete().where(OauthCode.expires_ms < now))
            tx.insert(
                OauthCode,
                lookup=self._box.lookup(code),
                application=found.id,
                account=account_id,
                scope=asked.scope,
                redirect_uri=asked.redirect_uri,
                expires_ms=now + CODE_LIFE_MS,
            )
            return code

        return self._db.write(work)

    def assign(self, principal: Principal, asked: Asked, username: str) -> str:
        """An admin of the application's organization offers the user what is asked for; the uuid of the
        offer. Raises as `application`; NotFound for an unknown user; OauthRefused for other response
        types than `token`."""
        found = self.application(principal, asked)
        if asked.response_type != "token":
            raise OauthRefused("unsupported_response_type")
        return self._authorizations.assign(
            principal, found, username, redirect_uri=asked.redirect_uri, scope=asked.scope
        )

    def exchange(self, asked: Asked, secret: str, code: str) -> Made:
        """The token for a code, when the application shows its secret and asks for what was granted.
        Nothing but the right request uses a code up.

        Raises OauthRefused: invalid_client, invalid_request, invalid_scope, invalid_grant."""
        found = self._applications.find(asked.client_id)
        if found is None or not self._applications.is_secret(found, secret):
            raise OauthRefused("invalid_client")
        if not redirects.matches(asked.redirect_uri, found.redirect_uri, asked.local):
            raise OauthRefused("invalid_request")
        if not scopes.parse(asked.scope, superusers=self._superusers):
            raise OauthRefused("invalid_scope")
        where = (
            (OauthCode.lookup == self._box.lookup(code))
            & (OauthCode.application == found.id)
            & (OauthCode.redirect_uri == asked.redirect_uri)
            & (OauthCode.scope == asked.scope)
            & (OauthCode.expires_ms > now_ms())
        )

        def work(tx: Tx) -> Made:
            if not tx.share(_row(found)):
                raise OauthRefused("invalid_client")
            row = tx.one(OauthCode.select(OauthCode.id, OauthCode.account).where(where))
            # Of two who come with the same code at once, one finds it gone.
            if row is None or not tx.run(OauthCode.delete().where(OauthCode.id == row[0])):
                raise OauthRefused("invalid_grant")
            live = (Account.id == row[1]) & (Account.enabled == 1) & Account.deleted_ms.is_null()
            if tx.one(Account.select(Account.id).where(live)) is None:
                raise OauthRefused("invalid_grant")
            return self._made(tx, row[1], found, asked.scope)

        return self._db.write(work)

    def _made(self, tx: Tx, account_id: int, found: Application, scope: str) -> Made:
        return self._tokens.add(
            tx, account_id=account_id, application_id=found.id, scope=scope, title=found.name, life_s=LIFE_S
        )


def _row(found: Application) -> Any:
    return OauthApplication.select(OauthApplication.id).where(OauthApplication.id == found.id)


def _use_up(tx: Tx, account_id: int, uuid: str) -> None:
    where = (OauthAssignment.account == account_id) & (OauthAssignment.uuid == uuid)
    if not tx.run(OauthAssignment.delete().where(where)):
        raise InsufficientScope()
