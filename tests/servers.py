"""Real servers for tests: PostgreSQL, MariaDB, Redis, on free ports of 127.0.0.1, in folders of their own.

`shared` gives one server to all workers of a run of pytest-xdist; the last one to leave ends it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import pytest

DEADLINE_S = 60
PASSWORD = "secret"

S = TypeVar("S", bound="Server")


class Missing(Exception):
    """A program that the server needs is not installed; the text names it."""


@dataclasses.dataclass
class Server:
    """A server under way, or one that `stop` has ended and `start` brings back with its data."""

    folder: str
    port: int
    pid: int = 0

    program: ClassVar[str]
    """What a person would install."""
    user: ClassVar[str]
    """Whom it runs as when the tests run as root."""
    passing: ClassVar[str] = "nothing that a log says"
    """What it says when it cannot start yet."""

    @classmethod
    def new(cls) -> Self:
        """A new, empty server, started. Raises Missing."""
        cls.find()
        folder = tempfile.mkdtemp(prefix=f"quayframe-{cls.__name__.lower()}-")
        server = cls(folder, free_port())
        try:
            if account := cls.account():
                shutil.chown(folder, account)
            server.make()
            server.start()
        except BaseException:
            server.remove()
            raise
        return server

    @classmethod
    def find(cls) -> None:
        """Raises Missing when the programs are not there."""
        raise NotImplementedError

    @classmethod
    def account(cls) -> str | None:
        """The account to run as; None for our own."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(cls.user).pw_name
        except KeyError:
            return None

    def make(self) -> None:
        """Fills the folder."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self, within_s: float = DEADLINE_S) -> None:
        log = os.path.join(self.folder, "log")
        with open(log, "ab") as out:
            process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                user=self.account(), start_new_session=True, cwd=self.folder,
            )  # fmt: skip
        self.pid = process.pid
        until = time.monotonic() + within_s
        while not self.ready():
            if process.poll() is not None or time.monotonic() > until:
                self.stop(signal.SIGKILL)
                tail = Path(log).read_text(errors="replace")[-2000:]
                if self.passing in tail.rpartition("starting")[2] and time.monotonic() < until:
                    return self.start(until - time.monotonic())
                raise RuntimeError(f"{self.program} did not start:\n{tail}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it, and returns when it has ended."""
        pid, self.pid = self.pid, 0
        if not pid:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        until = time.monotonic() + DEADLINE_S
        while _lives(pid):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def run(self, *command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, user=self.account(), cwd=self.folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")


class Postgresql(Server):
    program = "PostgreSQL"
    user = "postgres"
    # After a kill its children take a moment to notice.
    passing = "is still in use"

    @classmethod
    def find(cls) -> None:
        for name in ("initdb", "postgres"):
            cls.binary(name)

    @staticmethod
    def binary(name: str) -> str:
        # Debian keeps them out of PATH; the newest last.
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
        if found is None:
            raise Missing(f"PostgreSQL ({name})")
        return found

    def make(self) -> None:
        self.run(
            self.binary("initdb"), "-D", self.path("data"), "-U", "quayframe", "-A", "trust",
            "--no-sync", "-E", "UTF8", "--locale=C.UTF-8",
        )  # fmt: skip

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
            "max_connections": 200, "fsync": "off", "shared_buffers": "32MB",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.binary("postgres"), "-D", self.path("data"), *options]

    def ready(self) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def execute(self, sql: Any) -> None:
        import psycopg

        with psycopg.connect(self.uri("postgres"), autocommit=True, connect_timeout=5) as conn:
            conn.execute(sql)

    def uri(self, database: str) -> str:
        return f"postgresql://quayframe@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template0") -> str:
        """The URI of a new database."""
        name = f"t{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.uri(name)


class Mariadb(Server):
    program = "MariaDB"
    user = "mysql"

    @classmethod
    def find(cls) -> None:
        for name in ("mariadb-install-db", "mariadbd"):
            cls.binary(name)

    @staticmethod
    def binary(name: str) -> str:
        found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
        if found is None:
            raise Missing(f"MariaDB ({name})")
        return found

    def make(self) -> None:
        self.run(
            self.binary("mariadb-install-db"), "--no-defaults", f"--datadir={self.path('data')}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        # Read at each start: the account of the tests.
        init = Path(self.path("init.sql"))
        init.write_text(
            f"CREATE USER IF NOT EXISTS quayframe@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            "GRANT ALL ON *.* TO quayframe@'127.0.0.1';\n".replace(";", ";\n")
        )
        init.chmod(0o644)

    def command(self) -> list[str]:
        return [
            self.binary("mariadbd"), "--no-defaults", f"--datadir={self.path('data')}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.path('sock')}",
            f"--pid-file={self.path('pid')}", f"--init-file={self.path('init.sql')}", "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync", "--innodb-file-per-table=0", "--max-connections=200",
            "--character-set-server=latin1",
        ]  # fmt: skip

    def ready(self) -> bool:
        import pymysql  # type: ignore[import-untyped]

        with suppress(pymysql.MySQLError):
            self.execute("SELECT 1")
            return True
        return False

    def execute(self, sql: str) -> None:
        import pymysql

        conn = pymysql.connect(
            host="127.0.0.1", port=self.port, user="quayframe", password=PASSWORD, autocommit=True
        )
        try:
            with conn.cursor() as cursor:
                cursor.execute(sql)
        finally:
            conn.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        super().stop(signal.SIGTERM if how is signal.SIGINT else how)

    def uri(self, database: str) -> str:
        return f"mysql+pymysql://quayframe:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URI of a new database."""
        name = f"t{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.uri(name)


class Redis(Server):
    program = "Redis"
    user = "redis"

    @classmethod
    def find(cls) -> None:
        if shutil.which("redis-server") is None:
            raise Missing("Redis (redis-server)")

    def command(self) -> list[str]:
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", self.folder,
        ]  # fmt: skip

    def ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as conn:
            conn.sendall(b"PING\r\n")
            return conn.recv(16).startswith(b"+PONG")
        return False

    def uri(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"


@contextmanager
def shared(kind: type[S], folder: Path) -> Iterator[S]:
    """The one server of this kind for all processes that name the same folder."""
    record = folder / f"{kind.__name__.lower()}.json"
    with _locked(record) as (load, save):
        state = load() or {"server": dataclasses.asdict(kind.new()), "users": 0}
        save({**state, "users": state["users"] + 1})
    server = kind(**state["server"])
    try:
        yield server
    finally:
        with _locked(record) as (load, save):
            state = load()
            state["users"] -= 1
            if not state["users"]:
                server.remove()
                state = {}
            save(state)


@contextmanager
def _locked(
    record: Path,
) -> Iterator[tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], object]]]:
    with open(f"{record}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield (
            lambda: json.loads(record.read_text()) if record.exists() else {},
            lambda state: record.write_text(json.dumps(state)),
        )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _lives(pid: int) -> bool:
    """Whether a process still runs; a child of ours that has ended is taken away."""
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    try:
        # Started by another worker: ended, though its parent has not looked yet, is state Z.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def without(program: Missing) -> None:
    """Skips a test whose server is not installed; in CI that is a failure."""
    message = f"not installed: {program}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
