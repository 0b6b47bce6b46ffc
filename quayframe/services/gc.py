"""What is left over goes: abandoned uploads, objects in the trash, expired keys, codes and sessions.

What repositories hold is `collection` to collect.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from quayframe.data.db import Database, Row, Tx
from quayframe.data.tables import Lease, LoginFailure, ServiceKey, Trash
from quayframe.data.tenancy import Confirmation, EndedSession
from quayframe.errors import RegistryError
from quayframe.plugin.storage import ObjectNotFound, StorageError

from .clock import now_ms
from .gc_holds import PREFIX, held
from .logins import FORGET_MS
from .mail import COUNT
from .storage import Storage
from .uploads import Uploads

log = logging.getLogger("quayframe.gc")

UPLOAD_IDLE_MS = 2 * 24 * 3600 * 1000
RETRY_MS = 60_000
"""Before an object that could not be deleted is tried again; doubled with each attempt, an hour at most."""
PATIENCE = 3
BATCH = 50
"""Objects that are deleted before their rows go, in one transaction; a kill in between deletes them again."""


class Collector:
    """:param expired_key_ms: how long an expired service key stays (EXPIRED_SERVICE_KEY_TTL_SEC)."""

    def __init__(self, db: Database, storage: Storage, uploads: Uploads, *, expired_key_ms: int) -> None:
        self._db = db
        self._storage = storage
        self._uploads = uploads
        self._expired_key_ms = expired_key_ms

    def sweep(self, idle_ms: int = UPLOAD_IDLE_MS) -> dict[str, int]:
        """Ends uploads that nobody touched for `idle_ms`, empties the trash that is due, takes away
        what has expired: keys, codes of mails, ended sessions. Returns how many of each: uploads,
        leftovers, objects."""
        before = now_ms() - idle_ms
        uploads = self._uploads.sweep(before)
        leftovers = 0
        for location in self._storage.locations:
            try:
                leftovers += self._storage.sweep(location, before)
            except RegistryError as error:
                log.warning("the sweep of storage %s waits: %s", location, error)
        objects = 0
        while done := self.empty_trash():
            objects += done
        self._expire()
        return {"uploads": uploads, "leftovers": leftovers, "objects": objects}

    def empty_trash(self, limit: int = 500) -> int:
        """Deletes objects that are due; returns how many. One that cannot be deleted now is tried again
        later, with back-off, and blocks no other; nor does a location that fails again and again. Nothing
        goes while somebody copies the registry (`gc_holds`)."""
        rows = self._db.rows(
            Trash.select(Trash.id, Trash.location, Trash.storage_key, Trash.attempts)
            .where(Trash.due_ms <= now_ms())
            .order_by(Trash.due_ms)
            .limit(limit)
        )
        if not rows or held(self._db):
            return 0
        failures: dict[str, int] = {}
        deleted = 0
        for at in range(0, len(rows), BATCH):
            deleted += self._delete_objects(rows[at : at + BATCH], failures)
        return deleted

    def _delete_objects(self, rows: list[Row], failures: dict[str, int]) -> int:
        """`failures`: by location, how many in a row; it is left alone after PATIENCE of them."""
        gone: list[int] = []
        failed: list[tuple[int, int, str]] = []
        for row_id, location, key, attempts in rows:
            if failures.get(location, 0) >= PATIENCE:
                failed.append((row_id, attempts, "others of its location could not be deleted"))
                continue
            try:
                with contextlib.suppress(ObjectNotFound):
                    self._storage.delete(location, key)
            except (RegistryError, StorageError) as error:
                log.warning("storage %s does not delete %s: %s", location, key, error)
                failures[location] = failures.get(location, 0) + 1
                failed.append((row_id, attempts + 1, str(error)[:500]))
            else:
                failures.pop(location, None)
                gone.append(row_id)

        def work(tx: Tx) -> None:
            tx.run(Trash.delete().where(Trash.id.in_(gone)))
            for row_id, attempts, error in failed:
                again = now_ms() + RETRY_MS * min(60, 2 ** min(attempts, 6))
                change = Trash.update(due_ms=again, attempts=attempts, error=error)
                tx.run(change.where(Trash.id == row_id))

        self._db.write(work)
        return len(gone)

    def _expire(self) -> None:
        now = now_ms()
        keys = ServiceKey.delete().where(ServiceKey.expires_ms < now - self._expired_key_ms)
        failures = LoginFailure.delete().where(LoginFailure.last_ms < now - FORGET_MS)
        self._run(failures)
        self._run(keys)
        self._run(Confirmation.delete().where(Confirmation.expires_ms < now))
        self._run(EndedSession.delete().where(EndedSession.expires_ms < now))
        ended = Lease.name.startswith(COUNT) | Lease.name.startswith(PREFIX)
        self._run(Lease.delete().where(ended & (Lease.until_ms < now)))

    def _run(self, query: Any) -> None:
        self._db.write(lambda tx: tx.run(query))
