"""OAuth applications of organizations: who asks for tokens, and where its users are sent back to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Token
from quayframe.data.tenancy import OauthApplication, OauthAssignment, OauthCode
from quayframe.errors import InvalidRequest, NotFound

from . import redirects
from .access import Access, NamespaceRow
from .activity import Activity
from .clock import now_ms
from .crypto import SecretBox, new_token, same
from .membership import administered
from .oauth import OauthTokens
from .principal import Principal
from .scopes import SCOPES

APPLICATION = (
    OauthApplication.id, OauthApplication.client_id, OauthApplication.name, OauthApplication.description,
    OauthApplication.application_uri, OauthApplication.redirect_uri, OauthApplication.avatar_email,
    OauthApplication.secret, OauthApplication.organization, Account.name, Account.email, Account.uuid,
)  # fmt: skip
"""Columns of an Application, of OauthApplication joined with its owner's Account."""
_FIRST_LIFE_S = 9000


@dataclass(frozen=True)
class Application:
    """`owner` is the name of its organization (of a user, for the one made with the first user), of whose
    e-mail its avatar is made unless it has one of its own."""

    id: int
    client_id: str
    name: str
    description: str
    application_uri: str
    redirect_uri: str
    avatar_email: str | None
    sealed: str = field(repr=False)
    owner_id: int
    owner: str
    owner_seed: str

    @property
    def seed(self) -> str:
        return self.avatar_email or self.owner_seed


def application(row: tuple[Any, ...]) -> Application:
    """An Application from a row of the columns APPLICATION."""
    ident, client_id, name, description, uri, redirect, avatar, sealed, owner_id, owner, email, uuid = row
    return Application(
        ident, client_id, name, description, uri, redirect, avatar, sealed, owner_id, owner, email or uuid
    )


@dataclass(frozen=True)
class Details:
    """What an organization's admin says of an application."""

    name: str
    description: str = ""
    application_uri: str = ""
    redirect_uri: str = ""
    avatar_email: str | None = None


