"""OAuth access tokens: made, found by what a client shows, listed for who granted them, taken back.

Only a keyed hash of a token is stored, so a token is shown once. It acts in the name of an account,
within its scopes, for an application; with either of them gone it is nobody's.
"""

from __future__ import annotations

import re
import secrets
import string
import uuid as uuids
from dataclasses import dataclass

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Token

from . import scopes
from .accounts import Account, Accounts
from .clock import now_ms
from .crypto import SecretBox
from .principal import Principal
from .token_uses import TokenUses

LIFE_S = 315_576_000
"""Ten years of 365.25 days: of tokens that were made without an expiration."""
LENGTH = 40
_FORM = re.compile(r"[A-Za-z0-9]{40}").fullmatch
_ALPHABET = string.ascii_letters + string.digits

# One row for a token that is anybody's: the account in whose name it acts, and the application's owner.
_FIND = (
    "SELECT t.id, t.uuid, t.scope, t.expires_ms, t.last_accessed_ms, t.application_id, n.enabled, a.enabled,"
    " a.id, a.uuid, a.name, a.kind, a.owner_id, a.email, a.auth_epoch, a.verified, a.created_ms"
    " FROM token t JOIN account a ON a.id = t.account_id AND a.deleted_ms IS NULL"
    " LEFT JOIN oauth_application o ON o.id = t.application_id"
    " LEFT JOIN account n ON n.id = o.organization_id AND n.deleted_ms IS NULL"
    " WHERE t.lookup = ? AND t.kind = 'oauth'"
)


@dataclass(frozen=True)
class Made:
    """A token that has just been made; `token` is shown now or never."""

    uuid: str
    token: str


class OauthTokens:
    """What becomes of a token that a client shows, and where tokens come from."""

    def __init__(self, db: Database, accounts: Accounts, box: SecretBox, uses: TokenUses) -> None:
        self._db = db
        self._accounts = accounts
        self._box = box
        self._uses = uses

    def principal(self, token: str, ip: str | None) -> Principal | None:
        """Who acts with this token, within its scopes; None for a token that is nobody's (unknown,
        expired, of a disabled or deleted account, of an application that is gone with its owner)."""
        if _FORM(token) is None:
            return None
        row = self._db.sql_one(_FIND, (self._box.lookup(token),))
        if row is None:
            return None
        ident, uuid, scope, expires, accessed, application, owner_enabled, enabled, *rest = row
        if not enabled or (expires is not None and expires <= now_ms()):
            return None
        if application is not None and not owner_enabled:
            return None
        self._uses.note(ident, accessed)
        a_id, a_uuid, name, kind, owner, email, epoch, verified, created = rest
        account = Account(a_id, a_uuid, name, kind, owner, email, True, epoch, bool(verified), created)
        return self._accounts.principal(
            account, ip, scopes=scopes.effective(scope or ""), via="oauth", token=uuid
        )

    def add(
        self,
        tx: Tx,
        *,
        account_id: int,
        application_id: int,
        scope: str,
        title: str,
        creator_id: int | None = None,
        life_s: float = LIFE_S,
    ) -> Made:
        """Makes a token in the transaction of the act that wants it.

        :param scope: a scope string whose scopes are known.
        :param creator_id: who made it, where that is not the account in whose name it acts.
        """
        made = Made(str(uuids.uuid4()), "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH)))
        now = now_ms()
        tx.insert(
            Token,
            uuid=made.uuid,
            kind="oauth",
            account=account_id,
            application=application_id,
            creator=creator_id,
            title=title[:255],
            scope=scope,
            lookup=self._box.lookup(made.token),
            created_ms=now,
            expires_ms=now + int(life_s * 1000),
        )
        return made
