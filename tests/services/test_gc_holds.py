"""Holds on the removal of bytes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from protocol import Protocol

from quayframe.data.tables import Lease, Trash
from quayframe.errors import Unavailable
from quayframe.services import gc_holds


@pytest.fixture
def protocol(make_protocol: Callable[..., Protocol]) -> Protocol:
    """A registry with one object in the trash."""
    made = make_protocol()
    made.registry.db.write(
        lambda tx: tx.insert(Trash, location="default", storage_key="sha256/aa/aa.u", due_ms=0)
    )
    return made


def test_no_object_goes_while_a_hold_is_there(protocol: Protocol) -> None:
    registry = protocol.registry
    with gc_holds.hold(registry.db, "backup"):
        assert registry.collector.empty_trash() == 0
        assert registry.collector.sweep()["objects"] == 0
    assert registry.collector.empty_trash() == 1


def test_any_one_of_several_holds(protocol: Protocol) -> None:
    registry = protocol.registry
    with gc_holds.hold(registry.db, "backup"):
        with gc_holds.hold(registry.db, "backup"):
            pass
        assert registry.collector.empty_trash() == 0


def test_a_hold_of_a_process_that_died_ends_by_itself_and_is_cleared(protocol: Protocol) -> None:
    registry = protocol.registry
    name = gc_holds.PREFIX + "backup:dead"
    registry.db.write(lambda tx: tx.insert(Lease, name=name, token="t", until_ms=1))
    assert registry.collector.sweep()["objects"] == 1
    assert registry.db.rows(Lease.select(Lease.id).where(Lease.name == name)) == []


def test_a_hold_is_extended_for_as_long_as_it_is_needed(protocol: Protocol) -> None:
    registry = protocol.registry
    with gc_holds.hold(registry.db, "backup", life_ms=600) as check:
        first = registry.db.value(Lease.select(Lease.until_ms))
        _until(lambda: registry.db.value(Lease.select(Lease.until_ms)) > first + 1200)
        assert registry.collector.empty_trash() == 0
        check()


def test_a_lost_hold_is_told(protocol: Protocol) -> None:
    registry = protocol.registry
    with gc_holds.hold(registry.db, "backup", life_ms=300) as check:
        registry.db.write(lambda tx: tx.run(Lease.delete()))

        def told() -> bool:
            try:
                check()
            except Unavailable:
                return True
            return False

        _until(told)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)
