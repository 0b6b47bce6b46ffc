"""How much the registry holds: the sum of all blobs' sizes, counted by a job when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Blob, Job
from quayframe.data.tenancy import RegistrySize as Row
from quayframe.errors import InsufficientScope

from .clock import now_ms
from .jobs import Jobs
from .principal import Principal

JOB = "registry_size"
_KEY = "all"
_MINE = Row.key == _KEY


@dataclass(frozen=True)
class Size:
    """`bytes` as of `last_ran_ms` (None: never counted yet)."""

    bytes: int = 0
    last_ran_ms: int | None = None
    queued: bool = False
    running: bool = False


class RegistrySizes:
    def __init__(self, db: Database, jobs: Jobs) -> None:
        self._db = db
        self._jobs = jobs

    def get(self) -> Size:
        row = self._db.one(Row.select(Row.size_bytes, Row.last_ran_ms, Row.queued, Row.running).where(_MINE))
        return Size(int(row[0]), row[1], bool(row[2]), bool(row[3])) if row else Size()

    def queue(self, principal: Principal) -> bool:
        """Asks for a new count; False when one is asked for or under way already. Raises
        InsufficientScope."""
        if not principal.superuser:
            raise InsufficientScope()

        def work(tx: Tx) -> bool:
            tx.insert_absent(Row, key=_KEY)
            busy = any(tx.lock(Row.select(Row.queued, Row.running).where(_MINE))[0])
            # A job that was given up leaves the row as it was: then there is nobody who counts.
            waiting = tx.one(Job.select(Job.id).where((Job.kind == JOB) & (Job.dead == 0)).limit(1))
            if busy and waiting is not None:
                return False
            tx.run(Row.update(queued=1, running=0).where(_MINE))
            self._jobs.add(tx, JOB, {})
            return True

        return self._db.write(work)

    def count(self, payload: dict[str, Any]) -> None:
        """The job: adds up, and notes the sum."""
        self._set(queued=0, running=1)
        total = int(self._db.value(Blob.select(peewee.fn.SUM(Blob.size))) or 0)
        self._set(size_bytes=total, last_ran_ms=now_ms(), running=0)

    def _set(self, **values: Any) -> None:
        self._db.write(lambda tx: tx.run(Row.update(**values).where(_MINE)))
