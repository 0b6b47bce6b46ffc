"""What runs beside the web: the sequencer, observing plugins, jobs, the sweep. All leased, so that any
number of workers may run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from quayframe.errors import Unavailable
from quayframe.plugin import boundary
from quayframe.plugin.checks import Observer
from quayframe.registry import Registry
from quayframe.services.activity import new_lease_token, take_lease
from quayframe.services.jobs import Handler, LongHandler
from quayframe.services.replication import REPLICATE
from quayframe.services.suspects import RECHECK

log = logging.getLogger("quayframe.worker")

SEQUENCE_S = 0.5
SWEEP_S = 600.0
LEASE_S = 30.0
PATIENCE_S = 60.0
COPIES = 2
"""Blobs that one worker copies at once."""
WALK_S = 600.0


class Worker:
    """One background process. `run` returns when `stop` was called."""

    def __init__(self, registry: Registry, handlers: dict[str, Handler] | None = None) -> None:
        self._registry = registry
        self._handlers = handlers if handlers is not None else self.kinds()
        self._stop = threading.Event()
        self._lease = new_lease_token()
        self._walked = 0

    def kinds(self) -> dict[str, Handler]:
        """From job kind to what does it."""
        registry = self._registry
        return {
            "sweep": lambda payload: registry.collector.sweep(int(payload.get("idle_ms", 0))),
            "mail": registry.tenancy.mail.deliver,
            "registry_size": registry.tenancy.registry_sizes.count,
        }

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        if self._registry.settings.REGISTRY_STATE == "readonly":
            log.info("REGISTRY_STATE is readonly: there is nothing to do")
            self._stop.wait()
            return
        threads = [
            self._thread("sequencer", SEQUENCE_S, self.sequence),
            self._thread("sweep", SWEEP_S, self.sweep),
            self._thread("jobs", 1.0, self.work),
        ]
        if self._registry.content.pruning.enabled:
            threads.append(
                self._thread("prune", self._registry.settings.AUTO_PRUNING_POLL_PERIOD, self.prune)
            )
        if self._registry.content.garbage.halted is None:
            every = self._registry.settings.GARBAGE_COLLECTION_FREQUENCY
            threads.append(self._thread("collection", every, self.collect))
            threads.append(self._thread("trash", every, self.empty_trash))
        threads += self._copying()
        for observer in self._registry.plugins.observers():
            # A plugin that fails or hangs holds up its own cursor alone.
            act = _observation(self, observer)
            threads.append(self._thread(f"observe-{observer.plugin}", SEQUENCE_S, act))
        for thread in threads:
            thread.start()
        self._stop.wait()
        deadline = time.monotonic() + 20
        for thread in threads:
            thread.join(max(0.1, deadline - time.monotonic()))

    def _copying(self) -> list[threading.Thread]:
        """What keeps blobs at several locations."""
        if len(self._registry.storage.locations) < 2:
            return []
        threads = [self._thread(f"copies-{number}", 1.0, self.copy) for number in range(COPIES)]
        if self._registry.content.replication.targets:
            threads.append(self._thread("replication", WALK_S, self.walk))
        return threads

    def _thread(self, name: str, seconds: float, act: Callable[[], bool]) -> threading.Thread:
        def loop() -> None:
            wait = 0.0
            while not self._stop.wait(wait):
                try:
                    # More is waiting: go on at once.
                    wait = 0.0 if act() else seconds
                except Unavailable as error:
                    log.warning("%s waits: %s", name, error)
                    wait = min(PATIENCE_S, max(1.0, wait * 2))
                except Exception:
                    log.exception("%s failed", name)
                    wait = min(PATIENCE_S, max(1.0, wait * 2))

        return threading.Thread(target=loop, name=name, daemon=True)

    def _mine(self, name: str) -> bool:
        return take_lease(self._registry.db, name, self._lease, LEASE_S)

    def sequence(self) -> bool:
        """Numbers what was committed; True when there is more."""
        if not self._registry.activity.unnumbered() or not self._mine("sequencer"):
            return False
        return self._registry.activity.sequence(500) == 500

    def sweep(self) -> bool:
        if self._mine("sweep"):
            self._registry.collector.sweep()
            self._registry.tenancy.app_tokens.sweep()
        return False

    def collect(self) -> bool:
        """Takes away what can go; True when something went, and more may be next."""
        go = self._turn("collection")
        return go() and bool(self._registry.content.garbage.round(go))

    def empty_trash(self) -> bool:
        """Storage is asked on a thread of its own: a slow one holds up no collection."""
        return self._turn("trash")() and self._registry.collector.empty_trash() > 0

    def _turn(self, name: str) -> Callable[[], bool]:
        """Whether this process may go on with what the lease `name` is for; renewed from time to time."""
        renewed = float("-inf")

        def go() -> bool:
            nonlocal renewed
            if self._stop.is_set():
                return False
            now = time.monotonic()
            if now - renewed < LEASE_S / 6:
                return True
            renewed = now
            return self._mine(name)

        return go

    def prune(self) -> bool:
        """One round of the auto-prune policies."""

        def mine() -> bool:
            return not self._stop.is_set() and self._mine("prune")

        if mine():
            self._registry.content.pruning.round(mine)
        return False

    def work(self) -> bool:
        return self._registry.jobs.run_one(self._handlers)

    def copy(self) -> bool:
        """Makes one copy of a blob, or looks into one."""
        replication = self._registry.content.replication

        def kept(act: LongHandler) -> LongHandler:
            return lambda payload, keep: act(payload, lambda: not self._stop.is_set() and keep())

        handlers = {REPLICATE: kept(replication.replicate), RECHECK: kept(replication.recheck)}
        return self._registry.jobs.run_long(handlers)

    def walk(self) -> bool:
        """Asks for copies of what came before replication was switched on; by one worker at a time."""
        go = self._turn("replication")
        if go():
            self._walked = self._registry.content.replication.walk(self._walked, go) or 0
        return False

    def observe(self, observer: Observer) -> bool:
        """Gives a plugin the events behind its cursor, in order, at least once."""
        name = f"plugin:{observer.plugin}"
        activity = self._registry.activity
        cursor = activity.cursor(name)
        events = activity.after(cursor)
        if not events or not self._mine(name):
            return False
        for seq, event in events:
            if event.kind in observer.kinds:
                boundary.outside("quayframe_observe")
                observer.call(self._registry.host_for(observer.plugin), event)
            activity.advance(name, seq)
        return True


def _observation(worker: Worker, observer: Observer) -> Callable[[], bool]:
    return lambda: worker.observe(observer)
