"""App-specific tokens: what a user's client logs in with at the registry instead of the password."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import dataclass, field
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Token
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn

from .access import Access
from .accounts import Account, Accounts
from .activity import Activity
from .clock import now_ms
from .crypto import SecretBox, new_token
from .principal import Principal
from .token_uses import TokenUses

LENGTH = 120
_FORM = re.compile(r"[A-Z0-9]{120}").fullmatch
_FOUR_WEEKS_S = 28 * 86400

_FIND = (
    "SELECT t.id, t.uuid, t.last_accessed_ms, t.expires_ms,"
    " a.id, a.uuid, a.name, a.kind, a.owner_id, a.email, a.enabled, a.auth_epoch, a.verified, a.created_ms"
    " FROM token t JOIN account a ON a.id = t.account_id AND a.deleted_ms IS NULL"
    " WHERE t.lookup = ? AND t.kind = 'app'"
)


@dataclass(frozen=True)
class AppToken:
    """Times in milliseconds since the epoch; `code` is the token itself, where it is shown."""

    uuid: str
    title: str
    created_ms: int
    expires_ms: int | None
    last_accessed_ms: int | None
    code: str | None = field(default=None, repr=False)


class AppTokens:
    """:param life_s: APP_SPECIFIC_TOKEN_EXPIRATION; None = for ever.
    :param keep_s: how long an expired one stays in the list (EXPIRED_APP_SPECIFIC_TOKEN_GC).
    """

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        access: Access,
        activity: Activity,
        box: SecretBox,
        uses: TokenUses,
        *,
        life_s: int | None = None,
        keep_s: int = 86400,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._access = access
        self._activity = activity
        self._box = box
        self._uses = uses
        self._life_s = life_s
        self._keep_s = keep_s

    def principal(self, token: str, ip: str | None) -> Principal | None:
        """Who logs in with this token; None for one that is unknown, expired, or of a disabled user."""
        if _FORM(token) is None:
            return None
        row = self._db.sql_one(_FIND, (self._box.lookup(token),))
        if row is None:
            return None
        ident, uuid, accessed, expires, *rest = row
        a_id, a_uuid, name, kind, owner, email, enabled, epoch, verified, created = rest
        if not enabled or (expires is not None and expires <= now_ms()):
            return None
        self._uses.note(ident, accessed)
        account = Account(a_id, a_uuid, name, kind, owner, email, True, epoch, bool(verified), created)
        return self._accounts.principal(account, ip, via="app", token=uuid)

    def all(self, principal: Principal, *, expiring: bool = False) -> list[AppToken]:
        """The user's own, in the order in which they were made, without their codes.

        :param expiring: only those that expire within a tenth of a token's life from now.
        Raises NotSignedIn, InsufficientScope."""
        return self._list(Token.account == _own(principal), expiring)

    def of_everybody(self, principal: Principal, *, expiring: bool = False) -> list[AppToken]:
        """All users' tokens, for who may see everything. Raises InsufficientScope, NotSignedIn."""
        if principal.account_id is None:
            raise NotSignedIn()
        reads = principal.readonly_superuser and principal.may("super:user")
        if not reads and not self._access.acts_everywhere(principal):
            raise InsufficientScope()
        return self._list(Token.account.is_null(False), expiring)

    def get(self, principal: Principal, uuid: str) -> AppToken:
        """One of the user's own, with its code. Raises NotSignedIn, InsufficientScope, NotFound."""
        where = (Token.kind == "app") & (Token.account == _own(principal)) & (Token.uuid == uuid)
        row = self._db.one(Token.select(*_COLUMNS, Token.secret).where(where))
        if row is None:
            raise NotFound("Not Found")
        uuid, title, created, expires, accessed, sealed = row
        return AppToken(uuid, title, created, expires, accessed, self._box.decrypt(sealed or ""))

    def create(self, principal: Principal, title: str) -> AppToken:
        """Raises NotSignedIn, InsufficientScope, InvalidRequest."""
        own = _own(principal)
        if len(title) > 255:
            raise InvalidRequest("a title has at most 255 characters")
        code, uuid, now = new_token(LENGTH), str(uuids.uuid4()), now_ms()
        made = AppToken(
            uuid, title, now, None if self._life_s is None else now + self._life_s * 1000, None, code
        )
        event = events.CreateAppSpecificToken(
            namespace=principal.name,
            performer=principal.performer,
            ip=principal.ip,
            app_specific_token_title=title,
            app_specific_token=uuid,
        )

        def work(tx: Tx) -> None:
            tx.insert(
                Token,
                uuid=uuid,
                kind="app",
                account=own,
                title=title,
                lookup=self._box.lookup(code),
                secret=self._box.encrypt(code),
                created_ms=now,
                expires_ms=made.expires_ms,
            )
            self._activity.record(tx, event, namespace_id=own, performer_id=own)

        self._db.write(work)
        return made

    def delete(self, principal: Principal, uuid: str) -> None:
        """Refused from the next request on. Raises as `get`."""
        own = _own(principal)
        where = (Token.kind == "app") & (Token.account == own) & (Token.uuid == uuid)

        def work(tx: Tx) -> None:
            title = tx.value(Token.select(Token.title).where(where))
            if title is None or not tx.run(Token.delete().where(where)):
                raise NotFound("Not Found")
            event = events.RevokeAppSpecificToken(
                namespace=principal.name,
                performer=principal.performer,
                ip=principal.ip,
                app_specific_token_title=title,
                app_specific_token=uuid,
            )
            self._activity.record(tx, event, namespace_id=own, performer_id=own)

        self._db.write(work)

    def sweep(self) -> int:
        """Deletes those that expired long enough ago; how many."""
        gone = now_ms() - self._keep_s * 1000
        where = (Token.kind == "app") & (Token.expires_ms < gone)
        return int(self._db.write(lambda tx: tx.run(Token.delete().where(where))))

    def _list(self, where: Any, expiring: bool) -> list[AppToken]:
        where &= Token.kind == "app"
        if expiring:
            now = now_ms()
            soon = now + (self._life_s or _FOUR_WEEKS_S) * 100
            where &= (Token.expires_ms > now) & (Token.expires_ms <= soon)
        rows = self._db.rows(Token.select(*_COLUMNS).where(where).order_by(Token.id))
        return [AppToken(*row) for row in rows]


_COLUMNS = (Token.uuid, Token.title, Token.created_ms, Token.expires_ms, Token.last_accessed_ms)


def _own(principal: Principal) -> int:
    if principal.account_id is None:
        raise NotSignedIn()
    if principal.kind != "user" or not principal.may("user:admin"):
        raise InsufficientScope()
    return principal.account_id
