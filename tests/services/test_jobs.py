"""Jobs: claimed by one, in order within a lane, tried again, kept when they fail for good."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from quayframe.data.db import Database
from quayframe.errors import NotFound
from quayframe.services import clock, jobs
from quayframe.services.jobs import Claimed, Jobs


class Clock:
    """The clock of jobs, which a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._on = 0
        monkeypatch.setattr(jobs, "now_ms", lambda: clock.now_ms() + self._on)

    def pass_s(self, seconds: float) -> None:
        self._on += int(seconds * 1000)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def queue(database: Database, time: Clock) -> Jobs:
    return Jobs(database, lease_s=60)


def add(queue: Jobs, number: int, **options: Any) -> int:
    return queue._db.write(lambda tx: queue.add(tx, "kind", {"n": number}, **options))


def claim(queue: Jobs) -> Claimed:
    found = queue.claim(["kind"])
    assert found is not None
    return found


def numbers(queue: Jobs) -> list[int]:
    """The payloads of all that can be claimed now, in the order in which they come."""
    found = []
    while (job := queue.claim(["kind"])) is not None:
        found.append(job.payload["n"])
    return found


def test_a_job_is_done_once_and_then_gone(queue: Jobs) -> None:
    add(queue, 1)
    done: list[Any] = []

    assert queue.run_one({"kind": done.append})
    assert not queue.run_one({"kind": done.append})
    assert done == [{"n": 1}]


def test_a_job_of_a_transaction_that_failed_was_never_there(queue: Jobs) -> None:
    def work(tx: Any) -> None:
        queue.add(tx, "kind", {})
        raise KeyError

    with pytest.raises(KeyError):
        queue._db.write(work)
    assert queue.claim(["kind"]) is None


def test_jobs_come_in_the_order_of_their_time(queue: Jobs, time: Clock) -> None:
    add(queue, 3, delay_s=20)
    add(queue, 1)
    add(queue, 2)
    assert numbers(queue) == [1, 2]
    time.pass_s(21)

    assert numbers(queue) == [3]


def test_only_kinds_that_were_asked_for_are_claimed(queue: Jobs) -> None:
    add(queue, 1)

    assert queue.claim(["other"]) is None
    assert queue.claim([]) is None
    assert claim(queue).payload == {"n": 1}


def test_a_claimed_job_is_nobody_elses_until_its_lease_ends(queue: Jobs, time: Clock) -> None:
    add(queue, 1)
    first = claim(queue)
    assert queue.claim(["kind"]) is None
    time.pass_s(61)
    second = claim(queue)

    assert (second.id, second.attempts) == (first.id, 2)
    # The first has lost it: what it says does not count any more.
    assert not queue.complete(first)
    assert not queue.extend(first)
    queue.fail(first, "late")
    assert queue.complete(second)


def test_a_lease_can_be_extended(queue: Jobs, time: Clock) -> None:
    add(queue, 1)
    job = claim(queue)
    time.pass_s(50)
    assert queue.extend(job)
    time.pass_s(50)

    assert queue.claim(["kind"]) is None
    assert queue.complete(job)


def test_of_a_lane_only_the_oldest_is_claimed(queue: Jobs, time: Clock) -> None:
    for number in (1, 2, 3):
        add(queue, number, lane="a")
    add(queue, 9, lane="b")
    add(queue, 10)
    first = claim(queue)
    assert first.payload == {"n": 1}
    assert numbers(queue) == [9, 10]
    queue.complete(first)

    assert claim(queue).payload == {"n": 2}
    assert queue.claim(["kind"]) is None


def test_a_job_that_waits_holds_up_its_lane(queue: Jobs, time: Clock) -> None:
    add(queue, 1, lane="a")
    add(queue, 2, lane="a")
    queue.fail(claim(queue), "not now")
    assert queue.claim(["kind"]) is None
    time.pass_s(10)

    assert claim(queue).payload == {"n": 1}


def test_a_dead_job_does_not_hold_up_its_lane(queue: Jobs) -> None:
    add(queue, 1, lane="a", max_attempts=1)
    add(queue, 2, lane="a")
    queue.fail(claim(queue), "never")

    assert claim(queue).payload == {"n": 2}


def test_a_failed_job_waits_longer_each_time_and_is_dead_at_last(queue: Jobs, time: Clock) -> None:
    add(queue, 1, max_attempts=3)

    def broken(payload: Any) -> None:
        raise ValueError(f"broken {payload['n']}")

    for wait in (2 * 1.25, 4 * 1.25, 0):
        assert queue.run_one({"kind": broken})
        assert not queue.run_one({"kind": broken})
        time.pass_s(wait)
    time.pass_s(10_000)

    assert not queue.run_one({"kind": broken})
    (dead,) = queue.dead()
    assert (dead["payload"], dead["error"], dead["attempts"]) == ({"n": 1}, "ValueError: broken 1", 3)


def test_a_dead_job_can_be_sent_again(queue: Jobs) -> None:
    number = add(queue, 1, max_attempts=1)
    queue.fail(claim(queue), "no")
    queue.revive(number)

    assert queue.dead() == []
    assert queue.complete(claim(queue))
    with pytest.raises(NotFound):
        queue.revive(number)


def test_many_claimers_get_each_job_once(queue: Jobs) -> None:
    for number in range(40):
        add(queue, number)
    found: list[int] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(20)
        while (job := queue.claim(["kind"])) is not None or len(found) < 40:
            if job is not None:
                found.append(job.payload["n"])
                assert queue.complete(job)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == list(range(40))


def test_many_claimers_keep_a_lane_in_order(queue: Jobs) -> None:
    for number in range(20):
        add(queue, number, lane="a")
    found: list[int] = []
    active: list[int] = []

    def work() -> None:
        while len(found) < 20:
            job = queue.claim(["kind"])
            if job is not None:
                active.append(1)
                assert len(active) == 1
                found.append(job.payload["n"])
                active.pop()
                assert queue.complete(job)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == list(range(20))