class Applications:
    """Applications, by their client id."""

    def __init__(
        self, db: Database, access: Access, activity: Activity, box: SecretBox, tokens: OauthTokens
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._box = box
        self._tokens = tokens

    # -- reading ------------------------------------------------------------------------------

    def find(self, client_id: str) -> Application | None:
        """For everybody: whoever is asked to authorize it sees what it is."""
        row = self._db.one(_query().where(OauthApplication.client_id == client_id))
        return application(row) if row else None

    def all(self, principal: Principal, organization: str) -> list[Application]:
        """In the order in which they were made. Raises NotSignedIn, InsufficientScope."""
        found = administered(self._access, principal, organization, reading=True)
        query = _query().where(OauthApplication.organization == found.id).order_by(OauthApplication.id)
        return [application(row) for row in self._db.rows(query)]

    def get(self, principal: Principal, organization: str, client_id: str) -> Application:
        """Raises NotSignedIn, InsufficientScope, NotFound."""
        return self._get(administered(self._access, principal, organization, reading=True), client_id)

    def secret(self, principal: Principal, found: Application) -> str | None:
        """The client secret, for who administers the application; None for who may merely read."""
        namespace = self._access.namespace(found.owner)
        if namespace is None or not self._access.may_admin_namespace(principal, namespace):
            return None
        return self._box.decrypt(found.sealed)

    def is_secret(self, found: Application, secret: str) -> bool:
        own = self._box.decrypt(found.sealed)
        return bool(own) and same(own or "", secret)

    def _get(self, namespace: NamespaceRow, client_id: str) -> Application:
        found = self.find(client_id)
        if found is None or found.owner_id != namespace.id:
            raise NotFound("Not Found")
        return found

    # -- changing -----------------------------------------------------------------------------

    def create(self, principal: Principal, organization: str, details: Details) -> Application:
        """Raises NotSignedIn, InsufficientScope, InvalidRequest."""
        namespace = administered(self._access, principal, organization)
        _check(details)
        client_id = new_token(20)
        event = events.CreateApplication(
            **principal.by(namespace.name), application_name=details.name, client_id=client_id
        )

        def work(tx: Tx) -> None:
            self._insert(tx, namespace.id, client_id, details)
            self._record(tx, principal, namespace, event)

        self._db.write(work)
        return self._get(namespace, client_id)

    def update(
        self, principal: Principal, organization: str, client_id: str, details: Details
    ) -> Application:
        """Replaces all that is said of it. Raises NotSignedIn, InsufficientScope, NotFound."""
        namespace = administered(self._access, principal, organization)
        found = self._get(namespace, client_id)
        _check(details)
        event = events.UpdateApplication(
            **principal.by(namespace.name), application_name=details.name, client_id=client_id
        )
        self._change(principal, namespace, found, event, vars(details))
        return self._get(namespace, client_id)

    def reset_secret(self, principal: Principal, organization: str, client_id: str) -> Application:
        """Gives it a new client secret; the old one is refused from now on."""
        namespace = administered(self._access, principal, organization)
        found = self._get(namespace, client_id)
        event = events.ResetApplicationClientSecret(
            **principal.by(namespace.name), application_name=found.name, client_id=client_id
        )
        self._change(principal, namespace, found, event, {"secret": self._box.encrypt(new_token(40))})
        return self._get(namespace, client_id)

    def delete(self, principal: Principal, organization: str, client_id: str) -> None:
        """With it go its tokens, its codes and what was assigned of it."""
        namespace = administered(self._access, principal, organization)
        found = self._get(namespace, client_id)
        event = events.DeleteApplication(
            **principal.by(namespace.name), application_name=found.name, client_id=client_id
        )

        def work(tx: Tx) -> None:
            if not tx.lock(OauthApplication.select(OauthApplication.id).where(_is(found))):
                raise NotFound("Not Found")
            tx.run(Token.delete().where((Token.application == found.id) & (Token.kind == "oauth")))
            tx.run(OauthCode.delete().where(OauthCode.application == found.id))
            tx.run(OauthAssignment.delete().where(OauthAssignment.application == found.id))
            tx.run(OauthApplication.delete().where(_is(found)))
            self._record(tx, principal, namespace, event)

        self._db.write(work)

    def add_first(self, tx: Tx, account_id: int, name: str) -> str:
        """In the transaction that makes the first user: an application of that user's own and a token
        with all scopes, good for two and a half hours. Returns the token."""
        said = Details("automation", "Application token generated via /api/v1/user/initialize")
        ident = self._insert(tx, account_id, name, said)
        made = self._tokens.add(
            tx,
            account_id=account_id,
            application_id=ident,
            scope=" ".join(SCOPES),
            title=said.name,
            life_s=_FIRST_LIFE_S,
        )
        return made.token

    def _insert(self, tx: Tx, owner_id: int, client_id: str, details: Details) -> int:
        return tx.insert(
            OauthApplication,
            client_id=client_id,
            organization=owner_id,
            secret=self._box.encrypt(new_token(40)),
            created_ms=now_ms(),
            **vars(details),
        )

    def _change(
        self,
        principal: Principal,
        namespace: NamespaceRow,
        found: Application,
        event: events.Event,
        values: dict[str, Any],
    ) -> None:
        def work(tx: Tx) -> None:
            if not tx.run(OauthApplication.update(**values).where(_is(found))):
                raise NotFound("Not Found")
            self._record(tx, principal, namespace, event)

        self._db.write(work)

    def _record(self, tx: Tx, principal: Principal, namespace: NamespaceRow, event: events.Event) -> None:
        self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)


def _query() -> Any:
    return OauthApplication.select(*APPLICATION).join(
        Account, on=(Account.id == OauthApplication.organization) & Account.deleted_ms.is_null()
    )


def _is(found: Application) -> Any:
    return OauthApplication.id == found.id


def _check(details: Details) -> None:
    if details.redirect_uri and not redirects.may_be_registered(details.redirect_uri):
        raise InvalidRequest("redirect_uri is not an address that users can be sent back to")
