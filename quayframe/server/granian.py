"""The default server: Granian, HTTP in Rust, the application in a pool of threads.

Facts (granian 2.8, by experiment) that the settings answer to:

- `backpressure` counts connections of a worker, also idle ones; beyond it none is accepted.
- `max_buffer_size` limits the request's head, answered with 431; so does a hundred header fields.
- It answers `Expect: 100-continue` when the body is first read, so a refusal comes before the body.
- A response to a request whose body nobody reads closes the connection; but while a thread waits in a read,
  the connection stays, answered or not, until the client closes it (see cutting.py).
- environ has no REMOTE_PORT, and the application never sees the socket.
- It waits for signals in its main thread's wait for an event. Any thread may be the one that takes a signal
  from the kernel, and then nothing wakes that wait: hence interrupts.py.
- With `SO_REUSEPORT` each worker has its own queue of connections; what waits in that of a worker that dies
  is reset.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from granian import _signals
from granian._granian import WorkerSignal
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.errors import ConfigurationError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import mp

from quayframe.errors import StartError
from quayframe.http.body import ABORT
from quayframe.server.cutting import cut
from quayframe.server.interrupts import forget_interrupts, on_interrupt
from quayframe.server.loading import end, load
from quayframe.server.process import forget_metrics, tied_to
from quayframe.serving import METRICS, START_FAILED, ServeOptions

CONNECTIONS = 4096
"""Connections of a worker, idle ones included."""
HEAD_BYTES = 408 * 1024
"""The HTTP library's own figure: it is also what is received at once, and less slows uploads."""
IDLE_MILLISECONDS = 75_000
"""How long a connection may be idle, and a request's head may take."""
_LOG_HANDLERS = {
    # Granian's own messages; its default is standard output, which is for those who started the registry
    name: {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}
    for name in ("console", "access")
}
_SHORT_LIFE = 2.0
_SHORT_LIVES = 3

StartResponse = Callable[..., None]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def serve(options: ServeOptions) -> int:
    """Serve until SIGTERM or SIGINT; requests in flight end first. The exit status.

    :raises StartError: an option that Granian refuses.
    """
    try:
        server = Server(
            target=options.target,
            address=options.host,
            port=options.port,
            interface=Interfaces.WSGI,
            workers=options.web_workers,
            blocking_threads=options.web_threads,
            backlog=2048,
            backpressure=CONNECTIONS,
            # a stream of HTTP/2 cannot be cut without its neighbours
            http=HTTPModes.http1,
            websockets=False,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_MILLISECONDS, max_buffer_size=HEAD_BYTES),
            log_access=False,
            log_level=LogLevels.error,
            log_dictconfig={"handlers": _LOG_HANDLERS},
            ssl_cert=options.cert,
            ssl_key=options.key,
            ssl_protocol_min=SSLProtocols.tls12,
            respawn_failed_workers=True,
            workers_kill_timeout=options.stop_seconds,
        )
        server.serve(spawn_target=partial(_work, os.getpid()), target_loader=load)
    except (ConfigurationError, OSError) as error:
        raise StartError(f"Granian cannot start: {error}") from error
    return START_FAILED if server.unable else 0


class Server(mp.MPServer):
    """Granian's own server gives up when a worker dies twice within seconds. This one tells a worker that
    cannot start (give up: the supervisor knows what to do) from one that was killed (another one, at once).
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.unable = False
        self._short_lives: dict[int, int] = {}

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        os.register_at_fork(after_in_child=forget_interrupts)
        # before the workers, because Granian's own handlers come first in there
        on_interrupt(self.signal_handler_interrupt)
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _respawn_workers(
        self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        for index in workers:
            dead = self.wrks[index]
            forget_metrics(os.environ.get(METRICS), dead.inner.pid)
            short = time.monotonic() - dead.birth < _SHORT_LIFE
            self._short_lives[index] = self._short_lives.get(index, 0) + 1 if short else 0
            if dead.inner.exitcode == START_FAILED or self._short_lives[index] > _SHORT_LIVES:
                self.unable = True
                self.interrupt_signal = True
                self.main_loop_interrupt.set()
                return
        super()._respawn_workers(workers, spawn_target, target_loader, delay)
        # what Granian counts crash loops by
        self.respawned_wrks.clear()


def _work(parent: int, *arguments: Any) -> None:
    """A worker process, from its fork on."""
    tied_to(parent)()
    served: list[Application] = []

    def handler(application: Application, *options: Any) -> Callable[..., int]:
        served.append(application)
        return _handler(application, *options)

    # Granian's wrapper keeps the handle of the request to itself; ours hands the application a way to answer
    # from another thread.
    vars(mp)["_wsgi_call_wrap"] = handler
    vars(_signals)["set_sync_signals"] = _worker_signal
    mp.MPServer._spawn_wsgi_worker(*arguments)
    for application in served:
        end(application)


def _worker_signal() -> WorkerSignal:
    """What tells a worker to stop taking connections, end its requests, and leave."""
    stop = WorkerSignal()
    on_interrupt(stop.set)
    return stop


def _handler(application: Application, scope_options: Any, log_format: Any = None) -> Callable[..., int]:
    """Granian's callback for one request, made of a WSGI application.

    The environment variables of the process are not in the request's environ, as they hold secrets.
    """
    basic: dict[str, Any] = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SCRIPT_NAME": "",
        "SERVER_SOFTWARE": "Granian",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": True,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
    }

    def handle(proto: Any, scope: dict[str, Any]) -> int:
        started = _Started()
        environ = basic | scope
        # of two answers the second is ignored
        environ[ABORT] = partial(cut, proto, environ["REMOTE_ADDR"])
        chunks = application(environ, started)
        if isinstance(chunks, list):
            proto.response_bytes(started.status, started.headers, b"".join(chunks))
        else:
            proto.response_iter(started.status, started.headers, _Chunks(chunks))
        return started.status

    return handle


class _Started:
    """What start_response was given."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        self.status = int(status[:3])
        self.headers = headers


class _Chunks:
    """Granian calls `close` in any case; an iterable need not have one."""

    __slots__ = ("__next__", "_chunks")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.__next__ = iter(chunks).__next__

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
