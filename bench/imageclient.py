"""Pushes and pulls small images, in a process of its own: reads a job as a line of JSON on standard input and
prints what it saw as JSON.

The job says `port`, `headers`, `repository`, `layers` (of each image) and `images`: that many are pushed,
under tags of their own, and that is all; 0 = it pushes and pulls without pause until standard input ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from bench.blobclient import Connection
from bench.content import MANIFEST, digest_of, image

LAYER_BYTES = 1000
PULLS = 5
"""Of each image that was pushed."""
TAGS = 5
"""They move from image to image."""
BYTES = "application/octet-stream"


class Client:
    """One client with one connection. A request that fails is noted, and the next begun."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._port = int(job["port"])
        self._headers: dict[str, str] = {"Accept": MANIFEST} | job["headers"]
        self._base = f"/v2/{job['repository']}/"
        self._layers = int(job["layers"])
        self._connection: Connection | None = None
        self._blobs: list[str] = []
        self.seen: dict[str, list[tuple[float, float]]] = {"push": [], "pull": [], "manifest": []}
        self.failures: list[str] = []

    def push(self, tag: str) -> None:
        """An image that nobody has seen."""
        layers = [os.urandom(LAYER_BYTES) for _ in range(self._layers)]
        config = json.dumps({"architecture": "amd64", "os": "linux", "of": os.urandom(8).hex()}).encode()
        begun = time.monotonic()
        for data in (config, *layers):
            where = self._ask("POST", "blobs/uploads/", 202)["location"]
            where = "/" + where.split("/", 3)[3] if where.startswith("http://") else where
            where += ("&" if "?" in where else "?") + "digest=" + digest_of(data)
            self._ask("PUT", where, 201, data, BYTES)
        self._ask("PUT", f"manifests/{tag}", 201, image(layers, config), MANIFEST)
        self._note("push", begun)
        self._blobs = [digest_of(data) for data in (config, *layers)]

    def pull(self, tag: str) -> None:
        """The image that was pushed last: its manifest by tag, then each of its blobs."""
        begun = time.monotonic()
        self._ask("GET", f"manifests/{tag}", 200)
        self._note("manifest", begun)
        for digest in self._blobs:
            self._ask("GET", f"blobs/{digest}", 200)
        self._note("pull", begun)

    def run(self, stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            tag = f"t{number % TAGS}"
            number += 1
            if self._try(self.push, tag):
                for _ in range(PULLS):
                    self._try(self.pull, tag)

    def fill(self, images: int) -> None:
        for number in range(images):
            self._try(self.push, f"{os.getpid()}-{number}")

    def _try(self, act: Any, tag: str) -> bool:
        try:
            act(tag)
        except (OSError, RuntimeError) as error:
            self.failures.append(f"{act.__name__}: {error}")
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            return False
        return True

    def _ask(
        self, method: str, path: str, expected: int, body: bytes = b"", kind: str = ""
    ) -> dict[str, str]:
        if self._connection is None:
            self._connection = Connection(self._port, self._headers)
        path = path if path.startswith("/") else self._base + path
        return self._connection.ask(method, path, expected, body, kind)

    def _note(self, what: str, begun: float) -> None:
        now = time.monotonic()
        self.seen[what].append((now, now - begun))


def _until_closed(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main() -> int:
    job = json.loads(sys.stdin.readline())
    client = Client(job)
    if job["images"]:
        client.fill(job["images"])
    else:
        stop = threading.Event()
        threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
        client.run(stop)
    print(json.dumps({"seen": client.seen, "failures": client.failures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
