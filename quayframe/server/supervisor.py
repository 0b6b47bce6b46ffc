"""`quayframe serve`: the web server and the background worker beside it, started and stopped together.

It stays small: it imports nothing of the application and has one thread, so that signals, deaths and
the kernel's tie between it and its children have one place.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

from quayframe import serving
from quayframe.errors import StartError
from quayframe.server.bind import reserve
from quayframe.server.children import Child
from quayframe.server.process import alive, raise_open_files, tied_to
from quayframe.serving import ServeOptions, format_bind, variables

_POLL = 0.03
_IDLE = 60.0
_MARGIN = 5
"""Seconds beyond stop_seconds, in which a web server ends its own workers."""
_WORKER_LATEST = 10.0
"""Seconds after which the background worker starts though the web server has not answered."""

Ready = Callable[[str], None]


def serve(options: ServeOptions, on_ready: Ready) -> int:
    """Run until SIGTERM or SIGINT; a second one does not wait for requests in flight. The exit status.

    :param on_ready: called once with the URL, when the port has answered; not with `only="worker"`.
    :raises StartError: the address cannot be had, the options do not fit, or a part cannot start.
    """
    _check(options)
    raise_open_files()
    with contextlib.ExitStack() as stack:
        if options.only != "worker":
            reservation = reserve(options.host, options.port)
            stack.callback(reservation.close)
            options = replace(options, host=reservation.host, port=reservation.port)
        metrics = _metrics_folder(options.data)
        stack.callback(shutil.rmtree, metrics, ignore_errors=True)
        return _Supervisor(options, metrics, on_ready).run()


def _check(options: ServeOptions) -> None:
    if (options.cert is None) != (options.key is None):
        raise StartError("TLS needs both a certificate and a key")
    for file in (options.cert, options.key):
        if file is not None and not os.access(file, os.R_OK):
            raise StartError(f"{file}: cannot be read")
    if options.cert is not None and options.key is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.cert, options.key)
        except (ssl.SSLError, OSError) as error:
            raise StartError(
                f"{options.cert} and {options.key} are no certificate and its key: {error}"
            ) from None


def _metrics_folder(data: Path) -> Path:
    """A fresh folder for this run's numbers; those of runs that were killed are removed."""
    parent = data.absolute() / "run"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob("metrics-*"):
            pid = old.name.removeprefix("metrics-")
            if pid.isdigit() and (int(pid) == os.getpid() or not alive(int(pid))):
                shutil.rmtree(old, ignore_errors=True)
        folder = parent / f"metrics-{os.getpid()}"
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StartError(f"{parent}: {error.strerror or error}") from None
    return folder


class _Supervisor:
    def __init__(self, options: ServeOptions, metrics: Path, on_ready: Ready) -> None:
        self._options = options
        self._on_ready = on_ready
        self._stops = 0
        self._ready = False
        said = variables(options)
        # an option from outside must not be taken for one that was asked for
        inherited = {name: text for name, text in os.environ.items() if name not in serving.NAMES}
        env = inherited | said | {serving.METRICS: str(metrics), serving.SUPERVISOR: str(os.getpid())}
        tie = tied_to(os.getpid())
        self._web = Child("web server", (sys.executable, "-m", "quayframe.server"), env, tie)
        self._worker = Child("background worker", options.background, env, tie)
        wanted = {"web": [self._web], "worker": [self._worker], None: [self._web, self._worker]}
        self._children = wanted[options.only]

    def run(self) -> int:
        with _signals(self._on_signal) as wake:
            # The web server first: it answers sooner for it, and the worker finds the database made.
            self._children[0].start()
            begun = time.monotonic()
            failure: str | None = None
            while not self._stops and failure is None:
                _sleep(wake, self._timeout())
                if not self._stops:
                    failure = self._step(time.monotonic() - begun)
            self._stop(wake)
        if failure is not None:
            raise StartError(failure)
        return 0

    def _on_signal(self) -> None:
        self._stops += 1

    def _timeout(self) -> float:
        """Seconds that there is nothing to do, unless a signal comes."""
        if self._web in self._children and not self._ready:
            return _POLL
        return min(
            (child.wait() or 0.0 for child in self._children if child.wait() is not None), default=_IDLE
        )

    def _step(self, age: float) -> str | None:
        """Restart what is due, look whether the port answers. The reason where the start has failed."""
        for child in self._children:
            if child.ended() and not self._started(child):
                return f"the {child.name} cannot start; its own message is above"
            if child.wait() == 0.0:
                child.start()
        if self._web in self._children and not self._ready and self._web.running:
            self._ready = _answers(self._options)
            if self._ready:
                self._on_ready(_url(self._options))
        waiting = not self._worker.running and self._worker.status is None
        if self._worker in self._children and waiting and (self._ready or age > _WORKER_LATEST):
            self._worker.start()
        return None

    def _started(self, child: Child) -> bool:
        """Whether a child's end is a matter of restarting it, or of a start that has failed."""
        if child is self._web:
            return self._ready
        return child.status != serving.START_FAILED

    def _stop(self, wake: int) -> None:
        for child in self._children:
            child.stop()
        deadline = time.monotonic() + self._options.stop_seconds + _MARGIN
        while not all(child.gone() for child in self._children):
            left = deadline - time.monotonic()
            if left <= 0 or self._stops > 1:
                break
            _sleep(wake, min(left, 1.0))
        for child in self._children:
            child.kill()


@contextlib.contextmanager
def _signals(on_stop: Callable[[], None]) -> Iterator[int]:
    """Signals as bytes in a pipe, so that waiting for one has no race; gives the pipe's reading end."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        on_stop()

    def note(_number: int, _frame: FrameType | None) -> None:
        return None

    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGCHLD: note}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield read_end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(read_end)
        os.close(write_end)


def _sleep(wake: int, seconds: float) -> None:
    """Until a signal came, at most so long."""
    ready, _, _ = select.select([wake], [], [], seconds)
    if ready:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)


def _host_to_ask(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison


def _url(options: ServeOptions) -> str:
    scheme = "https" if options.tls else "http"
    return f"{scheme}://{format_bind(_host_to_ask(options.host), options.port)}"


def _answers(options: ServeOptions) -> bool:
    """Whether the port gives any HTTP answer."""
    host = _host_to_ask(options.host)
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((host, options.port), timeout=2))
            connection = plain
            if options.tls:
                context = ssl.create_default_context()
                # it asks itself, by an address that no certificate names
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                connection = stack.enter_context(context.wrap_socket(plain))
            connection.sendall(
                b"GET /health/instance HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False
