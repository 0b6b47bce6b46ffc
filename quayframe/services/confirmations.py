"""Codes that are sent by mail: whoever has one reads the mail of an address.

kind confirm: the address of a new account is its owner's. change: a new address is. recover: opens an
account whose password is lost. A code is good once; only a keyed hash of it is stored.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.data.tables import Team, TeamMember
from quayframe.data.tenancy import Confirmation
from quayframe.errors import InvalidRequest
from quayframe.oci import names
from quayframe.plugin.boundary import outside

from . import emails
from .accounts import ACCOUNT, Account, account_of
from .activity import Activity
from .clock import now_ms
from .crypto import SecretBox
from .forgetting import end_codes
from .mail import Mail
from .passwords import hash_password

CONFIRM, CHANGE, RECOVER = "confirm", "change", "recover"
CONFIRM_MS = 7 * 86_400_000
PAUSE_MS = 60_000
"""Between two mails of a kind to one account: nobody's mailbox is filled by strangers."""


class CodeInvalid(InvalidRequest):
    message = "Invalid or expired confirmation code"


@dataclass(frozen=True)
class Confirmed:
    """What a code confirmed: kind is confirm or change."""

    kind: str
    username: str
    email: str


@dataclass(frozen=True)
class Recovery:
    """Whose a mail of recovery is: `organization` for an address that only an organization has."""

    organization: str | None = None


