"""The threads of one plugin."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from plugin_workshop import wait_until

from quayframe.plugin.pool import WAITING, Late, Pool


def test_calls_share_a_few_daemon_threads() -> None:
    def who() -> threading.Thread:
        return threading.current_thread()

    small = Pool("small", size=2)
    with ThreadPoolExecutor(8) as callers:
        threads = set(callers.map(lambda _: small.run(who, 5), range(200)))
    assert 1 <= len(threads) <= 2
    assert all(thread.daemon for thread in threads)


def test_an_idle_thread_is_used_before_a_new_one_starts() -> None:
    small = Pool("small", size=4)
    names = set()
    for _ in range(20):
        names.add(small.run(lambda: threading.current_thread().name, 5))
        wait_until(lambda: small._idle == 1)
    assert len(names) == 1


def test_what_a_call_raises_comes_back_to_its_caller() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Pool("small").run(fail, 5)


def test_a_call_that_waited_in_vain_is_never_made() -> None:
    small, let_go, made = Pool("small", size=1), threading.Event(), threading.Event()
    with pytest.raises(Late) as first:
        small.run(let_go.wait, 0.05)
    assert first.value.stuck
    let_go.set()
    wait_until(lambda: not small.stuck)

    busy, release = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        release.wait()

    holder = threading.Thread(target=small.run, args=(hold, 5))
    holder.start()
    busy.wait()
    with pytest.raises(Late) as second:
        small.run(made.set, 0.05)
    assert not second.value.stuck
    release.set()
    holder.join()
    small.run(lambda: None, 5)
    assert not made.is_set()


def test_more_than_a_few_waiting_calls_are_late_at_once() -> None:
    small, release = Pool("small", size=1), threading.Event()
    callers = [threading.Thread(target=small.run, args=(release.wait, 10)) for _ in range(WAITING + 1)]
    for caller in callers:
        caller.start()
    wait_until(lambda: len(small._jobs) == WAITING)
    with pytest.raises(Late, match="wait already"):
        small.run(lambda: None, 10)
    release.set()
    for caller in callers:
        caller.join(5)
