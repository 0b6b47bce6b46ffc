"""A whole registry's rows from one database into another, of whatever kind.

The source is read in one snapshot. The target is made equal to it, table by table: in an empty one that
is to insert; in one that a copy has begun to fill, whatever differs is put right, so a copy that was
killed goes on where it was, also when the source has changed meanwhile. Until both sides are proved equal
the target is marked, and no registry starts on it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import peewee

from quayframe.data import copying, migrations
from quayframe.data.copying import Form, Side
from quayframe.data.db import Database, Row, Tx
from quayframe.data.fields import Name, Text
from quayframe.errors import Refused

from . import gc_holds
from .clock import now_ms
from .crypto import SecretBox

Progress = Callable[[str, int, int], None]
"""What is under way, how many rows are done, of how many; each row is done twice: copied and compared."""

_NEAR = 1000
"""Ids are given before the commit: an event that came later may be so much below the snapshot's last."""
_CHUNK = 500


@dataclass(frozen=True)
class Sum:
    """Of one table: how many rows, and the SHA-256 of all of them in the order of their ids."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Copied:
    """:param at_ms: when the snapshot was taken. :param later: new rows by table since then.
    :param events: events since then by kind."""

    at_ms: int
    tables: dict[str, Sum]
    later: dict[str, int]
    events: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.tables.values())


class Summing:
    """The sum of rows that pass by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        # The drivers give the same Python values on every database, so their repr is the same.
        for row in rows:
            self._hash.update(repr(row).encode())
        self._rows += len(rows)

    def sum(self) -> Sum:
        return Sum(self._rows, self._hash.hexdigest())


class DatabaseCopy:
    """:param readonly: this registry is in REGISTRY_STATE readonly: it collects nothing, and its database
    need not take writes."""

    def __init__(self, source: Database, box: SecretBox, *, readonly: bool) -> None:
        self._source = source
        self._box = box
        self._readonly = readonly

    def run(
        self,
        uri: str,
        tell: Progress = lambda what, done, of: None,
        *,
        more: bool = False,
        without: Collection[str] = (),
    ) -> Copied:
        """Copies everything into the database that `uri` names.

        :param more: another run is to follow, which brings what came since; until then no registry
            starts on the target.
        :param without: tables whose rows are left out; those in the target stay as they are.
        Raises ConfigError for the URI; Refused for a target that is not this copy's, or cannot hold a
        row; StartError for one of a newer release; Unavailable when a database is away: run it again."""
        hold = nullcontext() if self._readonly else gc_holds.hold(self._source, "db-copy")
        forms = copying.forms()
        with closing(Database(uri, pool=2)) as target, hold:
            at_ms = now_ms()
            with copying.snapshot(self._source) as source:
                prepare(source, target, forms, self._box)
                tops = {form.name: source.top(form) for form in forms}
                known = _last_events(source, tops["event"])
                with copying.opened(target) as opened:
                    wanted = [form for form in forms if form.name not in without]
                    sums = Filling(source, opened, wanted, tell).run()
                    for form in forms:
                        opened.give_above(form, max(source.given(form), opened.given(form)))
                    if not more:
                        opened.end_mark()
            later, events = self._later(forms, tops, known)
            return Copied(at_ms, sums, later, events)

    def _later(
        self, forms: list[Form], tops: dict[str, int], known: dict[int, str]
    ) -> tuple[dict[str, int], dict[str, int]]:
        with copying.opened(self._source) as now:
            counts = {form.name: now.count(form, tops[form.name]) for form in forms}
            events: dict[str, int] = {}
            for ident, kind in _last_events(now, tops["event"]).items():
                if ident not in known:
                    events[kind] = events.get(kind, 0) + 1
        return {name: count for name, count in counts.items() if count}, events


def _last_events(side: Side, top: int) -> dict[int, str]:
    return dict(side.sql("SELECT id, kind FROM event WHERE id > ?", (top - _NEAR,)))


# -- whose target it is -------------------------------------------------------------------------------


