"""Tokens that an organization's admin makes for one of its applications, to act in the admin's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Token
from quayframe.data.tenancy import OauthApplication
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound

from . import scopes
from .access import Access
from .activity import Activity
from .applications import Application, Applications
from .clock import now_ms
from .membership import administered
from .oauth import LIFE_S, OauthTokens
from .principal import Principal

LONGEST_LIFE_S = 10 * LIFE_S


@dataclass(frozen=True)
class ApplicationToken:
    """`creator` is the name of who made it; times in milliseconds since the epoch."""

    id: int
    uuid: str
    name: str
    scope: str
    created_ms: int
    expires_ms: int | None
    last_accessed_ms: int | None
    creator: str


class ApplicationTokens:
    """:param most: OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT.
    :param superusers: FEATURE_SUPER_USERS: the scope `super:user` exists.
    """

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        applications: Applications,
        tokens: OauthTokens,
        *,
        most: int | None = None,
        superusers: bool = True,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._applications = applications
        self._tokens = tokens
        self._most = most
        self._superusers = superusers

    def page(
        self, principal: Principal, organization: str, client_id: str, *, after: int, limit: int
    ) -> tuple[list[ApplicationToken], bool]:
        """All tokens of the application whose row ids are above `after`, in the order in which they were
        made, and whether more follow. Raises NotSignedIn, InsufficientScope, NotFound."""
        found = self._applications.get(principal, organization, client_id)
        rows = self._db.rows(_query().where(_of(found) & (Token.id > after)).limit(limit + 1))
        tokens = [ApplicationToken(*row) for row in rows]
        return tokens[:limit], len(tokens) > limit

    def create(
        self,
        principal: Principal,
        organization: str,
        client_id: str,
        *,
        name: str,
        scope: str,
        life_s: float | None,
    ) -> tuple[ApplicationToken, str]:
        """The token and its 40 characters, which are shown now or never. It acts in the name of who makes
        it, and may no more than what it was made with.

        Raises NotSignedIn, InsufficientScope, NotFound, InvalidRequest."""
        namespace = administered(self._access, principal, organization)
        found = self._applications.get(principal, organization, client_id)
        asked = scopes.parse(scope, superusers=self._superusers)
        if not asked:
            raise InvalidRequest("scope names no scope, or one that is not known here")
        if principal.kind != "user" or principal.account_id is None:
            raise InsufficientScope()
        if principal.scopes is not None and not scopes.effective(scope) <= principal.scopes:
            raise InsufficientScope()
        if not name.strip():
            raise InvalidRequest("name must not be empty")
        if life_s is not None and not 1 <= life_s <= LONGEST_LIFE_S:
            raise InvalidRequest(f"expiration is from 1 to {LONGEST_LIFE_S} seconds")
        account_id, life = principal.account_id, LIFE_S if life_s is None else life_s

        def work(tx: Tx) -> tuple[str, str]:
            self._count(tx, found)
            made = self._tokens.add(
                tx,
                account_id=account_id,
                application_id=found.id,
                scope=scope,
                title=name.strip(),
                life_s=life,
            )
            event = events.CreateOauthApiToken(
                namespace=namespace.name,
                performer=principal.performer,
                ip=principal.ip,
                application_name=found.name,
                client_id=client_id,
                oauth_token_uuid=made.uuid,
                scope=scope,
                token_display_name=name.strip(),
                auth_method=principal.via,
            )
            self._activity.record(tx, event, namespace_id=namespace.id, performer_id=account_id)
            return made.uuid, made.token

        uuid, token = self._db.write(work)
        row = self._db.rows(_query().where(Token.uuid == uuid))[0]
        return ApplicationToken(*row), token

    def _count(self, tx: Tx, found: Application) -> None:
        """Holds the application, and refuses one token too many."""
        where = OauthApplication.id == found.id
        if not tx.lock(OauthApplication.select(OauthApplication.id).where(where)):
            raise NotFound("Not Found")
        if self._most is None:
            return
        live = Token.expires_ms.is_null() | (Token.expires_ms > now_ms())
        if len(tx.rows(Token.select(Token.id).where(_of(found) & live).limit(self._most))) >= self._most:
            raise InvalidRequest(f"an application has at most {self._most} tokens; delete one first")

    def delete(self, principal: Principal, organization: str, client_id: str, uuid: str) -> None:
        """Refused from the next request on. Raises NotSignedIn, InsufficientScope, NotFound."""
        namespace = administered(self._access, principal, organization)
        found = self._applications.get(principal, organization, client_id)
        event = events.RevokeOauthApiToken(
            namespace=namespace.name,
            performer=principal.performer,
            ip=principal.ip,
            application_name=found.name,
            client_id=client_id,
            oauth_token_uuid=uuid,
        )

        def work(tx: Tx) -> None:
            if not tx.run(Token.delete().where(_of(found) & (Token.uuid == uuid))):
                raise NotFound("Not Found")
            self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)

        self._db.write(work)


def _query() -> Any:
    return (
        Token.select(
            Token.id, Token.uuid, Token.title, Token.scope, Token.created_ms, Token.expires_ms,
            Token.last_accessed_ms, Account.name,
        )
        .join(Account, on=(Account.id == peewee.fn.COALESCE(Token.creator, Token.account)))
        .order_by(Token.id)
    )  # fmt: skip


def _of(found: Application) -> Any:
    return (Token.kind == "oauth") & (Token.application == found.id)
