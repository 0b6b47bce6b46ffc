"""Sessions of browsers: a sealed cookie, and what has to be asked of the database about it.

The cookie says who signed in, when, and the session's CSRF token; the database says whether the account
is still there, its sessions have not been ended by a new password, and this one was not signed out.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass, replace

from cryptography.fernet import Fernet, InvalidToken

from quayframe.data.db import Database
from quayframe.data.tables import Account as AccountRow
from quayframe.data.tenancy import EndedSession

from .accounts import Account, Accounts
from .clock import now_ms

LONGEST_COOKIE = 4096


@dataclass(frozen=True)
class Session:
    """What a cookie says. `account` is a uuid; `fresh_s` (epoch seconds) when the password was last shown."""

    ident: str
    csrf: str
    account: str | None = None
    epoch: int = 0
    fresh_s: int = 0


def fernet(key: str, purpose: bytes) -> Fernet:
    """A Fernet for one purpose, its key derived from a configured one."""
    return Fernet(base64.urlsafe_b64encode(hmac.digest(key.encode(), purpose, "sha256")))


class Sessions:
    """:param key: SECRET_KEY.
    :param timeout_s: how long an unused session lasts.
    """

    def __init__(self, db: Database, accounts: Accounts, key: str, timeout_s: int) -> None:
        self._db = db
        self._accounts = accounts
        self._fernet = fernet(key, b"browser sessions")
        self.timeout_s = timeout_s

    def begin(self, account: Account | None = None) -> Session:
        """A new session, of an account that has just shown its password or of nobody yet."""
        session = Session(ident=secrets.token_urlsafe(18), csrf=secrets.token_urlsafe(48))
        if account is None:
            return session
        epoch = self._db.value(AccountRow.select(AccountRow.session_epoch).where(AccountRow.id == account.id))
        return replace(session, account=account.uuid, epoch=int(epoch or 0), fresh_s=int(time.time()))

    def seal(self, session: Session) -> str:
        """The cookie's value."""
        fields = [session.ident, session.csrf, session.account, session.epoch, session.fresh_s]
        return self._fernet.encrypt(json.dumps(fields).encode()).decode()

    def open(self, cookie: str | None) -> Session | None:
        """The session of a cookie that is whole and not too old."""
        if not cookie or len(cookie) > LONGEST_COOKIE:
            return None
        try:
            fields = json.loads(self._fernet.decrypt(cookie.encode(), ttl=self.timeout_s))
            return Session(*fields)
        except (InvalidToken, ValueError, TypeError):
            return None

    def account(self, session: Session) -> Account | None:
        """Whose session it is; None for nobody's, and for one that has ended."""
        if session.account is None:
            return None
        row = self._db.one(
            AccountRow.select(AccountRow.name, AccountRow.session_epoch, AccountRow.enabled).where(
                (AccountRow.uuid == session.account) & AccountRow.deleted_ms.is_null()
            )
        )
        if row is None or row[1] != session.epoch or not row[2] or self.ended(session):
            return None
        return self._accounts.find(row[0])

    def ended(self, session: Session) -> bool:
        """Whether it was signed out."""
        query = EndedSession.select(EndedSession.id).where(EndedSession.ident == session.ident)
        return self._db.one(query) is not None

    def end(self, session: Session) -> None:
        """Signs out: the cookie opens nothing any more, wherever a copy of it may be. A session of nobody
        opens nothing as it is, and anybody may begin many: none of them is noted."""
        if session.account is None:
            return
        expires = now_ms() + self.timeout_s * 1000
        self._db.write(lambda tx: tx.insert_absent(EndedSession, ident=session.ident, expires_ms=expires))
