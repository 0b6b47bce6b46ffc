"""When tokens were last shown: noted now and then, not each time."""

from __future__ import annotations

import logging

from quayframe.data.db import Database
from quayframe.data.tables import Token
from quayframe.errors import RegistryError

from .clock import now_ms

log = logging.getLogger("quayframe.tokens")


class TokenUses:
    """:param threshold_s: seconds within which a further use is not noted.
    :param recording: False while the registry is read-only.
    """

    def __init__(self, db: Database, *, threshold_s: int, recording: bool) -> None:
        self._db = db
        self._threshold_ms = threshold_s * 1000
        self._recording = recording

    def note(self, ident: int, last_ms: int | None) -> None:
        """Notes that a token (its row's id) was shown, unless `last_ms`, when that was last noted, is a
        short while ago. It never fails: the use is what matters."""
        now = now_ms()
        before = now - self._threshold_ms
        if not self._recording or (last_ms is not None and last_ms > before):
            return
        stale = Token.last_accessed_ms.is_null() | (Token.last_accessed_ms <= before)
        change = Token.update(last_accessed_ms=now).where((Token.id == ident) & stale)
        try:
            self._db.write(lambda tx: tx.run(change))
        except RegistryError as error:
            log.warning("the use of a token could not be noted: %s", error)
