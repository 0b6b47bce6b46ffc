"""A few threads that belong to one plugin, so that its hanging calls hold up nobody else.

The threads are daemons and start when they are first needed: a call that never returns keeps neither the
process alive nor, after a fork, a child from starting its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SIZE = 4
WAITING = 32
"""Calls that may wait for a thread; more of them would hold the threads of the web server."""


class Late(Exception):
    """The call did not return in time. `stuck` = every thread of the pool is held by such a call."""

    def __init__(self, message: str, *, stuck: bool) -> None:
        super().__init__(message)
        self.stuck = stuck


class _Job(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self.call = call
        self.done = threading.Event()
        self.result: list[T] = []
        self.error: Exception | None = None
        self.started = self.abandoned = False

    def run(self) -> None:
        try:
            self.result.append(self.call())
        except Exception as error:
            self.error = error
        except BaseException as error:  # sys.exit() in a plugin must not end what called it
            self.error = RuntimeError(f"it raised {type(error).__name__}: {error}")
        self.done.set()


class Pool:
    """Runs calls in at most `size` threads. `freed` is called when a stuck pool has a thread again."""

    def __init__(self, name: str, size: int = SIZE, freed: Callable[[], None] = lambda: None) -> None:
        self._name, self._size, self._freed = name, size, freed
        self._lock = threading.Condition()
        self._jobs: deque[_Job[object]] = deque()
        self._threads = self._idle = self._hung = 0

    @property
    def stuck(self) -> bool:
        return self._hung >= self._size

    def run(self, call: Callable[[], T], deadline: float) -> T:
        """What `call` returns or raises. Raises Late after `deadline` seconds, waiting included, or at
        once when the pool is stuck or too many calls wait already."""
        job: _Job[T] = _Job(call)
        self._submit(job)
        if not job.done.wait(deadline):
            self._abandon(job, deadline)
        if job.error is not None:
            raise job.error
        return job.result[0]

    def _submit(self, job: _Job[T]) -> None:
        with self._lock:
            if self.stuck:
                raise Late("all of its threads hang", stuck=True)
            if len(self._jobs) >= WAITING:
                raise Late(f"{WAITING} calls wait already", stuck=False)
            self._jobs.append(job)  # type: ignore[arg-type]  # only run() reads the result, with its type
            if self._idle >= len(self._jobs) or self._threads == self._size:
                self._lock.notify()
                return
            self._threads += 1
            number = self._threads
        threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()

    def _abandon(self, job: _Job[T], deadline: float) -> None:
        with self._lock:
            if job.done.is_set():  # it returned between the end of the wait and here
                return
            job.abandoned = True
            if job.started:
                self._hung += 1
            else:
                self._jobs.remove(job)  # type: ignore[arg-type]
            raise Late(f"no answer within {deadline:g} s", stuck=self.stuck)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                self._lock.wait_for(lambda: self._jobs)
                self._idle -= 1
                job = self._jobs.popleft()
                job.started = True
            job.run()
            with self._lock:
                was_stuck = self.stuck
                self._hung -= job.abandoned
            if was_stuck and job.abandoned:
                self._freed()


def call_with_deadline(call: Callable[[], None], deadline: float, name: str) -> threading.Thread | None:
    """Runs `call` in a thread of its own; raises what it raises. When it does not return within
    `deadline` seconds, the thread that still runs is returned."""
    job = _Job(call)
    thread = threading.Thread(target=job.run, name=name, daemon=True)
    begun = time.monotonic()
    thread.start()
    if not job.done.wait(deadline - (time.monotonic() - begun)):
        return thread
    if job.error is not None:
        raise job.error
    return None
