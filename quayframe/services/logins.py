"""Basic credentials to a principal: the kinds of user names, the providers in turn, and the back-off."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from quayframe import events
from quayframe.cache import MemoryCache
from quayframe.data.db import Database, Tx
from quayframe.data.tables import LoginFailure
from quayframe.errors import TooManyRequests, Unauthorized, Unavailable
from quayframe.plugin import boundary
from quayframe.plugin.auth import AuthProvider, AuthUnavailable, Identity, InvalidCredentials
from quayframe.plugin.contain import contain

from .accounts import Account, Accounts
from .activity import Activity
from .clock import now_ms
from .encrypted import EncryptedPasswords
from .principal import Principal
from .robots import Robots
from .token_names import TokenName

log = logging.getLogger("quayframe.logins")

WRONG = "Invalid Username or Password"
PLAIN = (
    "This registry takes encrypted passwords and tokens only; an encrypted password is made in the settings"
    " of your account"
)
UNCONFIRMED = "The e-mail address of this account has not been confirmed yet"
ADDRESS_FREE = 20
"""Wrong passwords that an address may send, over all accounts, before it must wait too."""
ADDRESS_WAIT_MS = 3_000
FORGET_MS = 3_600_000


class Logins:
    """Who is behind a Basic header.

    :param providers: asked in turn, until one knows the name.
    :param tokens: user names that stand for a kind of token.
    :param key: for the HMAC that stands for an account and an address in the failure table.
    :param note_access_s: within how many seconds a user's further log-ins are not recorded as its last
        access; None: none is.
    """

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        robots: Robots,
        activity: Activity,
        providers: Sequence[AuthProvider],
        encrypted: EncryptedPasswords,
        tokens: Mapping[str, TokenName],
        *,
        key: bytes,
        audit_failures: bool = False,
        audit_logins: bool = True,
        note_access_s: int | None = None,
        readonly: bool = False,
    ) -> None:
        # Of a registry that writes nothing each process counts for itself.
        self._own: MemoryCache[tuple[int, int]] | None = (
            MemoryCache(10_000, FORGET_MS / 1000) if readonly else None
        )
        self._db = db
        self._accounts = accounts
        self._robots = robots
        self._activity = activity
        self._providers = providers
        self._encrypted = encrypted
        self._tokens = tokens
        self._key = key
        self._audit_failures = audit_failures
        self._audit_logins = audit_logins
        self._note_access_s = note_access_s

    def basic(self, username: str, password: str, ip: str | None) -> Principal:
        """The principal behind a user name and password. Raises Unauthorized with the reason,
        TooManyRequests while the account at this address, or the address, has to wait."""
        if username in self._tokens:
            return self._token(self._tokens[username], username, password, ip)
        keys = self._keys(username, ip)
        self._refuse_waiting(keys)
        account: Account | None
        if not _is_one_word(username):
            # No name has white space, and a database that pads names must not take one for another.
            account, reason = None, WRONG
        elif "+" in username:
            account, reason = self._robot(username, password)
        else:
            plain = self._encrypted.decrypt(password)
            if plain is None and self._encrypted.required:
                raise Unauthorized(PLAIN)
            account, reason = self._user(username, password if plain is None else plain)
        if account is None or not account.enabled:
            self._failed(keys, username, ip, reason)
            raise Unauthorized(reason)
        self._forget(keys[0])
        if not account.verified:
            raise Unauthorized(UNCONFIRMED)
        self._accessed(account)
        return self._accounts.principal(account, ip)

    def _token(self, name: TokenName, username: str, token: str, ip: str | None) -> Principal:
        # Nobody guesses one, and many clients of one address log in under this name: none waits.
        found = name.find(token, ip)
        if found is None:
            self._audit(username, ip, name.reason)
            raise Unauthorized(name.reason)
        return found

    def check(self, username: str, password: str, ip: str | None) -> Account:
        """The enabled user behind a user name (or e-mail) and a password, whether or not its e-mail has
        been confirmed: for sign-in and wherever a password has to be shown again. Wrong ones are counted
        as those of `basic` are. Raises Unauthorized, TooManyRequests."""
        keys = self._keys(username, ip)
        self._refuse_waiting(keys)
        found: Account | None = None
        if _may_be_a_user(username):
            found, _ = self._user(username, password)
        if found is None or not found.enabled:
            self._failed(keys, username, ip, WRONG)
            raise Unauthorized(WRONG)
        self._forget(keys[0])
        self._accessed(found)
        return found

    def _accessed(self, account: Account) -> None:
        # A robot's is noted where its token is checked.
        if account.kind == "user" and self._note_access_s is not None:
            self._accounts.note_access(account.id, self._note_access_s)

    def sign_in(self, username: str, password: str, ip: str | None) -> Account:
        """As `check`, for a page that signs in. Raises Unauthorized also where the e-mail address has not
        been confirmed; TooManyRequests."""
        account = self.check(username, password, ip)
        if not account.verified:
            raise Unauthorized(UNCONFIRMED)
        return account

    def logged_in(self, principal: Principal) -> None:
        """Writes login_success, where ACTION_LOG_AUDIT_LOGINS says so."""
        if self._audit_logins and principal.account_id is not None:
            event = events.LoginSuccess(
                namespace=principal.name.partition("+")[0],
                performer=principal.performer,
                ip=principal.ip,
                username=principal.name,
                via=principal.via,
            )
            self._record(event, principal.account_id)

    def _robot(self, name: str, token: str) -> tuple[Account | None, str]:
        reason = f"Could not find robot with username: {name} and supplied password."
        if not self._robots.allowed(name):
            return None, "Robot accounts are switched off by this registry's operator"
        return self._robots.check(name, token), reason

    def _user(self, username: str, password: str) -> tuple[Account | None, str]:
        for provider in self._providers:
            boundary.outside("a log-in provider")
            try:
                with contain("auth", provider.name):
                    identity = provider.authenticate(username, password)
            except InvalidCredentials:
                return None, WRONG
            except AuthUnavailable as error:
                log.warning("log-in provider %s: %s", provider.name, error)
                raise Unavailable("log-in is not possible now; try again", retry_after=5) from error
            if identity is not None:
                return self._account_of(provider, identity), WRONG
        return None, WRONG

    def _account_of(self, provider: AuthProvider, identity: Identity) -> Account | None:
        # Accounts of other providers are linked by the tenancy issue; the database's are its own.
        found = self._accounts.find(identity.username)
        return found if found is not None and found.kind == "user" else None

    # -- back-off -----------------------------------------------------------------------------

    def _keys(self, username: str, ip: str | None) -> tuple[str, str]:
        def mark(text: str) -> str:
            return hmac.new(self._key, text.encode(), "sha256").hexdigest()

        where = _network(ip)
        if "@" in username:
            # Guesses at a name and at its e-mail address are guesses at one account.
            found = self._accounts.find_by_email(username)
            username = username if found is None else found.name
        return mark(f"account\0{username}\0{where}"), mark(f"address\0{where}")

    def _refuse_waiting(self, keys: tuple[str, str]) -> None:
        rows: dict[str, Any] = {
            key: (failures, last)
            for key, failures, last in self._db.rows(
                LoginFailure.select(LoginFailure.key, LoginFailure.failures, LoginFailure.last_ms).where(
                    LoginFailure.key.in_(keys)
                )
            )
        }
        if self._own is not None:
            rows |= {key: found for key in keys if (found := self._own.get(key)) is not None}
        now = now_ms()
        # Many people may stand behind one address: it never waits long, whatever one of them does.
        for key, free, most in zip(keys, (0, ADDRESS_FREE), (FORGET_MS, ADDRESS_WAIT_MS), strict=True):
            failures, last = rows.get(key, (0, 0))
            left = last + min(most, _wait_ms(failures - free)) - now
            if left > 0:
                raise TooManyRequests(
                    "Too many login attempts. Please wait, or reset your password, and try again.",
                    retry_after=math.ceil(left / 1000),
                )

    def _failed(self, keys: tuple[str, str], username: str, ip: str | None, reason: str) -> None:
        now = now_ms()
        if self._own is not None:
            for key in keys:
                failures, _ = self._own.get(key) or (0, 0)
                self._own.put(key, (failures + 1, now))
            return

        def work(tx: Tx) -> None:
            for key in keys:
                old = LoginFailure.key == key
                tx.run(LoginFailure.delete().where(old & (LoginFailure.last_ms < now - FORGET_MS)))
                change = LoginFailure.update(failures=LoginFailure.failures + 1, last_ms=now).where(old)
                if not tx.run(change) and not tx.insert_absent(
                    LoginFailure, key=key, failures=1, last_ms=now
                ):
                    tx.run(change)

        self._db.write(work)
        self._audit(username, ip, reason)

    def _audit(self, username: str, ip: str | None, reason: str) -> None:
        if self._audit_failures:
            account = self._accounts.find(username)
            event = events.LoginFailure(
                namespace=username if account else None, ip=ip, username=username, message=reason
            )
            self._record(event, account.id if account else None)

    def _forget(self, key: str) -> None:
        if self._own is not None:
            self._own.drop(key)
            return
        if self._db.one(LoginFailure.select(LoginFailure.id).where(LoginFailure.key == key)):
            self._db.write(lambda tx: tx.run(LoginFailure.delete().where(LoginFailure.key == key)))

    def _record(self, event: events.Event, account_id: int | None) -> None:
        if self._own is not None:
            return
        self._db.write(
            lambda tx: self._activity.record(tx, event, namespace_id=account_id, performer_id=account_id)
        )


def _is_one_word(username: str) -> bool:
    return bool(username) and username == "".join(username.split())


def _may_be_a_user(username: str) -> bool:
    """Not a robot's name (which has a + and no @), nor one of the names that stand for tokens."""
    robot = "+" in username and "@" not in username
    return _is_one_word(username) and not robot and not username.startswith("$")


def _network(ip: str | None) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: what one client can choose from."""
    try:
        found = ipaddress.ip_address(ip or "")
    except ValueError:
        return str(ip)
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _wait_ms(failures: int) -> int:
    """0.5 x (2^n - 1) seconds after the n-th wrong password in a row, an hour at the most."""
    return 0 if failures <= 0 else min(3_600_000, int(500 * (2 ** min(failures, 20) - 1)))
