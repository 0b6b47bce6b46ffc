"""Pages of tags: each tag once, in order, whatever the page's size and however many begin at one moment."""

from __future__ import annotations

import time
from typing import Any

import pytest

from quayframe.data.db import Database
from quayframe.data.tables import Account, Manifest, Repository, Tag, TagInterval
from quayframe.services.clock import now_ms
from quayframe.services.pins import Pins
from quayframe.services.tag_history import TagHistory, Wanted, parse_filter

ENDED = 5
"""A period of this many ms is over."""


class World:
    """A repository whose tags are written as rows."""

    def __init__(self, db: Database) -> None:
        self.db = db
        made = {"created_ms": 1}
        self.account = self._insert(Account, uuid="a", name="ann", kind="user", **made)
        self.history = TagHistory(db, Pins(enabled=False))
        self.repository, self.manifest = self.add_repository("app")

    def add_repository(self, name: str) -> tuple[int, int]:
        where = {"uuid": name, "namespace": self.account, "name": name, "visibility": "private"}
        repository = self._insert(Repository, **where, created_ms=1)
        row = {"repository": repository, "media_type": "x", "body": b"{}", "size": 2, "created_ms": 1}
        return repository, self._insert(Manifest, digest=f"sha256:{name}", **row)

    def _insert(self, table: Any, **values: Any) -> int:
        return int(self.db.write(lambda tx: tx.insert(table, **values)))

    def tag(self, name: str, *starts: int, ended: bool = False, repository: int = 0) -> None:
        """A tag with a period from each of these moments on, the last one maybe over."""
        where = {"repository": repository or self.repository, "manifest": self.manifest, "name": name}
        end = starts[-1] + ENDED if ended else None
        tag = self._insert(Tag, **where, start_ms=starts[-1], end_ms=end)
        for start, until in zip(starts, (*starts[1:], end), strict=True):
            self._insert(TagInterval, tag=tag, **where, start_ms=start, end_ms=until)

    def pages(self, wanted: Wanted, limit: int) -> list[list[tuple[int, str]]]:
        """(start, name) of all pages, until none follows."""
        found: list[list[tuple[int, str]]] = []
        more = True
        while more:
            page, more = self.history.page(self.repository, wanted, len(found) + 1, limit)
            found.append([(one.start_ms, one.name) for one in page])
        return found


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def ordered(periods: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return sorted(periods, key=lambda one: (-one[0], one[1]))


def test_each_period_is_in_one_page_the_latest_first_then_by_name(world: World) -> None:
    tags = {"b": (1, 7), "a": (7,), "C": (7,), "c": (3, 7, 9), "d_1": (9,), "dx1": (9,), "e": (10,)}
    for name, starts in tags.items():
        world.tag(name, *starts)
    world.tag("gone", 2, 7, ended=True)
    other, _ = world.add_repository("other")
    world.tag("a", 8, repository=other)
    heads = [(starts[-1], name) for name, starts in tags.items()]
    periods = [(start, name) for name, starts in tags.items() for start in starts] + [
        (2, "gone"),
        (7, "gone"),
    ]

    for wanted, expected in (
        (Wanted(), periods),
        (Wanted(active=True), heads),
        (Wanted(part="d_"), [(9, "d_1")]),
        (Wanted(part="c"), [(3, "c"), (7, "c"), (9, "c")]),
        (Wanted(active=True, part="1"), [(9, "d_1"), (9, "dx1")]),
        (Wanted(part="%"), []),
        (Wanted(name="c"), [(3, "c"), (7, "c"), (9, "c")]),
        (Wanted(name="c", part="C"), []),
        (Wanted(name="gone"), [(2, "gone"), (7, "gone")]),
        (Wanted(active=True, name="gone"), []),
        (Wanted(active=True, name="c"), [(9, "c")]),
        (Wanted(name="never"), []),
    ):
        for limit in (1, 2, 3, 4, 50):
            pages = world.pages(wanted, limit)
            assert [one for page in pages for one in page] == ordered(expected), (wanted, limit)
            assert all(len(page) == limit for page in pages[:-1])
            assert len(pages[-1]) > 0 or not expected


def test_a_page_past_the_end_is_empty_however_far(world: World) -> None:
    world.tag("a", 1)
    for wanted in (Wanted(), Wanted(active=True), Wanted(name="a"), Wanted(active=True, name="a")):
        for page in (2, 10**9, 10**30):
            assert world.history.page(world.repository, wanted, page, 100) == ([], False)


def test_an_end_that_is_to_come_leaves_a_tag_active(world: World) -> None:
    now = now_ms()
    world.tag("soon", now)
    world.db.write(lambda tx: tx.run(Tag.update(end_ms=now + 60_000)))
    assert world.pages(Wanted(active=True), 10) == [[(now, "soon")]]


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize("apart_ms", [0, 60_000])
def test_the_last_of_a_thousand_pages_is_at_hand(world: World, apart_ms: int) -> None:
    count = 100_000
    first = now_ms() - count * max(apart_ms, 1)
    where = {"repository": world.repository, "manifest": world.manifest}
    for at in range(0, count, 2000):
        rows = [
            {**where, "name": f"v{number:06d}", "start_ms": first + number * apart_ms}
            for number in range(at, at + 2000)
        ]
        world.db.write(lambda tx, rows=rows: tx.run(Tag.insert_many(rows)))  # type: ignore[misc]
    columns = (TagInterval.tag, TagInterval.repository, TagInterval.manifest, TagInterval.name)
    heads = Tag.select(Tag.id, Tag.repository, Tag.manifest, Tag.name, Tag.start_ms)
    world.db.write(lambda tx: tx.run(TagInterval.insert_from(heads, (*columns, TagInterval.start_ms))))

    for wanted in (Wanted(), Wanted(active=True)):
        for number in (1, 500, 1000):
            took = min(timed(world, wanted, number) for _ in range(5))
            # Many times what it takes: an index that is not used costs ten times as much.
            assert took < 0.15, (wanted, number)


def timed(world: World, wanted: Wanted, number: int) -> float:
    begun = time.process_time()
    page, more = world.history.page(world.repository, wanted, number, 100)
    assert (len(page), more) == (100, number < 1000)
    return time.process_time() - begun


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("like:a", Wanted(part="a")),
        ("eq:a:b", Wanted(name="a:b")),
        ("like:", Wanted(part="")),
        ("a", None),
        ("is:a", None),
        ("LIKE:a", None),
    ],
)
def test_a_filter_says_its_operation(text: str, wanted: Wanted | None) -> None:
    assert parse_filter(text) == wanted
