"""What users change of their own accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quayframe import events
from quayframe.config import Settings
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.data.tables import LoginLink
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn, Refused

from . import emails
from .accounts import Account, Accounts
from .activity import Activity
from .confirmations import CHANGE, ENDING, Confirmations
from .forgetting import end_codes
from .mail import Mail
from .principal import Principal
from .profiles import METADATA, prompts_of
from .renaming import rename

CHANGEABLE = (
    "password", "email", "username", "invoice_email", "invoice_email_address", "tag_expiration_s", *METADATA,
)  # fmt: skip
CONFIRM_USERNAME, ENTER_NAME, ENTER_COMPANY = "confirm_username", "enter_name", "enter_company"
_OLD = (
    "name", "email", "invoice_email", "invoice_email_address", "removed_tag_expiration_s", "prompts",
)  # fmt: skip


@dataclass
class _Change:
    """One change of an account under way: what it was, what is wanted, what becomes of both."""

    tx: Tx
    ident: int
    ip: str | None
    old: Mapping[str, Any]
    wanted: Mapping[str, Any]
    columns: dict[str, Any] = field(default_factory=dict)
    told: list[events.Event] = field(default_factory=list)

    def tell(self, event: type[events.Event], name: str | None = None, **values: Any) -> None:
        name = name or self.old["name"]
        self.told.append(event(namespace=name, performer=name, ip=self.ip, **values))

    @property
    def prompts(self) -> list[str]:
        return prompts_of(self.columns.get("prompts", self.old["prompts"]))

    def answer(self, *prompts: str) -> None:
        """The user is not asked for these any more."""
        if not set(prompts).isdisjoint(self.prompts):
            self.columns["prompts"] = json.dumps([p for p in self.prompts if p not in prompts])


class People:
    def __init__(
        self,
        settings: Settings,
        db: Database,
        accounts: Accounts,
        activity: Activity,
        mail: Mail,
        confirmations: Confirmations,
    ) -> None:
        self._s = settings
        self._db = db
        self._accounts = accounts
        self._activity = activity
        self._mail = mail
        self._confirmations = confirmations

    def change(self, principal: Principal, values: Mapping[str, Any]) -> Account:
        """Changes what `values` holds of CHANGEABLE and returns the account, which may have another name.

        With FEATURE_MAILING a new address is asked first. What a switched-off feature would be needed
        for is passed over. Raises NotSignedIn, InsufficientScope, InvalidRequest, Refused."""
        account = self._own(principal)
        wanted = {key: values[key] for key in CHANGEABLE if key in values}
        if not self._s.FEATURE_CHANGE_TAG_EXPIRATION:
            wanted.pop("tag_expiration_s", None)
        hashed = None
        if (password := wanted.get("password")) is not None:
            hashed = self._accounts.hash(password)
        if "tag_expiration_s" in wanted and wanted["tag_expiration_s"] not in self._s.TAG_EXPIRATION_OPTIONS:
            raise Refused("Invalid tag expiration option")

        def work(tx: Tx) -> None:
            columns = [getattr(Row, column) for column in _OLD]
            rows = tx.lock(Row.select(*columns).where((Row.id == account.id) & Row.deleted_ms.is_null()))
            if not rows:
                raise NotSignedIn()
            one = _Change(tx, account.id, principal.ip, dict(zip(_OLD, rows[0], strict=True)), wanted)
            if hashed is not None:
                self._set_password(one, hashed)
            self._set_email(one)
            _set_details(one)
            if self._s.FEATURE_USER_METADATA:
                _set_metadata(one)
            self._set_name(one)
            if one.columns:
                tx.run(Row.update(**one.columns).where(Row.id == account.id))
            for event in one.told:
                self._activity.record(tx, event, namespace_id=account.id, performer_id=account.id)

        self._db.write(work)
        return self._accounts.get(self._db.value(Row.select(Row.name).where(Row.id == account.id)))

    def _set_password(self, one: _Change, hashed: str) -> None:
        one.columns |= {"password_hash": hashed, **ENDING}
        end_codes(one.tx, one.ident)
        one.tell(events.AccountChangePassword)
        self._mail.queue(one.tx, one.old["email"], "passwordchanged", {"username": one.old["name"]})

    def _set_email(self, one: _Change) -> None:
        email = one.wanted.get("email")
        if email is None or email == one.old["email"]:
            return
        mailing = self._s.FEATURE_MAILING
        blacklist = self._s.BLACKLISTED_EMAIL_DOMAINS if self._s.FEATURE_BLACKLISTED_EMAILS else ()
        emails.check(email, mailing=mailing, blacklist=blacklist)
        emails.take(one.tx, email, one.ident)
        if mailing:
            self._confirmations.ask(one.tx, one.ident, one.old["name"], email, CHANGE)
            return
        one.columns["email"] = email
        end_codes(one.tx, one.ident)
        one.tell(events.UserChangeEmail, email=email, old_email=one.old["email"])

    def _set_name(self, one: _Change) -> None:
        name, was = one.wanted.get("username"), one.old["name"]
        if name is None:
            return
        asked = CONFIRM_USERNAME in one.prompts and self._s.FEATURE_USERNAME_CONFIRMATION
        one.answer(CONFIRM_USERNAME)
        if name == was or not (self._s.FEATURE_USER_RENAME or asked):
            return
        powerful = self._accounts.superusers | self._accounts.readonly_superusers
        if name in powerful.union(self._s.RESTRICTED_USERS_WHITELIST or ()):
            # These names give power: nobody takes one by himself.
            raise Refused(f"Invalid username {name}: this name is reserved")
        rename(one.tx, one.ident, was, name)
        one.tell(events.UserChangeName, name, old_username=was)

    def detach(self, principal: Principal, service: str) -> None:
        """Takes away the account's identity at a log-in service. Raises NotFound where it has none."""
        account = self._own(principal)
        mine = (LoginLink.account == account.id) & (LoginLink.provider == service)
        if not self._db.write(lambda tx: tx.run(LoginLink.delete().where(mine))):
            raise NotFound()

    def note_client_key(self, principal: Principal) -> None:
        """Records that an encrypted password was made."""
        self._note(principal, events.UserGenerateClientKey)

    def note_sign_out(self, principal: Principal) -> None:
        """Records that a user signed out."""
        self._note(principal, events.LogoutSuccess)

    def _note(self, principal: Principal, kind: type[events.Event]) -> None:
        if principal.account_id is None:
            raise NotSignedIn()
        ident = principal.account_id
        event = kind(namespace=principal.name, performer=principal.name, ip=principal.ip)
        self._db.write(lambda tx: self._activity.record(tx, event, namespace_id=ident, performer_id=ident))

    def _own(self, principal: Principal) -> Account:
        """The principal's account, which it may administer."""
        if principal.account_id is None:
            raise NotSignedIn()
        if principal.kind != "user" or not principal.may("user:admin"):
            raise InsufficientScope()
        found = self._accounts.find(principal.name)
        if found is None or found.id != principal.account_id:
            raise NotSignedIn()
        return found


def _set_details(one: _Change) -> None:
    """Invoices and the time machine; of what stays as it is there is nothing to tell."""
    old, wanted = one.old, one.wanted
    key = "invoice_email"
    if key in wanted and wanted[key] != bool(old[key]):
        one.columns[key] = int(wanted[key])
        one.tell(events.UserChangeInvoicing, invoice_email=wanted[key])
    key = "invoice_email_address"
    if key in wanted and wanted[key] != old[key]:
        one.columns[key] = wanted[key]
        one.tell(events.UserChangeInvoicing, invoice_email_address=wanted[key])
    key = "tag_expiration_s"
    if key in wanted and wanted[key] != old["removed_tag_expiration_s"]:
        one.columns["removed_tag_expiration_s"] = wanted[key]
        one.tell(events.UserChangeTagExpiration, tag_expiration=wanted[key])


def _set_metadata(one: _Change) -> None:
    """Names, company, location; whoever says anything of them is not asked for them any more."""
    given = {key: one.wanted[key] for key in METADATA if key in one.wanted}
    if given:
        one.columns |= given
        one.answer(ENTER_NAME, ENTER_COMPANY)
        one.tell(events.UserChangeMetadata, **given)
