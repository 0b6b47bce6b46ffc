"""What `quayframe serve` was told, and how its child processes learn it: by environment variables."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from quayframe.errors import ConfigError

ServerName = Literal["granian", "gunicorn"]
Part = Literal["web", "worker"]

CONFIG = "QUAYFRAME_CONFIG"
DATA = "QUAYFRAME_DATA"
BIND = "QUAYFRAME_BIND"
SERVER = "QUAYFRAME_SERVER"
ONLY = "QUAYFRAME_ONLY"
WORKERS = "QUAYFRAME_WORKERS"
THREADS = "QUAYFRAME_THREADS"
CERT = "QUAYFRAME_CERT"
KEY = "QUAYFRAME_KEY"
TARGET = "QUAYFRAME_TARGET"
STOP_SECONDS = "QUAYFRAME_STOP_SECONDS"
SUPERVISOR = "QUAYFRAME_SUPERVISOR"
"""The process id of the `quayframe serve` that runs a child."""
NAMES = frozenset(
    {CONFIG, DATA, BIND, SERVER, ONLY, WORKERS, THREADS, CERT, KEY, TARGET, STOP_SECONDS, SUPERVISOR}
)
METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The folder that prometheus-client shares its numbers in; the name is that library's."""

START_FAILED = 3
"""Exit status of a child that cannot start and has said why; gunicorn's own for the same."""

DEFAULT_THREADS: dict[ServerName, int] = {
    # Granian makes threads when they are needed, so many cost nothing until clients are slow.
    "granian": 256,
    "gunicorn": 64,
}


@dataclass(frozen=True)
class ServeOptions:
    """The options of `quayframe serve`.

    :param port: 0 = a free one.
    :param only: run this part alone; None = both.
    :param workers: web worker processes; None = one more than cores.
    :param threads: threads of a web worker; 0 = the server's default (DEFAULT_THREADS).
    :param cert: PEM file, with `key`: serve TLS.
    :param target: the factory of the WSGI callable.
    :param worker_command: the background worker's command; empty = this package's.
    :param stop_seconds: how long requests in flight may take to end when the server is told to stop.
    """

    config: Path | None = None
    data: Path = Path("quayframe-data")
    host: str = "127.0.0.1"
    port: int = 8080
    server: ServerName = "granian"
    only: Part | None = None
    workers: int | None = None
    threads: int = 0
    cert: Path | None = None
    key: Path | None = None
    target: str = "quayframe.wsgi:create"
    worker_command: tuple[str, ...] = ()
    stop_seconds: int = 60

    @property
    def web_workers(self) -> int:
        # One more than cores: threads of one process hand the interpreter's lock to each other at every
        # query, and with fewer of them in each process a pull costs a fifth less (measured on 2 cores).
        return self.workers or len(os.sched_getaffinity(0)) + 1

    @property
    def web_threads(self) -> int:
        return self.threads or DEFAULT_THREADS[self.server]

    @property
    def background(self) -> tuple[str, ...]:
        return self.worker_command or (sys.executable, "-m", "quayframe", "worker-process")

    @property
    def tls(self) -> bool:
        return self.cert is not None and self.key is not None


def variables(options: ServeOptions) -> dict[str, str]:
    """The options as environment variables; one that says nothing is absent. Paths are made absolute."""
    said = {
        CONFIG: options.config and options.config.absolute(),
        DATA: options.data.absolute(),
        BIND: format_bind(options.host, options.port),
        SERVER: options.server,
        ONLY: options.only,
        WORKERS: options.workers,
        THREADS: options.threads or None,
        CERT: options.cert and options.cert.absolute(),
        KEY: options.key and options.key.absolute(),
        TARGET: options.target,
        STOP_SECONDS: options.stop_seconds,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def read(environ: Mapping[str, str] | None = None) -> ServeOptions:
    """The options out of the environment (os.environ unless given); what is not said is the default.

    :raises ConfigError: a value that cannot be read.
    """
    env = os.environ if environ is None else environ
    default = ServeOptions()
    host, port = parse_bind(env.get(BIND, format_bind(default.host, default.port)))
    server = env.get(SERVER, default.server)
    if server not in DEFAULT_THREADS:
        raise ConfigError(f"{SERVER}={server}: granian and gunicorn are known")
    only = env.get(ONLY)
    if only not in (None, "web", "worker"):
        raise ConfigError(f"{ONLY}={only}: web and worker are known")
    return ServeOptions(
        config=_path(env.get(CONFIG)),
        data=_path(env.get(DATA)) or default.data,
        host=host,
        port=port,
        server=server,
        only=cast("Part | None", only),
        workers=_number(env, WORKERS, 0) or None,
        threads=_number(env, THREADS, 0),
        cert=_path(env.get(CERT)),
        key=_path(env.get(KEY)),
        target=env.get(TARGET, default.target),
        stop_seconds=_number(env, STOP_SECONDS, default.stop_seconds),
    )


def supervisor() -> int | None:
    """The process id of the `quayframe serve` that runs this process; None where none does."""
    return _number(os.environ, SUPERVISOR, 0) or None


def end(pid: int) -> None:
    """Tells a supervisor to end what it runs, each when it has done what is under way, and then itself."""
    os.kill(pid, signal.SIGTERM)


def parse_bind(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT` or `:PORT` (every address) → (host, port).

    :raises ConfigError: anything else.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    known = bool(colon) and port.isascii() and port.isdigit() and int(port) <= 65535
    if not known or (":" in bare and bare == host):
        raise ConfigError(f"{text}: expected HOST:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080")
    return bare or "0.0.0.0", int(port)  # noqa: S104 - asked for by the empty host


def format_bind(host: str, port: int) -> str:
    """The inverse of parse_bind."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"{name}={text}: expected a number")
    return int(text)
