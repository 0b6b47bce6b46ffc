"""The second server: gunicorn with its gthread worker, for operators whose tooling expects it.

Facts (gunicorn 26, by its source and by experiment) that the worker class answers to:

- A connection without a request holds a thread for 5 s, and one whose body was refused for up to 5 s more.
- A connection is closed on the loop that accepts, which waits up to 2 s for the client to close its side.
- A worker that ends its requests still holds the listening socket, so that clients queue up for nobody.
- `Expect: 100-continue` is answered before the application is called.
"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from quayframe.errors import StartError
from quayframe.server.loading import end, load
from quayframe.server.process import forget_metrics, tied_to
from quayframe.serving import METRICS, ServeOptions, format_bind

CONNECTIONS = 4096
IDLE_SECONDS = 75
FIELD_BYTES = 32 * 1024
"""One header field; a bearer token with many scopes is long."""


_DATA_SECONDS = 0.01
_LINGER_SECONDS = 2.0


class _Lingering:
    """Closes sockets a while after their last answer.

    A close with bytes of the client unread resets the connection, and with it an answer still on its way.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[float, socket.socket]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="lingering", daemon=True).start()

    def close(self, connection: socket.socket) -> None:
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            connection.close()
            return
        self._waiting.put((time.monotonic() + _LINGER_SECONDS, connection))

    def _run(self) -> None:
        while True:
            due, connection = self._waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            connection.close()


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with its loop and its threads free whatever a client does."""

    def init_process(self) -> None:
        gthread.DEFAULT_WORKER_DATA_TIMEOUT = _DATA_SECONDS
        self._lingering = _Lingering()
        super().init_process()

    def handle(self, conn: Any) -> Any:
        result = super().handle(conn)
        if not result:
            self._lingering.close(conn.sock)
            conn.close = _closed
        return result

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()


def _closed(graceful: bool = False) -> None:
    """Stands for the close of a connection that is closed already."""


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in settings(self._options).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return load(self._options.target)


def settings(options: ServeOptions) -> dict[str, Any]:
    """gunicorn's settings by their names."""
    parent = os.getpid()

    def after_fork(_arbiter: Any, _worker: Any) -> None:
        tied_to(parent)()

    def at_end(_arbiter: Any, worker: Any) -> None:
        # None where the application could not be made
        end(getattr(worker, "wsgi", None))

    def after_exit(_arbiter: Any, worker: Any) -> None:
        forget_metrics(os.environ.get(METRICS), worker.pid)

    return {
        "bind": format_bind(options.host, options.port),
        # the supervisor holds the port
        "reuse_port": True,
        "workers": options.web_workers,
        "threads": options.web_threads,
        "worker_class": Worker,
        "worker_connections": CONNECTIONS,
        "backlog": 2048,
        "http_parser": "fast",
        "keepalive": IDLE_SECONDS,
        "timeout": 60,
        "graceful_timeout": options.stop_seconds,
        "limit_request_field_size": FIELD_BYTES,
        "loglevel": "warning",
        "accesslog": None,
        "control_socket_disable": True,
        "certfile": None if options.cert is None else str(options.cert),
        "keyfile": None if options.key is None else str(options.key),
        "ssl_context": _tls,
        "post_fork": after_fork,
        "worker_exit": at_end,
        "child_exit": after_exit,
    }


def _tls(_config: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def serve(options: ServeOptions) -> int:
    """Serve until SIGTERM or SIGINT; requests in flight end first. The exit status.

    :raises StartError: an option that gunicorn refuses.
    """
    try:
        _Application(options).run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (OSError, ValueError) as error:
        raise StartError(f"gunicorn cannot start: {error}") from error
    return 0
