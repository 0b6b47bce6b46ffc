"""One child process of the supervisor: started, watched, started again with back-off, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
LONG_LIFE = 10.0
"""Seconds after which a child counts as sound again."""


class Child:
    """A command that is kept running.

    :param name: for messages.
    :param tie: runs in the child between fork and exec; see process.tied_to.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], tie: Callable[[], None]
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._tie = tie
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._delay = FIRST_DELAY
        self._due: float | None = None
        self.status: int | None = None
        """Of the last time that it ended."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        # A group of its own: Ctrl-C at the terminal reaches the supervisor alone, which stops all in order.
        # The supervisor has one thread, which is what preexec_fn asks for.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=self._tie,  # noqa: PLW1509
        )
        self._started = time.monotonic()
        self._due = None

    def ended(self) -> bool:
        """Whether it has ended since this was last asked; then it is due again after a while."""
        if self._process is None or self._process.poll() is None:
            return False
        self.status = self._process.returncode
        self.kill()
        self._process = None
        now = time.monotonic()
        if now - self._started >= LONG_LIFE:
            self._delay = FIRST_DELAY
        self._due = now + self._delay
        print(
            f"quayframe: the {self.name} ended ({_describe(self.status)}); again in {self._delay:g} s",
            file=sys.stderr,
            flush=True,
        )
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return True

    def wait(self) -> float | None:
        """Seconds until it is due to start; None where it runs or was never started."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def stop(self) -> None:
        """Ask it to end what is in flight and leave; not due any more."""
        self._due = None
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def gone(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """End it and what is left of its group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _describe(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
