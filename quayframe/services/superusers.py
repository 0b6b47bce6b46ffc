"""What superusers do with users."""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account
from quayframe.errors import AlreadyExists, InsufficientScope, InvalidRequest, NameInvalid, NotFound, Refused
from quayframe.oci import names

from . import emails
from .accounts import Accounts
from .activity import Activity
from .clock import now_ms
from .confirmations import CONFIRM, ENDING, Confirmations
from .crypto import new_token
from .forgetting import end_codes
from .principal import Principal

LIVE_USER = (Account.kind == "user") & Account.deleted_ms.is_null()
_COLUMNS = (Account.id, Account.name, Account.email, Account.uuid, Account.verified, Account.enabled)


@dataclass(frozen=True)
class UserItem:
    """A user. `seed` is what the avatar is made of, and shown where there is no e-mail address."""

    id: int
    username: str
    seed: str
    verified: bool
    enabled: bool
    superuser: bool
    readonly_superuser: bool


@dataclass(frozen=True)
class Rules:
    """What the operator set. `mailing`: FEATURE_MAILING; `own_passwords`: AUTHENTICATION_TYPE is Database;
    `metadata`: FEATURE_USER_METADATA; `bad_domains`: BLACKLISTED_EMAIL_DOMAINS where they are obeyed."""

    mailing: bool
    own_passwords: bool = True
    metadata: bool = False
    bad_domains: tuple[str, ...] = ()


