"""Events become rows, get numbers without gaps, and reach each subscriber once."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest

from quayframe import events
from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.services import activity as module
from quayframe.services import clock
from quayframe.services.activity import Activity, new_lease_token, take_lease

E = tables.EventRow


@pytest.fixture
def activity(database: Database) -> Activity:
    return Activity(database, ["quiet"])


@pytest.fixture
def repository(database: Database) -> int:
    """A repository's id."""

    def work(tx: Any) -> int:
        owner = tx.insert(tables.Account, uuid="u", name="owner", kind="user", created_ms=1)
        return int(
            tx.insert(
                tables.Repository, uuid="r", namespace=owner, name="app", visibility="private", created_ms=1
            )
        )

    return database.write(work)


def pushed(tag: str, *tags: str) -> events.PushRepo:
    return events.PushRepo(
        namespace="owner",
        repository="app",
        digest="sha256:0",
        media_type="m",
        size=1,
        tags=(tag, *tags) if tag else (),
    )


def record(activity: Activity, event: events.Event, repository: int | None = None) -> None:
    activity._db.write(lambda tx: activity.record(tx, event, repository_id=repository))


def seqs(database: Database) -> list[int]:
    return [seq for (seq,) in database.rows(E.select(E.seq).where(E.seq.is_null(False)).order_by(E.seq))]


def test_events_come_back_in_order_as_they_were(activity: Activity, repository: int) -> None:
    made = [pushed("a", "b"), events.DeleteTag(namespace="owner", repository="app", tag="a", ip="::1")]
    for event in made:
        record(activity, event, repository)
    assert activity.after(0) == []
    assert activity.sequence() == 2

    assert activity.after(0) == [(1, made[0]), (2, made[1])]
    assert activity.after(1) == [(2, made[1])]
    assert not activity.unnumbered()


def test_an_act_that_failed_has_no_event(activity: Activity, database: Database) -> None:
    def work(tx: Any) -> None:
        activity.record(tx, pushed("a"))
        raise KeyError

    with pytest.raises(KeyError):
        database.write(work)
    assert not activity.unnumbered()


def test_quiet_namespaces_are_kept_out_of_the_log_and_still_happen(
    activity: Activity, database: Database
) -> None:
    record(activity, events.PullRepo(namespace="quiet", digest="d"))
    record(activity, pushed("a"))

    assert database.rows(E.select(E.kind, E.in_log).order_by(E.id)) == [("pull_repo", 0), ("push_repo", 1)]
    activity.sequence()
    assert len(activity.after(0)) == 2


def test_numbers_have_no_gap_while_many_write(activity: Activity, database: Database) -> None:
    """Acts that commit in another order than their ids, failed ones among them."""
    writers, each = 4, 15
    done = threading.Event()

    def write(number: int) -> None:
        for step in range(each):

            def work(tx: Any, step: int = step) -> None:
                activity.record(tx, pushed(f"t{number}-{step}"))
                if step % 5 == 0:
                    raise KeyError

            with suppress(KeyError):
                database.write(work)

    def sequence() -> None:
        while not done.is_set() or activity.unnumbered():
            activity.sequence(7)

    threads = [threading.Thread(target=write, args=(n,), daemon=True) for n in range(writers)]
    reader = threading.Thread(target=sequence, daemon=True)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join(60)
    done.set()
    reader.join(60)

    committed = writers * each * 4 // 5
    assert seqs(database) == list(range(1, committed + 1))
    assert len(activity.after(0, 1000)) == committed


def test_two_sequencers_at_once_give_each_number_once(activity: Activity, database: Database) -> None:
    for number in range(30):
        record(activity, pushed(f"t{number}"))
    barrier = threading.Barrier(2)
    failures: list[Exception] = []

    def sequence() -> None:
        barrier.wait(20)
        for _ in range(20):
            try:
                activity.sequence(4)
            except Exception as error:
                # The fence: its transaction failed as a whole.
                failures.append(error)

    threads = [threading.Thread(target=sequence, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while activity.unnumbered():
        activity.sequence()

    assert seqs(database) == list(range(1, 31))


def subscribe(database: Database, repository: int, kind: str, enabled: int = 1) -> int:
    def work(tx: Any) -> int:
        uuid = f"{kind}-{enabled}-{clock.now_ms()}"
        return int(
            tx.insert(tables.Subscription, uuid=uuid, repository=repository, kind=kind, enabled=enabled)
        )

    return database.write(work)


def deliveries(database: Database) -> list[tuple[int, int]]:
    d = tables.Delivery
    query = d.select(E.seq, d.subscription).join(E, on=(E.id == d.event)).order_by(E.seq, d.subscription)
    return [(seq, subscription) for seq, subscription in database.rows(query)]


def test_each_subscription_gets_each_event_once(
    activity: Activity, database: Database, repository: int
) -> None:
    wanted = subscribe(database, repository, "push_repo")
    subscribe(database, repository, "delete_tag")
    subscribe(database, repository, "push_repo", enabled=0)
    for number in range(3):
        record(activity, pushed(f"t{number}"), repository)
    record(activity, pushed("elsewhere"))
    for _ in range(3):
        activity.sequence()

    assert deliveries(database) == [(1, wanted), (2, wanted), (3, wanted)]


def test_a_push_by_digest_notifies_nobody(activity: Activity, database: Database, repository: int) -> None:
    subscribe(database, repository, "push_repo")
    record(activity, pushed(""), repository)
    activity.sequence()

    assert deliveries(database) == []
    assert len(activity.after(0)) == 1


def test_a_cursor_begins_at_the_end_and_never_goes_back(activity: Activity) -> None:
    record(activity, pushed("before"))
    activity.sequence()
    assert activity.cursor("reader") == 1
    record(activity, pushed("after"))
    activity.sequence()

    assert activity.cursor("reader") == 1
    assert [seq for seq, _ in activity.after(activity.cursor("reader"))] == [2]
    activity.advance("reader", 2)
    activity.advance("reader", 1)
    assert activity.cursor("reader") == 2
    assert activity.cursor("other") == 2


def test_a_lease_is_one_holders_until_it_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = new_lease_token(), new_lease_token()
    assert take_lease(database, "x", one, 30)
    assert take_lease(database, "x", one, 30)
    assert not take_lease(database, "x", two, 30)
    assert take_lease(database, "y", two, 30)
    monkeypatch.setattr(module, "now_ms", lambda: clock.now_ms() + 31_000)

    assert take_lease(database, "x", two, 30)
    assert not take_lease(database, "x", one, 30)


def test_of_many_one_gets_a_lease(database: Database) -> None:
    got: list[str] = []
    barrier = threading.Barrier(6)

    def take() -> None:
        token = new_lease_token()
        barrier.wait(20)
        if take_lease(database, "x", token, 30):
            got.append(token)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 1