class Confirmations:
    """:param recovery_s: USER_RECOVERY_TOKEN_LIFETIME."""

    def __init__(
        self, db: Database, activity: Activity, box: SecretBox, mail: Mail, *, recovery_s: int
    ) -> None:
        self._db = db
        self._activity = activity
        self._box = box
        self._mail = mail
        self._recovery_s = recovery_s

    # -- sending ------------------------------------------------------------------------------

    def ask(
        self, tx: Tx, account_id: int, username: str, email: str, kind: str, template: str | None = None
    ) -> bool:
        """Sends a code of this kind to `email`, in the transaction of the act that wants it; False when
        one has just been sent, or mail is off. Of changes and recoveries only the last code is good.

        :param template: of the mail, where it is not the kind's own (useradded for confirm)."""
        now = now_ms()
        mine = (Confirmation.account == account_id) & (Confirmation.kind == kind)
        recent = mine & (Confirmation.email == email) & (Confirmation.created_ms > now - PAUSE_MS)
        if not self._mail.on or tx.one(Confirmation.select(Confirmation.id).where(recent)) is not None:
            return False
        if kind != CONFIRM:
            tx.run(Confirmation.delete().where(mine))
        life = self._recovery_s * 1000 if kind == RECOVER else CONFIRM_MS
        code = _new_code()
        tx.insert(
            Confirmation,
            lookup=self._box.lookup(code),
            account=account_id,
            kind=kind,
            email=email,
            created_ms=now,
            expires_ms=now + life,
        )
        usual = {CONFIRM: "confirm", CHANGE: "emailchange", RECOVER: "recovery"}[kind]
        values = {"username": username, "code": code, "minutes": max(1, life // 60_000)}
        return self._mail.queue(tx, email, template or usual, values)

    def ask_again(self, account: Account) -> None:
        """Sends the confirmation of a new account once more."""
        email = account.email
        if email is not None and names.is_email(email):
            self._db.write(lambda tx: self.ask(tx, account.id, account.name, email, CONFIRM))

    def recover_address(self, email: str) -> Recovery:
        """Sends a mail of recovery to the user of this address; to an organization's, a mail that names
        its admins. An address that nobody has, and a disabled account's, look like any other."""

        def work(tx: Tx) -> Recovery:
            where = (Row.email == email) & Row.deleted_ms.is_null() & (Row.enabled == 1)
            found = tx.rows(Row.select(Row.id, Row.name, Row.kind).where(where).order_by(Row.id))
            for ident, name, kind in found:
                if kind == "user":
                    self.ask(tx, ident, name, email, RECOVER)
                    return Recovery()
            for ident, name, kind in found:
                if kind == "organization":
                    self._tell_organization(tx, ident, name, email)
                    return Recovery(name)
            return Recovery()

        return self._db.write(work)

    def recover_account(self, account: Account) -> str:
        """Sends a user a mail of recovery; the address it went to. Raises EmailInvalid for an account
        without one."""
        email = account.email
        if email is None or not names.is_email(email):
            raise emails.EmailInvalid("this account has no e-mail address")
        self._db.write(lambda tx: self.ask(tx, account.id, account.name, email, RECOVER))
        return email

    def _tell_organization(self, tx: Tx, organization_id: int, name: str, email: str) -> None:
        admins = tx.rows(
            Row.select(Row.name)
            .join(TeamMember, on=(TeamMember.account == Row.id))
            .join(Team, on=(Team.id == TeamMember.team))
            .where((Team.organization == organization_id) & (Team.role == "admin") & (Row.kind == "user"))
            .where(Row.deleted_ms.is_null())
            .order_by(Row.name)
            .distinct()
        )
        values = {"username": name, "organization": name, "admins": [admin for (admin,) in admins]}
        mine = (Confirmation.account == organization_id) & (Confirmation.kind == RECOVER)
        now = now_ms()
        if tx.one(Confirmation.select(Confirmation.id).where(mine & (Confirmation.expires_ms > now))) is None:
            # Opens nothing: it only remembers that this mail was sent.
            marker = {"lookup": self._box.lookup(_new_code()), "kind": RECOVER, "email": email}
            tx.run(Confirmation.delete().where(mine))
            tx.insert(
                Confirmation, account=organization_id, created_ms=now, expires_ms=now + PAUSE_MS, **marker
            )
            self._mail.queue(tx, email, "orgrecovery", values)

    # -- answering ----------------------------------------------------------------------------

    def confirm(self, code: str, ip: str | None) -> Confirmed:
        """Uses a code of kind confirm or change. Raises CodeInvalid, EmailTaken."""

        def work(tx: Tx) -> Confirmed:
            kind, email, account = self._use(tx, code, (CONFIRM, CHANGE))
            if kind == CONFIRM and email != account.email:
                # The address was changed since; this one is nobody's any more.
                raise CodeInvalid()
            mine = Row.id == account.id
            if kind == CONFIRM:
                tx.run(Row.update(verified=1).where(mine))
                others = (Confirmation.account == account.id) & (Confirmation.kind == CONFIRM)
                tx.run(Confirmation.delete().where(others))
                return Confirmed(kind, account.name, email)
            emails.take(tx, email, account.id)
            tx.run(Row.update(verified=1, email=email).where(mine))
            end_codes(tx, account.id)
            old = account.email if account.email and names.is_email(account.email) else None
            by = {"namespace": account.name, "performer": account.name, "ip": ip}
            event = events.UserChangeEmail(**by, email=email, old_email=old)
            self._activity.record(tx, event, namespace_id=account.id, performer_id=account.id)
            self._mail.queue(
                tx, old, "emailchanged", {"username": account.name, "old_email": old, "new_email": email}
            )
            return Confirmed(kind, account.name, email)

        return self._db.write(work)

    def recoverable(self, code: str) -> str | None:
        """The name of the user whose account the code opens; None for a code that opens none."""
        found = self._db.one(self._live(code, (RECOVER,)))
        return None if found is None else account_of(found[3:]).name

    def recover(self, code: str, password: str, ip: str | None) -> Account:
        """Gives the user of the code a new password; all that was made with the old one ends.

        Raises CodeInvalid, InvalidRequest for the password."""
        names.check_password(password)
        if self.recoverable(code) is None:
            # No work for whoever only guesses.
            raise CodeInvalid()
        outside("the hash of a password")
        hashed = hash_password(password)

        def work(tx: Tx) -> Account:
            _, email, account = self._use(tx, code, (RECOVER,))
            change: dict[str, Any] = {"password_hash": hashed, **ENDING}
            if email == account.email:
                # Who has the code reads the mail of this address.
                change["verified"] = 1
            tx.run(Row.update(**change).where(Row.id == account.id))
            tx.run(Confirmation.delete().where(Confirmation.account == account.id))
            by = {"namespace": account.name, "performer": account.name, "ip": ip}
            event = events.AccountChangePassword(**by)
            self._activity.record(tx, event, namespace_id=account.id, performer_id=account.id)
            self._mail.queue(tx, email, "passwordchanged", {"username": account.name})
            return account_of(tx.rows(Row.select(*ACCOUNT).where(Row.id == account.id))[0])

        return self._db.write(work)

    def _use(self, tx: Tx, code: str, kinds: tuple[str, ...]) -> tuple[str, str, Account]:
        """(kind, address, account) of a code, which is good no more."""
        found = tx.one(self._live(code, kinds))
        if found is None:
            raise CodeInvalid()
        ident, kind, email, *row = found
        if not tx.run(Confirmation.delete().where(Confirmation.id == ident)):
            raise CodeInvalid()
        account = account_of(tuple(row))
        tx.in_turn(Row.select(Row.id).where(Row.id == account.id))
        now = tx.one(Row.select(*ACCOUNT).where((Row.id == account.id) & Row.deleted_ms.is_null()))
        if now is None:
            raise CodeInvalid()
        return kind, email or "", account_of(now)

    def _live(self, code: str, kinds: tuple[str, ...]) -> Any:
        return (
            Confirmation.select(Confirmation.id, Confirmation.kind, Confirmation.email, *ACCOUNT)
            .join(Row, on=(Row.id == Confirmation.account))
            .where((Confirmation.lookup == self._box.lookup(code)) & Confirmation.kind.in_(kinds))
            .where(Confirmation.expires_ms > now_ms())
            .where((Row.kind == "user") & (Row.enabled == 1) & Row.deleted_ms.is_null())
        )


ENDING: dict[str, Any] = {"auth_epoch": Row.auth_epoch + 1, "session_epoch": Row.session_epoch + 1}
"""What a new password changes beside the hash: tokens and sessions made with the old one end."""


def _new_code() -> str:
    """base64 of `<public>:<private>`, in the alphabet of URLs."""
    text = f"{secrets.token_hex(8)}:{secrets.token_urlsafe(24)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
