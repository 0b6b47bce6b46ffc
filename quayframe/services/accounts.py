"""Users, organizations and robots: one namespace of names."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.errors import AlreadyExists, Denied, InvalidRequest, NotFound, RegistryError
from quayframe.oci import names
from quayframe.plugin.boundary import outside

from .activity import Activity
from .clock import now_ms
from .forgetting import end_codes
from .membership import add_owners
from .passwords import NOBODYS_HASH, PasswordChecker, hash_password
from .principal import Principal

ACCOUNT = (
    Row.id, Row.uuid, Row.name, Row.kind, Row.owner, Row.email, Row.enabled, Row.auth_epoch, Row.verified,
    Row.created_ms,
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """A user, organization or robot; `owner_id` is a robot's namespace."""

    id: int
    uuid: str
    name: str
    kind: str
    owner_id: int | None
    email: str | None
    enabled: bool
    epoch: int
    verified: bool
    created_ms: int


def account_of(row: tuple[Any, ...]) -> Account:
    """An Account from a row of the columns ACCOUNT."""
    ident, uid, name, kind, owner, email, enabled, epoch, verified, created = row
    return Account(ident, uid, name, kind, owner, email, bool(enabled), epoch, bool(verified), created)


class Accounts:
    """Who there is, and who is behind a password.

    :param superusers: names of SUPER_USERS; `readonly_superusers` those of GLOBAL_READONLY_SUPER_USERS.
    """

    def __init__(
        self,
        db: Database,
        activity: Activity,
        checker: PasswordChecker,
        superusers: Collection[str] = (),
        readonly_superusers: Collection[str] = (),
    ) -> None:
        self._db = db
        self._activity = activity
        self._checker = checker
        self._superusers = frozenset(superusers)
        self._readonly_superusers = frozenset(readonly_superusers)

    # -- reading ------------------------------------------------------------------------------

    def find(self, name: str) -> Account | None:
        """The account of this name."""
        row = self._db.one(Row.select(*ACCOUNT).where((Row.name == name) & Row.deleted_ms.is_null()))
        return account_of(row) if row else None

    def get(self, name: str) -> Account:
        """The account of this name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"there is no account {name}")
        return found

    def find_by_email(self, email: str) -> Account | None:
        where = (Row.email == email) & (Row.kind == "user") & Row.deleted_ms.is_null()
        row = self._db.one(Row.select(*ACCOUNT).where(where))
        return account_of(row) if row else None

    def users(self) -> list[Account]:
        """All users, by name."""
        where = (Row.kind == "user") & Row.deleted_ms.is_null()
        return [account_of(r) for r in self._db.rows(Row.select(*ACCOUNT).where(where).order_by(Row.name))]

    def any_user(self) -> bool:
        return self._db.one(Row.select(Row.id).where(Row.kind == "user").limit(1)) is not None

    @property
    def superusers(self) -> frozenset[str]:
        """Names of the superusers, whether or not such users exist; below, of those who may read all."""
        return self._superusers

    @property
    def readonly_superusers(self) -> frozenset[str]:
        return self._readonly_superusers

    def is_superuser(self, name: str) -> bool:
        return name in self._superusers

    def is_readonly_superuser(self, name: str) -> bool:
        return name in self._readonly_superusers

    def principal(
        self, account: Account, ip: str | None = None, *, scopes: frozenset[str] | None = None, **shown: Any
    ) -> Principal:
        """The account as somebody who acts.

        :param scopes: of the OAuth token that was shown.
        :param shown: `via` and `token` of the Principal.
        """
        user = account.kind == "user"
        return Principal(
            account.kind,
            account.id,
            account.uuid,
            account.name,
            account.epoch,
            user and account.name in self._superusers and (scopes is None or "super:user" in scopes),
            ip,
            user and account.name in self._readonly_superusers,
            scopes,
            **shown,
        )

    def note_access(self, account_id: int, threshold_s: int) -> None:
        """Notes that an account was used now, unless that was noted within the threshold. It never fails."""
        now = now_ms()
        mine = Row.id == account_id
        stale = mine & (Row.last_accessed_ms.is_null() | (Row.last_accessed_ms <= now - threshold_s * 1000))
        # A log-in does not fail because the time of it could not be noted.
        with contextlib.suppress(RegistryError):
            if self._db.one(Row.select(Row.id).where(stale)) is not None:
                self._db.write(lambda tx: tx.run(Row.update(last_accessed_ms=now).where(stale)))

    # -- passwords ----------------------------------------------------------------------------

    def check_password(self, name_or_email: str, password: str) -> Account | bool | None:
        """The account behind a name or e-mail and a password: None when there is no such user, False
        when the password is wrong. Both take the same time."""
        outside("a password check")
        where = (Row.kind == "user") & Row.deleted_ms.is_null()
        by = Row.email == name_or_email if "@" in name_or_email else Row.name == name_or_email
        row = self._db.one(Row.select(Row.password_hash, *ACCOUNT).where(where & by))
        if not self._checker.check(password, row[0] if row else None):
            return False if row else None
        assert row is not None
        return account_of(row[1:])

    def hash(self, password: str) -> str:
        """The hash to store of a new password, made as slowly as it has to be: of few at once, and of none
        in a rehearsal, which holds the database. Raises InvalidRequest for what can be no password,
        TooManyRequests."""
        names.check_password(password)
        outside("the hash of a password")
        return NOBODYS_HASH if self._db.rehearsed() is not None else self._checker.hash(password)

    def set_password(self, principal: Principal, name: str, password: str) -> None:
        """Changes a user's password; every token and session made with the old one ends."""
        names.check_password(password)
        account = self.get(name)
        _self_or_superuser(principal, account)
        if account.kind != "user":
            raise InvalidRequest(f"{name} is no user: only users have passwords")
        hashed = hash_password(password)
        event = events.UserChangePassword(namespace=name, performer=principal.performer, username=name)

        def work(tx: Tx) -> None:
            ending = {"auth_epoch": Row.auth_epoch + 1, "session_epoch": Row.session_epoch + 1}
            tx.run(Row.update(password_hash=hashed, **ending).where(Row.id == account.id))
            end_codes(tx, account.id)
            self._activity.record(tx, event, namespace_id=account.id, performer_id=principal.account_id)

        self._db.write(work)

    # -- making -------------------------------------------------------------------------------

    def create_user(
        self, principal: Principal, name: str, password: str | None, email: str | None = None
    ) -> Account:
        """Makes a user. Raises NameInvalid-like InvalidRequest, AlreadyExists."""
        _superuser(principal)
        names.check_namespace(name)
        if password is not None:
            names.check_password(password)
        hashed = hash_password(password) if password is not None else None
        event = events.UserCreate(
            namespace=name, performer=principal.performer, username=name, superuser=name in self._superusers
        )

        def work(tx: Tx) -> None:
            if email and tx.one(Row.select(Row.id).where((Row.email == email) & (Row.kind == "user"))):
                raise AlreadyExists("E-mail address already used")
            account_id = self._insert(tx, name, "user", email=email, password_hash=hashed)
            self._activity.record(tx, event, namespace_id=account_id, performer_id=principal.account_id)

        self._db.write(work)
        return self.get(name)

    def add_organization(self, tx: Tx, principal: Principal, name: str) -> int:
        """Makes an organization with its team `owners`, whose first member is the principal.

        Raises AlreadyExists, which leaves the transaction good."""
        assert principal.account_id is not None
        email = tx.value(Row.select(Row.email).where(Row.id == principal.account_id))
        if email and "@" in email:
            local, _, domain = email.partition("@")
            email = f"{local}+{name}@{domain}"
        row = {"uuid": str(uuid.uuid4()), "email": email or str(uuid.uuid4()), "created_ms": now_ms()}
        if not tx.insert_absent(Row, name=name, kind="organization", **row):
            raise AlreadyExists(f"the name {name} is taken")
        organization = int(tx.value(Row.select(Row.id).where(Row.name == name)))
        add_owners(tx, organization, principal.account_id)
        event = events.OrgCreate(namespace=name, performer=principal.performer)
        self._activity.record(tx, event, namespace_id=organization, performer_id=principal.account_id)
        return organization

    def _insert(self, tx: Tx, name: str, kind: str, **values: Any) -> int:
        try:
            return tx.insert(Row, uuid=str(uuid.uuid4()), name=name, kind=kind, created_ms=now_ms(), **values)
        except peewee.IntegrityError as error:
            raise AlreadyExists(f"the name {name} is taken") from error

    # -- switching off ------------------------------------------------------------------------

    def set_enabled(self, principal: Principal, name: str, enabled: bool) -> None:
        """Switches an account on or off; off, its sessions end, and its tokens and its robots' are
        refused at once."""
        _superuser(principal)
        account = self.get(name)
        kind = events.UserEnable if enabled else events.UserDisable
        event = kind(namespace=name, performer=principal.performer, username=name)

        def work(tx: Tx) -> None:
            ending = {"auth_epoch": Row.auth_epoch + 1, "session_epoch": Row.session_epoch + 1}
            tx.run(Row.update(enabled=int(enabled), **ending).where(Row.id == account.id))
            tx.run(Row.update(auth_epoch=Row.auth_epoch + 1).where(Row.owner == account.id))
            self._activity.record(tx, event, namespace_id=account.id, performer_id=principal.account_id)

        self._db.write(work)


def _superuser(principal: Principal) -> None:
    if not principal.superuser:
        raise Denied("only a superuser may do this")


def _self_or_superuser(principal: Principal, account: Account) -> None:
    if not principal.superuser and principal.account_id != account.id:
        raise Denied()