def prepare(source: Side, target: Database, forms: list[Form], box: SecretBox) -> None:
    """Makes the target's schema and marks it as this registry's copy. Raises Refused, StartError."""
    with copying.opened(target) as side:
        steps, mark = copying.steps_of(side), None
        if steps:
            mark = side.mark()
        filled = [form for form in forms if side.has(form.name) and side.top(form)]
    whose = _whose(source, box)
    if mark is not None and mark != whose:
        same = mark.split()[0] == whose.split()[0]
        raise Refused(_OTHER_KEY if same else "the target holds the unfinished copy of another registry")
    if mark is None and filled:
        with copying.opened(target) as side:
            raise Refused(_why_not(side, filled, box))
    if steps != copying.steps_of(source):
        if mark is not None:
            raise Refused("the target has the schema of another release: begin again with an empty database")
        migrations.migrate(target)
    if mark is None:
        with copying.opened(target) as side:
            if copying.steps_of(side) != copying.steps_of(source):
                raise Refused("the source's schema is not current; run: quayframe migrate")
            side.set_mark(whose)


_OTHER_KEY = "the target's secrets are encrypted with another DATABASE_SECRET_KEY"


def _whose(source: Side, box: SecretBox) -> str:
    """What tells this registry, and its DATABASE_SECRET_KEY, from others: two words."""
    row = source.sql("SELECT uuid FROM account ORDER BY id LIMIT 1")
    first = hashlib.sha256((row[0][0] if row else "").encode()).hexdigest()[:40]
    return f"{first} {box.lookup(f'db copy {first}')[:40]}"


def _other_key(side: Side, forms: list[Form], box: SecretBox) -> bool:
    for form in forms:
        for one in form.fields:
            if not isinstance(one, Text):
                continue
            table, column = side.quote(form.name), side.quote(one.column_name)
            text = f"SELECT {column} FROM {table} WHERE {column} LIKE ? LIMIT 1"  # noqa: S608 - our own names
            if any(box.decrypt(sealed) is None for (sealed,) in side.sql(text, ("v0$$%",))):
                return True
    return False


def _why_not(side: Side, filled: list[Form], box: SecretBox) -> str:
    if _other_key(side, filled, box):
        return _OTHER_KEY
    names = ", ".join(form.name for form in filled[:3])
    return f"the target holds a registry already ({names}, ...): db copy fills an empty database"


# -- rows ---------------------------------------------------------------------------------------------


