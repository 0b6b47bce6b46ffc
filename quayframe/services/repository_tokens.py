"""Repository tokens: one role on one repository, for programs that have no account."""

from __future__ import annotations

import re
import uuid as uuids
from typing import Any

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Token

from .clock import now_ms
from .crypto import SecretBox, new_token
from .oauth import Made
from .principal import Principal
from .token_uses import TokenUses

LENGTH = 64
ROLES = ("read", "write", "admin")
_FORM = re.compile(r"[A-Z0-9]{64,255}").fullmatch

_FIND = (
    "SELECT t.id, t.uuid, t.last_accessed_ms, t.expires_ms, t.role, r.id"
    " FROM token t JOIN repository r ON r.id = t.repository_id AND r.deleted_ms IS NULL"
    " WHERE t.lookup = ? AND t.kind = 'repository'"
)


class RepositoryTokens:
    """Made and ended by who needs them for a repository, in transactions of their own."""

    def __init__(self, db: Database, box: SecretBox, uses: TokenUses) -> None:
        self._db = db
        self._box = box
        self._uses = uses

    def principal(self, token: str, ip: str | None) -> Principal | None:
        """Who logs in with this token: nobody with an account, with its role on its repository. None for
        one that is unknown or expired, or whose repository was deleted."""
        if _FORM(token) is None:
            return None
        row = self._db.sql_one(_FIND, (self._box.lookup(token),))
        if row is None:
            return None
        ident, uuid, accessed, expires, role, repository_id = row
        if role not in ROLES or (expires is not None and expires <= now_ms()):
            return None
        self._uses.note(ident, accessed)
        return Principal("token", ip=ip, via="repository", token=uuid, grant=(int(repository_id), role))

    def add(self, tx: Tx, repository_id: int, role: str, *, title: str, life_s: float | None = None) -> Made:
        """Makes a token. `role` is read, write or admin; the caller has checked that it may be given.

        :param life_s: None = for as long as the repository lives."""
        assert role in ROLES
        made, now = Made(str(uuids.uuid4()), new_token(LENGTH)), now_ms()
        tx.insert(
            Token,
            uuid=made.uuid,
            kind="repository",
            repository=repository_id,
            role=role,
            title=title[:255],
            lookup=self._box.lookup(made.token),
            secret=self._box.encrypt(made.token),
            created_ms=now,
            expires_ms=None if life_s is None else now + int(life_s * 1000),
        )
        return made

    def shown(self, uuid: str) -> str | None:
        """The token itself, for the address of a webhook."""
        sealed = self._db.value(Token.select(Token.secret).where(_is(uuid)))
        return self._box.decrypt(sealed) if sealed else None

    def delete(self, tx: Tx, uuid: str) -> bool:
        """Ends a token: it is refused from the next request on. False when it was not there."""
        return bool(tx.run(Token.delete().where(_is(uuid))))


def _is(uuid: str) -> Any:
    return (Token.kind == "repository") & (Token.uuid == uuid)
