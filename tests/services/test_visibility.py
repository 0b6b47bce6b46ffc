"""Which manifests can be seen: by tags, indexes, subjects and holds, whatever the order and depth."""

from __future__ import annotations

from typing import Any

import pytest

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.services.clock import now_ms
from quayframe.services.visibility import visible


class Graph:
    """Manifests of one repository, by name; `up` says which index or subject each has."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.ids: dict[str, int] = {}

        def work(tx: Any) -> int:
            owner = tx.insert(tables.Account, uuid="u", name="owner", kind="user", created_ms=1)
            return int(
                tx.insert(
                    tables.Repository,
                    uuid="r",
                    namespace=owner,
                    name="app",
                    visibility="private",
                    created_ms=1,
                )
            )

        self.repository = db.write(work)

    def add(self, name: str, subject: str | None = None, *, seen: bool = True, deleted: bool = False) -> None:
        values = {
            "media_type": "m",
            "body": b"{}",
            "size": 2,
            "created_ms": 1,
            "subject": subject,
            "subject_seen": int(seen and subject is not None),
            "deleted_ms": 1 if deleted else None,
        }
        self.ids[name] = self.db.write(
            lambda tx: tx.insert(tables.Manifest, repository=self.repository, digest=name, **values)
        )

    def child(self, parent: str, *children: str) -> None:
        for name in children:
            row = {"parent": self.ids[parent], "child": self.ids[name]}
            self.db.write(lambda tx, row=row: tx.insert(tables.ManifestChild, **row))  # type: ignore[misc]

    def tag(self, name: str, end_ms: int | None = None) -> None:
        row = {"name": name, "manifest": self.ids[name], "start_ms": 1, "end_ms": end_ms}
        self.db.write(lambda tx: tx.insert(tables.Tag, repository=self.repository, **row))

    def hold(self, name: str, expires_ms: int) -> None:
        row = {"manifest": self.ids[name], "reason": "push", "expires_ms": expires_ms}
        self.db.write(lambda tx: tx.insert(tables.ManifestHold, **row))

    def seen(self, *names: str) -> set[str]:
        """Of these (none = all), the visible ones, asked for at once and one by one."""
        names = names or tuple(self.ids)
        wanted = {self.ids[name] for name in names}
        found = visible(self.db.rows, self.repository, wanted, now_ms())
        alone = {i for i in wanted if visible(self.db.rows, self.repository, {i}, now_ms())}
        assert found == alone
        return {name for name in names if self.ids[name] in found}


@pytest.fixture
def graph(database: Database) -> Graph:
    return Graph(database)


def test_a_live_tag_shows_and_an_ended_one_does_not(graph: Graph) -> None:
    for name in ("live", "ending", "ended", "bare"):
        graph.add(name)
    graph.tag("live")
    graph.tag("ending", now_ms() + 60_000)
    graph.tag("ended", now_ms() - 1)

    assert graph.seen() == {"live", "ending"}


def test_a_hold_shows_until_it_expires(graph: Graph) -> None:
    for name in ("held", "over"):
        graph.add(name)
    graph.hold("held", now_ms() + 60_000)
    graph.hold("over", now_ms() - 1)

    assert graph.seen() == {"held"}


def test_indexes_show_what_they_list_at_any_depth(graph: Graph) -> None:
    for number in range(10):
        graph.add(f"m{number}")
    for number in range(9):
        graph.child(f"m{number}", f"m{number + 1}")
    assert graph.seen() == set()
    graph.tag("m4")

    assert graph.seen() == {f"m{number}" for number in range(4, 10)}


def test_a_deleted_index_or_subject_shows_nothing(graph: Graph) -> None:
    graph.add("index", deleted=True)
    graph.add("child")
    graph.add("referrer", "index")
    graph.child("index", "child")
    graph.tag("index")

    assert graph.seen("child", "referrer") == set()


def test_one_live_index_of_several_is_enough(graph: Graph) -> None:
    for name in ("dead", "live", "child"):
        graph.add(name)
    graph.child("dead", "child")
    graph.child("live", "child")
    graph.tag("live")

    assert graph.seen() == {"live", "child"}


def test_a_subject_shows_its_referrers_and_not_the_other_way_round(graph: Graph) -> None:
    graph.add("subject")
    graph.add("referrer", "subject")
    graph.add("about", "referrer")
    graph.tag("referrer")
    assert graph.seen() == {"referrer", "about"}
    graph.tag("subject")

    assert graph.seen() == {"subject", "referrer", "about"}


def test_a_referrer_whose_subject_never_came_is_seen(graph: Graph) -> None:
    graph.add("never", "elsewhere", seen=False)
    graph.add("gone", "was-here", seen=True)

    assert graph.seen() == {"never"}


def test_those_asked_for_together_at_different_depths_do_not_hide_each_other(graph: Graph) -> None:
    for name in ("index", "near", "middle"):
        graph.add(name)
    graph.add("far", "middle")
    graph.child("index", "near", "middle")
    graph.tag("index")

    # `near` reaches the index in one step, `far` in two, when the index has been looked at already.
    assert graph.seen("near", "far") == {"near", "far"}
    assert graph.seen() == {"index", "near", "middle", "far"}


def test_the_same_without_a_root_ends(graph: Graph) -> None:
    for name in ("a", "b", "c"):
        graph.add(name, {"a": "c", "b": "a", "c": "b"}[name])

    assert graph.seen() == set()
    graph.tag("b")
    assert graph.seen() == {"a", "b", "c"}


def test_a_late_root_above_a_shared_one_counts_for_all(graph: Graph) -> None:
    for name in ("top", "shared", "one", "step", "two"):
        graph.add(name)
    graph.child("top", "shared")
    graph.child("shared", "one", "step")
    graph.child("step", "two")
    graph.tag("top")

    assert graph.seen("one", "two") == {"one", "two"}


def test_many_are_asked_for_in_batches(graph: Graph) -> None:
    graph.add("index")
    graph.tag("index")

    def work(tx: Any) -> None:
        for number in range(1200):
            row = {"media_type": "m", "body": b"{}", "size": 2, "created_ms": 1}
            made = tx.insert(tables.Manifest, repository=graph.repository, digest=f"d{number}", **row)
            tx.insert(tables.ManifestChild, parent=graph.ids["index"], child=made)
            graph.ids[f"d{number}"] = made

    graph.db.write(work)
    wanted = set(graph.ids.values())
    assert visible(graph.db.rows, graph.repository, wanted, now_ms()) == wanted
