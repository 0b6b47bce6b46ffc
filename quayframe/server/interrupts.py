"""SIGTERM and SIGINT for a process with many threads whose main thread waits for something else.

The kernel may hand a signal to any thread, and Python runs its handler in the main thread, when that wakes up
the next time: for one that waits for a lock this may be never. The byte that Python's own low-level handler
writes to a pipe comes at once, whichever thread it was.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_INTERRUPTS = (signal.SIGTERM, signal.SIGINT)


def on_interrupt(act: Callable[[], object]) -> None:
    """Call `act` at each SIGTERM and SIGINT, in a thread of its own. For the main thread."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    def wait() -> None:
        while received := os.read(read_end, 1):
            if received[0] in _INTERRUPTS:
                act()

    for number in _INTERRUPTS:
        # without a handler of Python's the low-level one is not installed
        signal.signal(number, _nothing)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=wait, name="interrupts", daemon=True).start()


def forget_interrupts() -> None:
    """In a child just forked: its signals are its own, and end it until it says otherwise."""
    signal.set_wakeup_fd(-1)
    for number in _INTERRUPTS:
        signal.signal(number, signal.SIG_DFL)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    return None