@dataclass
class Filling:
    """Makes one database equal to another's snapshot."""

    source: Side
    target: Side
    forms: list[Form]
    tell: Progress
    _done: int = 0
    _gone: dict[str, list[int]] = field(default_factory=dict)

    def run(self) -> dict[str, Sum]:
        """The sums of all tables, which are those of both sides. Raises Refused when they differ."""
        self._total = 2 * sum(self.source.count(form) for form in self.forms)
        if any(self.target.top(form) for form in self.forms):
            self._make_room()
        sums = {form.name: self._fill(form) for form in self.forms}
        self._remove()
        wrong = [form.name for form in self.forms if self._sum(form) != sums[form.name]]
        if wrong:
            raise Refused(f"the copy is not equal to its source in {', '.join(wrong)}; run it again")
        return sums

    # What a killed copy has left is changed in three steps, so that no unique key and no reference is in
    # the way: keys that are to go become free; then rows are put right and added, in the order of
    # references; then rows that are to go, which nothing refers to any more.

    def _make_room(self) -> None:
        referred = set().union(*(form.refers for form in self.forms))
        for form in reversed(self.forms):
            unique = self.target.unique(form)
            gone: list[int] = []
            free: list[tuple[int, dict[str, Any]]] = []
            for want, have in self._side_by_side(form):
                for ident, row in have.items():
                    wanted = want.get(ident)
                    columns = self._differing(form, row, wanted) & unique if wanted != row else set()
                    if wanted is None or (columns and form.name not in referred):
                        gone.append(ident)
                    if columns and form.name in referred:
                        free.append((ident, _freed(form, row, columns)))
            self._update(form, [(ident, values) for ident, values in free if values])
            if form.name in referred:
                self._gone[form.name] = gone
            else:
                self._delete(form, gone)

    def _side_by_side(self, form: Form) -> Iterator[tuple[dict[int, Row], dict[int, Row]]]:
        """The rows of the source and of the target by id, page by page, as far as the target has some."""
        last, top = 0, self.target.top(form)
        for rows in self.source.pages(form):
            if last >= top:
                return
            upto = rows[-1][0]
            yield _by_id(rows), _by_id(self.target.between(form, last, upto))
            last = upto
        for rows in self.target.pages(form, last):
            yield {}, _by_id(rows)

    @staticmethod
    def _differing(form: Form, row: Row, wanted: Row | None) -> set[str]:
        if wanted is None:
            return set(form.columns)
        return {name for name, a, b in zip(form.columns, row, wanted, strict=True) if a != b}

    def _fill(self, form: Form) -> Sum:
        summing, last, top = Summing(), 0, self.target.top(form)
        late: list[tuple[int, dict[str, Any]]] = []
        for rows in self.source.pages(form):
            upto = rows[-1][0]
            have = _by_id(self.target.between(form, last, upto)) if last < top else {}
            last = upto
            summing.add(rows)
            self._put(form, rows, have, late)
            self._count(form, len(rows))
        self._update(form, late)
        return summing.sum()

    def _put(
        self, form: Form, rows: list[Row], have: dict[int, Row], late: list[tuple[int, dict[str, Any]]]
    ) -> None:
        """`late` gets the references to rows of the same table that come later."""
        new: list[Row] = []
        changed: list[tuple[int, dict[str, Any]]] = []
        for row in rows:
            old = have.get(row[0])
            if old == row:
                continue
            if why := copying.unfit(form, row, self.target.db.dialect):
                raise Refused(f"the target cannot hold a row: {why}")
            first, forward = _without_forward(form, row)
            if forward:
                late.append((row[0], forward))
            if old is None:
                new.append(first)
            else:
                values = dict(zip(form.columns, first, strict=True))
                columns = self._differing(form, old, first)
                changed.append((row[0], {name: values[name] for name in columns}))
        self._update(form, [(ident, values) for ident, values in changed if values])
        for portion in copying.portions(new):
            self._write(form, partial(copying.insert, side=self.target, form=form, rows=portion))

    def _remove(self) -> None:
        for form in reversed(self.forms):
            gone = self._gone.get(form.name, [])
            if gone and form.own_refs:
                nothing = {form.columns[at]: None for at in form.own_refs}
                self._update(form, [(ident, nothing) for ident in gone])
            self._delete(form, gone)

    def _sum(self, form: Form) -> Sum:
        summing = Summing()
        for rows in self.target.pages(form):
            summing.add(rows)
            self._count(form, len(rows))
        return summing.sum()

    # -- parts --------------------------------------------------------------------------------

    def _count(self, form: Form, rows: int) -> None:
        self._done += rows
        self.tell(form.name, self._done, self._total)

    def _update(self, form: Form, changes: list[tuple[int, dict[str, Any]]]) -> None:
        for some in _chunks(changes):
            self._write(form, partial(self._change, form=form, changes=some))

    def _change(self, tx: Tx, form: Form, changes: list[tuple[int, dict[str, Any]]]) -> None:
        for ident, values in changes:
            copying.update(tx, self.target, form, ident, values)

    def _delete(self, form: Form, ids: list[int]) -> None:
        for some in _chunks(ids):
            self._write(form, partial(copying.delete, side=self.target, form=form, ids=some))

    def _write(self, form: Form, work: Callable[[Tx], None]) -> None:
        try:
            self.target.db.write(work)
        except peewee.PeeweeException as error:
            raise Refused(f"the target does not take rows of {form.name}: {error}") from error


def _by_id(rows: Iterable[Row]) -> dict[int, Row]:
    return {row[0]: row for row in rows}


def _freed(form: Form, row: Row, columns: set[str]) -> dict[str, Any]:
    """Values that no other row has, for columns of unique keys."""
    values: dict[str, Any] = {}
    for one, value in zip(form.fields, row, strict=True):
        if one.column_name not in columns or value is None:
            continue
        if isinstance(one, Name):
            values[one.column_name] = f"~copying {uuid.uuid4().hex}"
        elif one.null:
            values[one.column_name] = None
    return values


def _without_forward(form: Form, row: Row) -> tuple[Row, dict[str, Any]]:
    forward = {form.columns[at]: row[at] for at in form.own_refs if row[at] is not None and row[at] > row[0]}
    if not forward:
        return row, {}
    pairs = zip(form.columns, row, strict=True)
    return tuple(None if name in forward else value for name, value in pairs), forward


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(items), _CHUNK):
        yield items[at : at + _CHUNK]
