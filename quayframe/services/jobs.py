"""Work that must not be lost: rows that are claimed by a lease, retried, and kept when they fail."""

from __future__ import annotations

import json
import logging
import random
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Job
from quayframe.errors import NotFound, RegistryError

from .clock import now_ms

log = logging.getLogger("quayframe.jobs")
Handler = Callable[[dict[str, Any]], object]
Keep = Callable[[], bool]
"""Keeps the job for another lease; False = it is somebody else's by now."""
LongHandler = Callable[[dict[str, Any], Keep], object]


class Hopeless(Exception):
    """Raised by a handler: trying again cannot help, so the job is a dead letter at once."""


@dataclass(frozen=True)
class Claimed:
    """A job in this process's hands until `lease_until_ms`; `lease` proves it."""

    id: int
    kind: str
    payload: dict[str, Any]
    lease: str
    attempts: int
    max_attempts: int


class Jobs:
    """The job table. `lease_s` is how long a claim lasts unless it is extended."""

    def __init__(self, db: Database, lease_s: float = 60) -> None:
        self._db = db
        self._lease_ms = int(lease_s * 1000)

    def add(
        self,
        tx: Tx,
        kind: str,
        payload: dict[str, Any],
        *,
        lane: str | None = None,
        delay_s: float = 0,
        max_attempts: int = 10,
    ) -> int:
        """Writes a job in the transaction of the act that wants it. Returns its id."""
        now = now_ms()
        return tx.insert(
            Job,
            kind=kind,
            lane=lane,
            payload=json.dumps(payload, separators=(",", ":")),
            due_ms=now + int(delay_s * 1000),
            max_attempts=max_attempts,
            created_ms=now,
        )

    def claim(self, kinds: Collection[str]) -> Claimed | None:
        """The next job of these kinds that is due and not leased; of a lane only its oldest."""
        now = now_ms()
        token = secrets.token_hex(16)
        older = Job.alias("older")
        free = Job.lease_until_ms.is_null() | (Job.lease_until_ms < now)
        blocked = older.select(older.id).where(
            (older.lane == Job.lane) & (older.dead == 0) & (older.id < Job.id)
        )
        query = (
            Job.select(Job.id, Job.kind, Job.payload, Job.attempts, Job.max_attempts)
            .where(Job.kind.in_(list(kinds)) & (Job.dead == 0) & (Job.due_ms <= now) & free)
            .where(Job.lane.is_null() | ~_exists(blocked))
            .order_by(Job.due_ms, Job.id)
            .limit(1)
        )

        def work(tx: Tx) -> Claimed | None:
            rows = tx.claim(query)
            if not rows:
                return None
            job_id, kind, payload, attempts, most = rows[0]
            if attempts >= most:
                # It was claimed as often as it may be and never came back: its process died each time.
                gone = Job.update(dead=1, lease=None, error="the process that ran it died, each time")
                tx.run(gone.where(Job.id == job_id))
                return None
            taken = tx.run(
                Job.update(lease=token, lease_until_ms=now + self._lease_ms, attempts=attempts + 1).where(
                    (Job.id == job_id) & free
                )
            )
            if not taken:
                return None
            return Claimed(job_id, kind, json.loads(payload), token, attempts + 1, most)

        if self._db.one(query) is None:
            return None
        return self._db.write(work)

    def extend(self, job: Claimed) -> bool:
        """Keeps the job for another lease; False when it was lost to somebody else."""
        until = now_ms() + self._lease_ms
        return bool(self._db.write(lambda tx: tx.run(_mine(job, Job.update(lease_until_ms=until)))))

    def complete(self, job: Claimed) -> bool:
        """The work is done: the row goes. False when the lease was lost (then it may run again)."""
        return bool(self._db.write(lambda tx: tx.run(_mine(job, Job.delete()))))

    def fail(self, job: Claimed, error: str, *, hopeless: bool = False) -> None:
        """Puts the job off with back-off; after its last attempt, or when it is hopeless, it stays as a
        dead letter."""
        wait = min(3600, 2**job.attempts) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        change = Job.update(
            lease=None,
            lease_until_ms=None,
            error=error[:2000],
            dead=int(hopeless or job.attempts >= job.max_attempts),
            due_ms=now_ms() + int(wait * 1000),
        )
        self._db.write(lambda tx: tx.run(_mine(job, change)))

    def dead(self) -> list[dict[str, Any]]:
        """The dead letters: id, kind, payload, error, attempts."""
        rows = self._db.rows(
            Job.select(Job.id, Job.kind, Job.payload, Job.error, Job.attempts).where(Job.dead == 1)
        )
        return [
            {"id": i, "kind": k, "payload": json.loads(p), "error": e, "attempts": a}
            for i, k, p, e, a in rows
        ]

    def revive(self, job_id: int) -> None:
        """Sends a dead letter again. Raises NotFound."""
        change = Job.update(dead=0, attempts=0, due_ms=now_ms(), lease=None, lease_until_ms=None)
        if not self._db.write(lambda tx: tx.run(change.where((Job.id == job_id) & (Job.dead == 1)))):
            raise NotFound(f"there is no dead job {job_id}")

    def run_one(self, handlers: Mapping[str, Handler]) -> bool:
        """Claims one job and runs its handler; False when nothing was due."""
        return self.run_long({kind: _short(handler) for kind, handler in handlers.items()})

    def run_long(self, handlers: Mapping[str, LongHandler]) -> bool:
        """The same for work that may take longer than a lease, and is to keep it."""
        job = self.claim(handlers.keys())
        if job is None:
            return False
        try:
            handlers[job.kind](job.payload, lambda: self.extend(job))
        except Hopeless as error:
            log.error("job %s %d cannot be done: %s", job.kind, job.id, error)
            self.fail(job, str(error), hopeless=True)
        except (OSError, RegistryError) as error:
            # The world outside: the cause says it all, and comes again with each attempt.
            told = f"{type(error).__name__}: {error}"
            log.warning("job %s %d failed (attempt %d): %s", job.kind, job.id, job.attempts, told)
            self.fail(job, told)
        except Exception as error:
            log.exception("job %s %d failed (attempt %d)", job.kind, job.id, job.attempts)
            self.fail(job, f"{type(error).__name__}: {error}")
        else:
            self.complete(job)
        return True


def _short(handler: Handler) -> LongHandler:
    return lambda payload, _: handler(payload)


def _mine(job: Claimed, query: Any) -> Any:
    return query.where((Job.id == job.id) & (Job.lease == job.lease))


def _exists(query: Any) -> Any:
    import peewee

    return peewee.fn.EXISTS(query)
