"""What a user has granted to applications, and what organizations' admins offer it to grant."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Token
from quayframe.data.tenancy import OauthApplication, OauthAssignment
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn

from . import scopes
from .access import Access
from .activity import Activity
from .applications import APPLICATION, Application, application
from .clock import now_ms
from .mail import Mail
from .membership import administered
from .principal import Principal


@dataclass(frozen=True)
class Authorization:
    """A live token that acts in a user's name, by its uuid; `scope` is the scope string."""

    uuid: str
    scope: str
    application: Application


@dataclass(frozen=True)
class Assignment:
    """A token that an admin offers a user: the user still has to agree."""

    uuid: str
    scope: str
    redirect_uri: str
    response_type: str
    application: Application


class Authorizations:
    """Of the acting user's own account only."""

    def __init__(self, db: Database, access: Access, activity: Activity, mail: Mail) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._mail = mail

    # -- granted ------------------------------------------------------------------------------

    def all(self, principal: Principal) -> list[Authorization]:
        """In the order in which they were granted. Raises NotSignedIn, InsufficientScope."""
        own = _own(principal)
        query = _joined(Token.select(Token.uuid, Token.scope, *APPLICATION), Token.application)
        rows = self._db.rows(query.where(_live(own)).order_by(Token.id))
        return [_authorization(row) for row in rows]

    def get(self, principal: Principal, uuid: str) -> Authorization:
        """Raises NotSignedIn, InsufficientScope, NotFound."""
        own = _own(principal)
        query = _joined(Token.select(Token.uuid, Token.scope, *APPLICATION), Token.application)
        row = self._db.one(query.where(_live(own) & (Token.uuid == uuid)))
        if row is None:
            raise NotFound("Not Found")
        return _authorization(row)

    def delete(self, principal: Principal, uuid: str) -> None:
        """Takes the token back: it is refused from the next request on."""
        found, own = self.get(principal, uuid), _own(principal)

        def work(tx: Tx) -> None:
            if not tx.run(Token.delete().where(_live(own) & (Token.uuid == uuid))):
                raise NotFound("Not Found")
            self._revoked(tx, principal, found.application)

        self._db.write(work)

    # -- offered ------------------------------------------------------------------------------

    def assigned(self, principal: Principal) -> list[Assignment]:
        """What is offered to this user, in the order in which it was. Raises as `all`."""
        own = _own(principal)
        rows = self._db.rows(
            _assignments().where(OauthAssignment.account == own).order_by(OauthAssignment.id)
        )
        return [_assignment(row) for row in rows]

    def assignment(self, account_id: int, uuid: str) -> Assignment | None:
        """The one that this user is offered."""
        where = (OauthAssignment.account == account_id) & (OauthAssignment.uuid == uuid)
        row = self._db.one(_assignments().where(where))
        return _assignment(row) if row else None

    def refuse(self, principal: Principal, uuid: str) -> None:
        """The user does not want what is offered. Raises as `get`."""
        own = _own(principal)
        found = self.assignment(own, uuid)
        if found is None:
            raise NotFound("Not Found")

        def work(tx: Tx) -> None:
            where = (OauthAssignment.account == own) & (OauthAssignment.uuid == uuid)
            if not tx.run(OauthAssignment.delete().where(where)):
                raise NotFound("Not Found")
            self._revoked(tx, principal, found.application)

        self._db.write(work)

    def assign(
        self, principal: Principal, found: Application, username: str, *, redirect_uri: str, scope: str
    ) -> str:
        """An admin of the application's organization offers a user a token, who is told by mail; the uuid
        of the offer.

        Raises NotSignedIn, InsufficientScope, NotFound for an unknown user."""
        namespace = administered(self._access, principal, found.owner)
        where = (Account.name == username) & (Account.kind == "user") & Account.deleted_ms.is_null()
        row = self._db.one(Account.select(Account.id, Account.email).where(where & (Account.enabled == 1)))
        if row is None:
            raise NotFound("there is no such user")
        account, email = row
        uuid = str(uuids.uuid4())
        event = events.OauthTokenAssigned(
            namespace=namespace.name,
            performer=principal.performer,
            ip=principal.ip,
            assigning_user=principal.name,
            assigned_user=username,
            application=found.name,
            client_id=found.client_id,
        )
        told = {"username": username, "assigner": principal.name, "application": found.name}
        told |= {"organization": namespace.name, "scope": scope}

        def work(tx: Tx) -> None:
            if not tx.share(
                OauthApplication.select(OauthApplication.id).where(OauthApplication.id == found.id)
            ):
                raise NotFound("Not Found")
            tx.insert(
                OauthAssignment,
                uuid=uuid,
                application=found.id,
                account=account,
                redirect_uri=redirect_uri,
                scope=scope,
                response_type="token",
            )
            self._mail.queue(tx, email, "tokenassigned", told)
            self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)

        self._db.write(work)
        return uuid

    def _revoked(self, tx: Tx, principal: Principal, found: Application) -> None:
        event = events.OauthTokenRevoked(
            namespace=found.owner,
            performer=principal.performer,
            ip=principal.ip,
            assigned_user=principal.name,
            application=found.name,
            client_id=found.client_id,
        )
        self._activity.record(tx, event, namespace_id=found.owner_id, performer_id=principal.account_id)


def covered(db: Database, account_id: int, found: Application, scope: str) -> bool:
    """Whether a live token of the user for this application may all that is asked for."""
    query = Token.select(Token.scope).where(_live(account_id) & (Token.application == found.id))
    return any(scopes.covers(has or "", scope) for (has,) in db.rows(query))


def _own(principal: Principal) -> int:
    if principal.account_id is None:
        raise NotSignedIn()
    if principal.kind != "user" or not principal.may("user:admin"):
        raise InsufficientScope()
    return principal.account_id


def _live(account_id: int) -> Any:
    own = (Token.kind == "oauth") & (Token.account == account_id)
    return own & (Token.expires_ms.is_null() | (Token.expires_ms > now_ms()))


def _joined(query: Any, application_id: Any) -> Any:
    return query.join(OauthApplication, on=(OauthApplication.id == application_id)).join(
        Account, on=(Account.id == OauthApplication.organization) & Account.deleted_ms.is_null()
    )


def _assignments() -> Any:
    columns = (
        OauthAssignment.uuid, OauthAssignment.scope, OauthAssignment.redirect_uri,
        OauthAssignment.response_type,
    )  # fmt: skip
    return _joined(OauthAssignment.select(*columns, *APPLICATION), OauthAssignment.application)


def _authorization(row: tuple[Any, ...]) -> Authorization:
    return Authorization(row[0], row[1] or "", application(row[2:]))


def _assignment(row: tuple[Any, ...]) -> Assignment:
    uuid, scope, redirect_uri, response_type = row[:4]
    return Assignment(uuid, scope, redirect_uri, response_type, application(row[4:]))
