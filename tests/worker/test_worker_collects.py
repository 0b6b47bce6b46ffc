"""The worker collects by itself, one at a time, and stands still where nothing may be written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from protocol import Protocol

from quayframe.data import tables as t
from quayframe.services.activity import new_lease_token, take_lease
from quayframe.worker.loop import Worker


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def rows(protocol: Protocol, table: Any) -> int:
    return len(protocol.registry.db.rows(table.select(table.id)))


def test_it_collects_and_empties_the_trash(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(GARBAGE_COLLECTION_FREQUENCY=1, PUSH_TEMP_TAG_EXPIRATION_SEC=0)
    repo = protocol.repo()
    repo.blob()
    worker = Worker(protocol.registry)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: rows(protocol, t.Blob) + rows(protocol, t.Trash) == 0)
    finally:
        worker.stop()
        thread.join(30)
    assert [path for path in (protocol.data / "storage").rglob("*") if path.is_file()] == []


def test_a_round_that_took_something_is_followed_by_another(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(PUSH_TEMP_TAG_EXPIRATION_SEC=0)
    protocol.repo().blob()
    worker = Worker(protocol.registry)
    assert worker.collect()
    assert not worker.collect()
    assert worker.empty_trash()
    assert not worker.empty_trash()


def test_one_whose_lease_another_worker_holds_waits(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(PUSH_TEMP_TAG_EXPIRATION_SEC=0)
    protocol.repo().blob()
    for name in ("collection", "trash"):
        assert take_lease(protocol.registry.db, name, new_lease_token(), 60)
    worker = Worker(protocol.registry)
    assert not worker.collect()
    assert not worker.empty_trash()
    assert rows(protocol, t.Blob) == 1


def test_a_worker_that_is_stopped_stops_between_two_transactions(
    make_protocol: Callable[..., Protocol],
) -> None:
    protocol = make_protocol(PUSH_TEMP_TAG_EXPIRATION_SEC=0)
    protocol.repo().blob()
    worker = Worker(protocol.registry)
    worker.stop()
    assert not worker.collect()
    assert rows(protocol, t.Blob) == 1


@pytest.mark.parametrize("config", [{"DISABLE_PUSHES": True}, {"ACCOUNT_RECOVERY_MODE": True}])
def test_it_has_no_thread_for_it_where_nothing_may_be_written(
    make_protocol: Callable[..., Protocol], config: dict[str, Any]
) -> None:
    worker = Worker(make_protocol(**config).registry)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: any(one.name == "sequencer" for one in threading.enumerate()))
        assert not {one.name for one in threading.enumerate()} & {"collection", "trash"}
    finally:
        worker.stop()
        thread.join(30)
