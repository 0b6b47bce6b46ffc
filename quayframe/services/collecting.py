"""What the parts of a collection share: what they count, and how they leave room to others."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Manifest, ManifestHold

T = TypeVar("T")
log = logging.getLogger("quayframe.gc")

MARK = "collect"
"""The reason of a hold that has expired since ever: its manifest is to be looked at."""
LONGEST_REST_S = 0.05
Go = Callable[[], bool]
"""Asked between two transactions: False = stop here."""
Work = Callable[[Tx, Sequence[int]], "Counts"]
"""A transaction on the rows of these ids."""


@dataclass(frozen=True)
class Counts:
    """How much went. `intervals` are periods of tags' history, `tags` heads whose last period went, `links`
    those of repositories to blobs."""

    intervals: int = 0
    tags: int = 0
    manifests: int = 0
    links: int = 0
    blobs: int = 0
    bytes: int = 0
    repositories: int = 0
    namespaces: int = 0
    objects: int = 0

    def __add__(self, other: Counts) -> Counts:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Counts(*(a + b for a, b in pairs))

    def __bool__(self) -> bool:
        return any(dataclasses.astuple(self))


class Writer:
    """The database, for work that has time. After each transaction it rests as long as that took: the one
    writer of SQLite takes turns with pushes of other processes, which do not stand in a line there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def write(self, work: Callable[[Tx], T]) -> T:
        start = time.monotonic()
        result = self._db.write(work)
        time.sleep(min(LONGEST_REST_S, time.monotonic() - start))
        return result

    def each(self, ids: Sequence[int], work: Work) -> Counts:
        """`work` on all of `ids` in one transaction; where a row that nobody foresaw refuses it, one by one,
        so that it holds up no other."""
        try:
            return self.write(lambda tx: work(tx, ids))
        except peewee.IntegrityError:
            if len(ids) == 1:
                log.exception("the collector leaves a row alone")
                return Counts()
        total = Counts()
        for ident in ids:
            total += self.each([ident], work)
        return total


def mark(tx: Tx, manifest_ids: Sequence[int]) -> None:
    """Has the collector look at manifests: called in the transaction that takes a reason from them, so that
    none is forgotten whatever happens afterwards."""
    # Who looks at them now, and may take away a mark that is there, is waited for; or waits.
    tx.share(Manifest.select(Manifest.id).where(Manifest.id.in_(list(manifest_ids))).order_by(Manifest.id))
    for ident in manifest_ids:
        tx.insert_absent(ManifestHold, manifest=ident, reason=MARK, expires_ms=0)


def window_ms(default_s: int) -> Any:
    """The expression for the window of a joined namespace's time machine."""
    return peewee.fn.COALESCE(Account.removed_tag_expiration_s, default_s) * 1000


def shortest_window_ms(db: Database, default_s: int) -> int:
    """Nothing that ended less than so long ago can be due; found at the beginning of an index."""
    chosen = db.value(Account.select(peewee.fn.MIN(Account.removed_tag_expiration_s)))
    return (default_s if chosen is None else min(default_s, int(chosen))) * 1000