class Superusers:
    """:param confirmations: sends the codes by which a new user confirms an address."""

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        activity: Activity,
        confirmations: Confirmations,
        rules: Rules,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._activity = activity
        self._confirmations = confirmations
        self._rules = rules

    # -- reading ------------------------------------------------------------------------------

    def page(
        self, *, after: int = 0, limit: int | None = None, disabled: bool = True
    ) -> tuple[list[UserItem], bool]:
        """Users with ids above `after`, by id, and whether more follow.

        :param disabled: whether those who are switched off are among them."""
        where = LIVE_USER & (Account.id > after)
        if not disabled:
            where &= Account.enabled == 1
        query = Account.select(*_COLUMNS).where(where).order_by(Account.id)
        rows = self._db.rows(query if limit is None else query.limit(limit + 1))
        more = limit is not None and len(rows) > limit
        return [self._item(row) for row in rows[:limit]], more

    def get(self, name: str) -> UserItem:
        """Raises NotFound."""
        rows = self._db.rows(Account.select(*_COLUMNS).where(LIVE_USER & (Account.name == name)))
        if not rows:
            raise NotFound("Not Found")
        return self._item(rows[0])

    def by_id(self, ids: Collection[int]) -> dict[int, UserItem]:
        """Those of these users who are still there."""
        rows = self._db.rows(Account.select(*_COLUMNS).where(LIVE_USER & Account.id.in_(list(ids))))
        return {row[0]: self._item(row) for row in rows}

    def _item(self, row: tuple[Any, ...]) -> UserItem:
        ident, name, email, uuid, verified, enabled = row
        return UserItem(
            ident,
            name,
            email or uuid,
            bool(verified),
            bool(enabled),
            self._accounts.is_superuser(name),
            self._accounts.is_readonly_superuser(name),
        )

    # -- changes ------------------------------------------------------------------------------

    def create(self, principal: Principal, name: str, email: str | None) -> str:
        """Makes a user, and returns the password that was made up: 32 of [A-Z0-9].

        With mail the user confirms the address first. Raises InsufficientScope, InvalidRequest where
        passwords are another system's, Refused for bad values."""
        _superuser(principal)
        if not self._rules.own_passwords:
            raise InvalidRequest("users are made by this registry's log-in system, not here")
        mailing = self._rules.mailing
        with _plainly():
            names.check_namespace(name)
            emails.check(email, mailing=mailing, blacklist=self._rules.bad_domains)
        password = new_token(32)
        prompts = ["enter_name", "enter_company"] if self._rules.metadata else []
        values = {
            "uuid": str(uuids.uuid4()),
            "kind": "user",
            "password_hash": self._accounts.hash(password),
            "verified": int(not mailing),
            "prompts": json.dumps(prompts) if prompts else None,
            "created_ms": now_ms(),
        }
        event = events.UserCreate(**principal.by(name), username=name, email=email)

        def work(tx: Tx) -> None:
            stored = emails.take(tx, email)
            if not tx.insert_absent(Account, name=name, email=stored, **values):
                raise AlreadyExists(f"Username has already been taken by user cannot be reused: {name}")
            made = int(tx.value(Account.select(Account.id).where(Account.name == name)))
            if mailing:
                self._confirmations.ask(tx, made, name, stored, CONFIRM, "useradded")
            self._activity.record(tx, event, namespace_id=made, performer_id=principal.account_id)

        with _plainly():
            self._db.write(work)
        return password

    def target(self, principal: Principal, name: str, act: str) -> UserItem:
        """The user on whom a superuser may act: no superuser.

        :param act: for the refusal's text: update, delete.
        Raises InsufficientScope, NotFound, InvalidRequest."""
        _superuser(principal)
        found = self.get(name)
        if found.superuser:
            raise InvalidRequest(f"Cannot {act} a superuser")
        return found

    def change(
        self,
        principal: Principal,
        name: str,
        *,
        password: str | None = None,
        email: str | None = None,
        enabled: bool | None = None,
    ) -> UserItem:
        """Changes what is given, and returns the new state. A new address counts as verified; a new
        password, and switching off, end sessions and tokens at once.

        Raises InsufficientScope, NotFound, InvalidRequest for a superuser, Refused for bad values."""
        user = self.target(principal, name, "update")
        by = principal.by(name) | {"superuser": principal.performer}
        values: dict[str, Any] = {}
        told: list[events.Event] = []
        with _plainly():
            if password is not None:
                values = {"password_hash": self._accounts.hash(password)}
                told.append(events.UserChangePassword(**by, username=name))
            if email is not None:
                emails.check(email, mailing=self._rules.mailing)
                values |= {"email": email, "verified": 1}
                told.append(events.UserChangeEmail(**by, email=email, old_email=user.seed))
            if enabled is not None and enabled != user.enabled:
                values["enabled"] = int(enabled)
                kind = events.UserEnable if enabled else events.UserDisable
                told.append(kind(**by, username=name))
            if told:
                self._db.write(lambda tx: self._change(tx, principal, user.id, values, told))
        return self.get(name)

    def _change(
        self, tx: Tx, principal: Principal, ident: int, values: dict[str, Any], told: list[events.Event]
    ) -> None:
        mine = LIVE_USER & (Account.id == ident)
        if not tx.in_turn(Account.select(Account.id).where(mine)):
            raise NotFound("Not Found")
        if "email" in values:
            emails.take(tx, values["email"], ident)
        ending = ENDING if values.keys() & {"password_hash", "enabled"} else {}
        tx.run(Account.update(**values, **ending).where(mine))
        if values.keys() & {"password_hash", "email"}:
            end_codes(tx, ident)
        if "enabled" in values:
            tx.run(Account.update(auth_epoch=Account.auth_epoch + 1).where(Account.owner == ident))
        for event in told:
            self._activity.record(tx, event, namespace_id=ident, performer_id=principal.account_id)

    def send_recovery(self, principal: Principal, name: str) -> str:
        """Sends the user a mail by which the password can be changed; the address it goes to.

        Raises InsufficientScope, NotFound, InvalidRequest for a superuser, or without an address."""
        self.target(principal, name, "send a mail of recovery to")
        return self._confirmations.recover_account(self._accounts.get(name))


def _superuser(principal: Principal) -> None:
    if not principal.superuser:
        raise InsufficientScope()


@contextmanager
def _plainly() -> Iterator[None]:
    """Faults in names, passwords and addresses have the plain shape here."""
    try:
        yield
    except (InvalidRequest, NameInvalid, AlreadyExists) as error:
        raise Refused(error.text) from None
