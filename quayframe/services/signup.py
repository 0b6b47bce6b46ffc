"""New users: who signs up, and the first of a registry."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.config import Settings
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.data.tables import Lease
from quayframe.data.tenancy import TeamInvite
from quayframe.errors import InvalidRequest, NotFound, Refused, RegistryError
from quayframe.oci import names

from . import emails
from .accounts import Account, Accounts
from .activity import Activity
from .applications import Applications
from .clock import now_ms
from .confirmations import CONFIRM, Confirmations
from .crypto import SecretBox
from .invites import Invites
from .people import ENTER_COMPANY, ENTER_NAME
from .principal import Principal

log = logging.getLogger("quayframe.signup")

TAKEN = "The username already exists"
_FIRST = "first user"


@dataclass(frozen=True)
class Newcomer:
    """A user who has signed up. `awaiting`: before anything else the address has to be confirmed."""

    account: Account
    awaiting: bool


@dataclass(frozen=True)
class First:
    """The first user; `token` is an OAuth token of all scopes, where it was asked for."""

    account: Account
    token: str | None


class SignUp:
    def __init__(
        self,
        settings: Settings,
        db: Database,
        accounts: Accounts,
        activity: Activity,
        box: SecretBox,
        confirmations: Confirmations,
        invites: Invites,
        applications: Applications,
    ) -> None:
        self._s = settings
        self._db = db
        self._accounts = accounts
        self._activity = activity
        self._box = box
        self._confirmations = confirmations
        self._invites = invites
        self._applications = applications

    # -- signing up ---------------------------------------------------------------------------

    def sign_up(
        self,
        principal: Principal,
        username: str,
        password: str,
        email: str | None = None,
        invite_code: str | None = None,
    ) -> Newcomer:
        """Makes a user. Whoever calls may be anybody; a code of an invitation that was sent to the same
        address confirms it, and is accepted.

        Raises NotFound where nobody may sign up, InvalidRequest."""
        if self._s.AUTHENTICATION_TYPE != "Database" or not self._s.FEATURE_USER_CREATION:
            raise NotFound()
        email = email or None
        if self._s.FEATURE_MAILING and email is None:
            raise InvalidRequest("Email address is required")
        invited = invite_code is not None and self._is_invited(invite_code, email)
        if self._s.FEATURE_INVITE_ONLY_USER_CREATION and not invited:
            raise InvalidRequest("Only invited people may sign up here")
        names.check_namespace(username)
        if self._accounts.is_superuser(username) or self._accounts.is_readonly_superuser(username):
            # These names give power: another superuser makes the account, or the operator.
            log.warning("somebody tried to sign up as %s, which the configuration gives power", username)
            raise InvalidRequest(TAKEN)
        names.check_password(password)
        self._check_email(email)
        hashed = self._accounts.hash(password)
        verified = invited or not self._s.FEATURE_MAILING

        def work(tx: Tx) -> None:
            ident = self._insert(tx, principal.ip, username, hashed, email, verified=verified)
            if not verified:
                self._confirmations.ask(tx, ident, username, email or "", CONFIRM)

        self._db.write(work)
        account = self._accounts.get(username)
        if invite_code and verified:
            self.accept(account, invite_code, principal.ip)
        return Newcomer(account, awaiting=not verified)

    def accept(self, account: Account, invite_code: str, ip: str | None) -> bool:
        """Answers the invitation that somebody brought along to a sign-up or sign-in; False, and nothing
        more, for a code that is not good."""
        try:
            self._invites.accept(self._accounts.principal(account, ip), invite_code)
        except RegistryError as error:
            log.info("an invitation that %s brought along: %s", account.name, error.text)
            return False
        return True

    def _is_invited(self, code: str, email: str | None) -> bool:
        """Whether the code is that of an invitation which was sent to this address."""
        if email is None:
            return False
        where = (TeamInvite.lookup == self._box.lookup(code)) & (TeamInvite.email == email)
        return self._db.one(TeamInvite.select(TeamInvite.id).where(where)) is not None

    # -- the first one ------------------------------------------------------------------------

    def check_initialize(self) -> None:
        """Raises Refused, with the cause, where there can be no first user."""
        if not self._s.FEATURE_USER_INITIALIZE:
            raise Refused("Cannot initialize user, FEATURE_USER_INITIALIZE is False")
        if self._s.AUTHENTICATION_TYPE != "Database":
            raise Refused("Cannot initialize user in a non-database auth system")
        if self._accounts.any_user():
            raise Refused("Cannot initialize user in a non-empty database")

    def initialize(
        self,
        principal: Principal,
        username: str,
        password: str,
        email: str | None = None,
        *,
        with_token: bool = False,
    ) -> First:
        """Makes the first user, verified; of several who try at once it is one. Raises Refused."""
        self.check_initialize()
        email = email or None
        try:
            names.check_namespace(username)
            names.check_password(password)
            self._check_email(email)
        except RegistryError as error:
            raise _failed(error) from None
        hashed = self._accounts.hash(password)

        def work(tx: Tx) -> str | None:
            if not tx.insert_absent(Lease, name=_FIRST, token=username, until_ms=0) or tx.one(
                Row.select(Row.id).where(Row.kind == "user").limit(1)
            ):
                raise Refused("Cannot initialize user in a non-empty database")
            try:
                ident = self._insert(tx, principal.ip, username, hashed, email, verified=True)
            except InvalidRequest as error:
                raise _failed(error) from None
            return self._applications.add_first(tx, ident, username) if with_token else None

        token = self._db.write(work)
        return First(self._accounts.get(username), token)

    # -- both ---------------------------------------------------------------------------------

    def _check_email(self, email: str | None) -> None:
        blacklist = self._s.BLACKLISTED_EMAIL_DOMAINS if self._s.FEATURE_BLACKLISTED_EMAILS else ()
        emails.check(email, mailing=self._s.FEATURE_MAILING, blacklist=blacklist)

    def _insert(
        self, tx: Tx, ip: str | None, username: str, hashed: str, email: str | None, *, verified: bool
    ) -> int:
        """The user's row and its event. Raises InvalidRequest for a name or an address that is taken."""
        row: dict[str, Any] = {
            "uuid": str(uuid.uuid4()),
            "email": emails.take(tx, email),
            "password_hash": hashed,
            "verified": int(verified),
            "created_ms": now_ms(),
        }
        if self._s.FEATURE_USER_METADATA:
            row["prompts"] = json.dumps([ENTER_NAME, ENTER_COMPANY])
        if not tx.insert_absent(Row, name=username, kind="user", **row):
            raise InvalidRequest(TAKEN)
        ident = int(tx.value(Row.select(Row.id).where(Row.name == username)))
        superuser = self._accounts.is_superuser(username)
        event = events.UserCreate(
            namespace=username, performer=username, ip=ip, username=username, email=email, superuser=superuser
        )
        self._activity.record(tx, event, namespace_id=ident, performer_id=ident)
        return ident


def _failed(error: RegistryError) -> Refused:
    return Refused(f"Failed to initialize user: {error.text}")
