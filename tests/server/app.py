"""A small WSGI application for the tests of the servers; its factory is named by ServeOptions.target."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from quayframe import serving
from quayframe.errors import RegistryError, StartError
from quayframe.http.admission import Admission, long_requests
from quayframe.http.body import RequestBody

Start = Callable[..., Any]


class _Stream:
    def __init__(self, note: str) -> None:
        self._note = note
        self._left = 400

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._left -= 1
        if not self._left:
            raise StopIteration
        time.sleep(0.02)
        return b"x" * 4096

    def close(self) -> None:
        with open(self._note, "w") as file:
            file.write("closed")


class App:
    def __init__(self) -> None:
        options = serving.read()
        self.data = options.data
        self.admission = Admission(long_requests(options.web_threads))
        self.window = float(os.environ.get("TEST_WINDOW", "30"))
        self.ended: list[str] = []

    def close(self) -> None:
        """What had been answered before the end."""
        (self.data / "ended").write_text(" ".join(self.ended))

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if not self.admission.enter(environ):
            return self._refuse(start, self.admission.refusal())
        try:
            return self._answer(environ, start, environ["PATH_INFO"])
        except RegistryError as error:
            return self._refuse(start, error)
        finally:
            self.admission.leave(environ)

    def _answer(self, environ: dict[str, Any], start: Start, path: str) -> Iterable[bytes]:
        if path == "/pid":
            return self._ok(start, str(os.getpid()))
        if path == "/active":
            return self._ok(start, str(self.admission.active))
        if path == "/environ":
            return self._ok(start, json.dumps(sorted(environ)))
        if path == "/metrics-folder":
            return self._ok(start, os.environ["PROMETHEUS_MULTIPROC_DIR"])
        if path == "/slow":
            time.sleep(2)
            self.ended.append(path)
            return self._ok(start, "slow but whole")
        if path == "/stream":
            start("200 OK", [("Content-Type", "application/octet-stream")])
            return _Stream(str(self.data / "closed"))
        if path == "/upload":
            return self._upload(environ, start)
        return self._ok(start, "hello")

    def _upload(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        body = RequestBody(environ, window=self.window)
        digest = hashlib.sha256()
        try:
            while data := body.read(1 << 20):
                digest.update(data)
        finally:
            body.close()
            # what the store would have: survives an answer that never arrives
            (self.data / "received").write_text(str(body.received))
        return self._ok(start, digest.hexdigest())

    def _ok(self, start: Start, text: str) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        return [text.encode()]

    def _refuse(self, start: Start, error: RegistryError) -> list[bytes]:
        body = json.dumps({"code": error.code, "message": error.text}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start(f"{error.status} Refused", headers + list(error.headers.items()))
        return [body]


def create() -> App:
    if reason := os.environ.get("TEST_START_FAILS"):
        raise StartError(reason)
    return App()
