"""Messages of the operators to everybody."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass

from quayframe.data.db import Database
from quayframe.data.tenancy import GlobalMessage
from quayframe.errors import InsufficientScope, NotFound

from .clock import now_ms
from .principal import Principal


@dataclass(frozen=True)
class Message:
    """`media_type` is text/plain or text/markdown, `severity` info, warning or error."""

    uuid: str
    content: str
    media_type: str
    severity: str


class Messages:
    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Message]:
        """In the order of making."""
        rows = self._db.rows(
            GlobalMessage.select(
                GlobalMessage.uuid, GlobalMessage.content, GlobalMessage.media_type, GlobalMessage.severity
            ).order_by(GlobalMessage.id)
        )
        return [Message(*row) for row in rows]

    def create(self, principal: Principal, content: str, media_type: str, severity: str) -> None:
        """Raises InsufficientScope."""
        _superuser(principal)
        row = {"content": content, "media_type": media_type, "severity": severity}
        self._db.write(
            lambda tx: tx.insert(GlobalMessage, uuid=str(uuids.uuid4()), created_ms=now_ms(), **row)
        )

    def delete(self, principal: Principal, uuid: str) -> None:
        """Raises InsufficientScope, NotFound."""
        _superuser(principal)
        if not self._db.write(lambda tx: tx.run(GlobalMessage.delete().where(GlobalMessage.uuid == uuid))):
            raise NotFound("Not Found")


def _superuser(principal: Principal) -> None:
    if not principal.superuser:
        raise InsufficientScope()
