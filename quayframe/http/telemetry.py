"""The request's line in the log and its place in the metrics.

One JSON line per request on standard output, and counters over all processes of this machine
(prometheus_client's multi-process mode, where the server set it up).
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from json.encoder import encode_basestring_ascii as quoted
from multiprocessing.util import Finalize
from typing import Any

import falcon
import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

FLUSH_S = 0.05
MOST_LINES = 20_000
_WITH_CODE = "/api/v1/teaminvite/"
"""Behind it a path has a code that joins a team: who reads the log shall not."""
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """Request counters of one process. `namespace` is PROMETHEUS_NAMESPACE."""

    def __init__(self, namespace: str) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests by method, route and status.",
            ("method", "route", "status"),
            namespace=namespace,
            registry=self._registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the request's headers to the response's, by method and route.",
            ("method", "route"),
            namespace=namespace,
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._known: dict[tuple[str, str | None, int], tuple[Any, Any]] = {}

    def observe(self, method: str, route: str | None, status: int, seconds: float) -> None:
        key = (method, route, status)
        known = self._known.get(key)
        if known is None:
            # Only routes that exist become labels: a path that a client makes up is "none".
            shown = method if method in falcon.constants.HTTP_METHODS else "other"
            name = route or "none"
            known = (
                self._requests.labels(shown, name, str(status)),
                self._seconds.labels(shown, name),
            )
            if len(self._known) < 2000:
                self._known[key] = known
        known[0].inc()
        known[1].observe(seconds)

    def expose(self) -> tuple[bytes, str]:
        """(text, content type) of the metrics of all processes."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


class RequestLog:
    """A line per request, written to a file descriptor by a thread of its own within FLUSH_S.

    A write in the request itself gives up the interpreter's lock, and with many threads that costs more
    than everything else that a pull does (measured: 20 of 90 microseconds). Whole lines are written, so
    that processes may share the descriptor. A process that is killed loses at most the last FLUSH_S.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._second = 0
        self._stamp = ""
        self._lines: deque[str] = deque()
        self._writing = threading.Lock()
        atexit.register(self.flush)
        # Servers' worker processes end without atexit.
        Finalize(None, self.flush, exitpriority=10)
        threading.Thread(target=self._run, name="request-log", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(FLUSH_S)
            if self._lines:
                self.flush()

    def flush(self) -> None:
        """Writes what is waiting."""
        with self._writing:
            while self._lines:
                batch: list[str] = []
                size = 0
                # A pipe takes this much whole or not at all (PIPE_BUF), so lines never mix.
                while self._lines and size + len(self._lines[0]) <= 4096:
                    batch.append(self._lines.popleft())
                    size += len(batch[-1])
                if not batch:
                    batch.append(self._lines.popleft())
                try:
                    os.write(self._descriptor, "".join(batch).encode())
                except OSError:
                    # Nobody reads the log any more: requests go on being served.
                    self._lines.clear()
                    return

    def __call__(self, req: falcon.Request, resp: falcon.Response, status: int, seconds: float) -> None:
        now = time.time()
        whole = int(now)
        if whole != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            self._second = whole
        env = req.env
        context = req.context
        user = context.user
        path = req.path
        if path.startswith(_WITH_CODE):
            path = f"{_WITH_CODE}..."
        # json.dumps of the whole costs three times as much; `quoted` is its own function for a string.
        line = (
            f'{{"time":"{self._stamp}.{int(now * 1000) % 1000:03d}Z","level":"INFO","event":"request"'
            f',"id":"{context.request_id}","method":{quoted(req.method)},"path":{quoted(path)}'
            f',"status":{status},"ms":{seconds * 1000:.2f}'
            f',"user":{quoted(user) if user else "null"},"client":{quoted(env.get("REMOTE_ADDR") or "")}'
            f',"agent":{quoted(env.get("HTTP_USER_AGENT", "")[:200])}}}\n'
        )
        self._lines.append(line)
        if len(self._lines) > MOST_LINES:
            # The reader is slower than the requests: they wait for it, and memory stays bounded.
            self.flush()
