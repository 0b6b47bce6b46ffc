"""Events become rows in the act's own transaction; the sequencer gives them their order."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Sequence
from typing import Any

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Delivery, EventCursor, EventRow, Lease, Subscription
from quayframe.events import Event, subclasses

from .clock import now_ms

_AT_ONCE = 100
"""Rows in one statement."""


class Activity:
    """The record of what was done.

    :param quiet: namespaces (DISABLED_FOR_AUDIT_LOGS) whose events are kept out of the usage log; they
        still notify.
    """

    def __init__(self, db: Database, quiet: Sequence[str] = ()) -> None:
        self._db = db
        self._quiet = frozenset(quiet)

    def record(
        self,
        tx: Tx,
        event: Event,
        *,
        namespace_id: int | None = None,
        repository_id: int | None = None,
        performer_id: int | None = None,
    ) -> None:
        """Writes the event's row: the only thing that an act does for its log and its followers."""
        self.record_all(
            tx, [event], namespace_id=namespace_id, repository_id=repository_id, performer_id=performer_id
        )

    def record_all(
        self,
        tx: Tx,
        events: Sequence[Event],
        *,
        namespace_id: int | None = None,
        repository_id: int | None = None,
        performer_id: int | None = None,
    ) -> None:
        """The same for several events of one act, in this order."""
        noted = self._db.rehearsed()
        if noted is not None:
            noted.extend(events)
        for at in range(0, len(events), _AT_ONCE):
            rows = [
                {
                    "kind": event.kind,
                    "at_ms": now_ms(),
                    "namespace": namespace_id,
                    "repository": repository_id,
                    "performer": performer_id,
                    "data": json.dumps(dataclasses.asdict(event), separators=(",", ":")),
                    "in_log": int(event.namespace not in self._quiet),
                }
                for event in events[at : at + _AT_ONCE]
            ]
            tx.run(EventRow.insert_many(rows))

    def sequence(self, limit: int = 500) -> int:
        """Gives committed rows their `seq` and writes one delivery per matching subscription.

        Run by whoever holds the lease `sequencer`; the unique index on `seq` is the fence against a
        second one, whose transaction then fails as a whole. Returns how many rows were numbered.
        """

        def work(tx: Tx) -> int:
            last = tx.value(EventRow.select(peewee.fn.MAX(EventRow.seq))) or 0
            rows = tx.claim(
                EventRow.select(EventRow.id, EventRow.kind, EventRow.repository, EventRow.data)
                .where(EventRow.seq.is_null())
                .order_by(EventRow.id)
                .limit(limit)
            )
            for number, (row_id, kind, repository_id, data) in enumerate(rows, last + 1):
                tx.run(EventRow.update(seq=number).where(EventRow.id == row_id))
                if repository_id is not None and _notifies(kind, data):
                    _deliver(tx, row_id, repository_id, kind)
            return len(rows)

        return self._db.write(work)

    def unnumbered(self) -> bool:
        """Whether any committed row waits for its number."""
        return self._db.one(EventRow.select(EventRow.id).where(EventRow.seq.is_null()).limit(1)) is not None

    def after(self, seq: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Events behind `seq`, in order: what an observer reads from its cursor on."""
        rows = self._db.rows(
            EventRow.select(EventRow.seq, EventRow.kind, EventRow.data)
            .where(EventRow.seq > seq)
            .order_by(EventRow.seq)
            .limit(limit)
        )
        return [(int(number), _event(kind, data)) for number, kind, data in rows]

    def cursor(self, name: str) -> int:
        """How far the reader of this name has come; a new one begins at the present end."""
        found = self._db.value(EventCursor.select(EventCursor.seq).where(EventCursor.name == name))
        if found is not None:
            return int(found)

        def work(tx: Tx) -> int:
            end = int(tx.value(EventRow.select(peewee.fn.MAX(EventRow.seq))) or 0)
            tx.insert_absent(EventCursor, name=name, seq=end)
            return int(tx.value(EventCursor.select(EventCursor.seq).where(EventCursor.name == name)))

        return self._db.write(work)

    def advance(self, name: str, seq: int) -> None:
        """Moves a reader's cursor on; never back."""
        self._db.write(
            lambda tx: tx.run(
                EventCursor.update(seq=seq).where((EventCursor.name == name) & (EventCursor.seq < seq))
            )
        )


def take_lease(db: Database, name: str, token: str, seconds: float) -> bool:
    """Takes or extends the lease `name` for `token`; False while somebody else holds it."""

    def work(tx: Tx) -> bool:
        now = now_ms()
        until = now + int(seconds * 1000)
        mine = (Lease.token == token) | (Lease.until_ms < now)
        if tx.run(Lease.update(token=token, until_ms=until).where((Lease.name == name) & mine)):
            return True
        return tx.insert_absent(Lease, name=name, token=token, until_ms=until)

    return db.write(work)


def new_lease_token() -> str:
    return secrets.token_hex(16)


def _notifies(kind: str, data: str) -> bool:
    # A manifest pushed by digest alone is in the log, but notifies nobody: repo_push is for tags.
    return kind != "push_repo" or bool(json.loads(data).get("tags"))


def _deliver(tx: Tx, event_id: int, repository_id: int, kind: str) -> None:
    wanted = tx.rows(
        Subscription.select(Subscription.id).where(
            (Subscription.repository == repository_id)
            & (Subscription.kind == kind)
            & (Subscription.enabled == 1)
        )
    )
    for (subscription_id,) in wanted:
        tx.insert_absent(Delivery, event=event_id, subscription=subscription_id)


def _event(kind: str, data: str) -> Event:
    cls = subclasses().get(kind, Event)
    names = {f.name for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for name, value in json.loads(data).items():
        if name in names:
            values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)
