"""Small things that every process of `quayframe serve` needs from the operating system."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 65536


def tied_to(parent: int) -> Callable[[], None]:
    """A function that ties the process which calls it to its parent: the kernel kills it when that dies.

    Made before the fork, so that the child only makes two system calls. The tie survives exec, not a fork.
    Its grain is the parent's thread: start children from one that lives as long as the process.
    """
    if sys.platform != "linux":
        return _untied
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            # it died before the call
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _untied() -> None:
    return None


def raise_open_files() -> None:
    """Allow as many open files as the hard limit does: a process holds thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def alive(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def forget_metrics(folder: str | None, pid: int) -> None:
    """Remove the gauges of a process that has died: they say how things are, not what happened."""
    if folder:
        for file in Path(folder).glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)
