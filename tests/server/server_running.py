"""A running server as the tests see it: its address, its processes, its answers."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = (sys.executable, "-c", "import time; time.sleep(1000)")


def wait_for(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The condition's first true value; fails when it has none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def descendants(pid: int) -> list[int]:
    """Ids of the children of a process, and theirs."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found += [int(folder.name), *descendants(int(folder.name))]
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def gone(pid: int) -> bool:
    """Whether the process is dead, or dead and not yet collected by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Running:
    """A supervisor that has said it is ready."""

    process: subprocess.Popen[str]
    url: str
    data: Path

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 0)

    def get(self, path: str, timeout: float = 10) -> str:
        """The body of the answer to a GET on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        if self.url.startswith("https"):
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def try_get(self, path: str) -> str:
        """The same, "" where there is no answer."""
        try:
            return self.get(path)
        except (OSError, http.client.HTTPException):
            return ""

    def connect(self, timeout: float = 15) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def begin_upload(self, length: int | None, sent: bytes = b"", timeout: float = 15) -> socket.socket:
        """A connection with a PUT's head, and the first bytes of its body, sent; chunked without a length."""
        connection = self.connect(timeout)
        kind = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        connection.sendall(f"PUT /upload HTTP/1.1\r\nHost: x\r\n{kind}\r\n\r\n".encode() + sent)
        return connection

    def pid(self) -> int:
        return int(self.get("/pid"))

    def child(self, mark: str) -> int:
        """The id of the supervisor's own child whose command line has the mark."""
        for pid in descendants(self.process.pid):
            try:
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                # It ended since it was listed.
                continue
            if int(parent) == self.process.pid and mark in command_line(pid):
                return pid
        return 0


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """(status, headers with lower-case names, body) of the answer on a connection, which is then closed."""
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()


Launch = Callable[..., Running]
