"""The contract of build executors: where the machine comes from in which a build runs."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from .provider import Provider


class ExecutorUnavailable(Exception):
    """No machine can be had from here now; the next executor is asked. The text goes to the log."""


class ExecutorState(enum.StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    """Ended, whatever came of it: the build itself reports its result."""
    UNKNOWN = "unknown"
    """There is no such execution (any more)."""


@dataclass(frozen=True)
class BuildJob:
    """A build that wants a machine.

    `token` registers the worker, once, at `server` (`host:port` of the build manager); `registry` is the
    host name to which it pushes. `retries_remaining` counts those after this try. `lifetime` is the
    longest time in seconds that the machine may live. `environment` are further variables of the worker.
    """

    id: str
    namespace: str
    repository: str
    token: str
    server: str
    registry: str
    retries_remaining: int = 0
    lifetime: int = 7200
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExecutionHandle:
    """One start of a build. `id` is the executor's own, at most 255 characters; the core keeps it, so
    that any process may ask and stop."""

    id: str


class BuildExecutor(Provider):
    """Starts and stops build workers. Called outside of transactions, from many threads."""

    kind = "executor"

    @abstractmethod
    def start(self, job: BuildJob) -> ExecutionHandle:
        """Starts a worker and returns at once. Raises ExecutorUnavailable, and then nothing runs."""

    @abstractmethod
    def state(self, handle: ExecutionHandle) -> ExecutorState:
        """Where an execution stands. Raises ExecutorUnavailable = cannot tell now."""

    @abstractmethod
    def stop(self, handle: ExecutionHandle) -> None:
        """Ends an execution and frees what it holds; one that is gone already is no error.
        Raises ExecutorUnavailable = to be tried again."""

    def accepts(self, job: BuildJob) -> bool:
        """Whether this executor takes the job at all (namespace, retries left)."""
        return True

    def running(self) -> int | None:
        """How many executions of this registry run here; None = cannot count, the core counts its own.
        Raises ExecutorUnavailable."""
        return None
