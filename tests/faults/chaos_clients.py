"""Clients that push and pull images as docker does: every request tried again, an upload begun anew."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from cluster import Cluster
from protocol import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, manifest, sha256

T = TypeVar("T")
MIB = 1 << 20
ATTEMPTS = 8
PAUSE_S = 15.0
"""docker waits 5, 10, 15 and 20 s between its attempts; this one asks sooner, and as long."""


class Failed(Exception):
    """What a client reports to its user after its last attempt."""


class Layer:
    """Bytes that nobody keeps: made again from their seed."""

    def __init__(self, seed: int, size: int) -> None:
        self.seed = seed
        self.size = size
        hashed = hashlib.sha256()
        for piece in self:
            hashed.update(piece)
        self.digest = f"sha256:{hashed.hexdigest()}"

    def __iter__(self) -> Iterator[bytes]:
        block = random.Random(self.seed).randbytes(min(self.size, MIB))
        left = self.size
        while left:
            piece = block[:left]
            yield piece
            left -= len(piece)

    def __len__(self) -> int:
        return self.size


@dataclass
class Pushed:
    """An image whose manifest was acknowledged."""

    repository: str
    tag: str
    digest: str
    blobs: list[str]


@dataclass
class Told:
    """What all clients saw."""

    counts: Counter[str] = field(default_factory=Counter)
    pushed: list[Pushed] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        with self.lock:
            self.counts.update(counts)


class Client:
    """One client. `largest`: bytes of the largest layer; small ones are as likely as large ones."""

    def __init__(
        self, cluster: Cluster, auth: tuple[str, str], number: int, told: Told, *, largest: int
    ) -> None:
        self._cluster = cluster
        self._auth = auth
        self._number = number
        self._told = told
        self._largest = largest
        self._random = random.Random(number)
        self._session = requests.Session()
        self._made = 0

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                self.push()
                self.pull(self._random.choice(self._told.pushed))
            except Failed as failed:
                with self._told.lock:
                    self._told.errors.append(str(failed))

    # -- pushing ------------------------------------------------------------------------------

    def push(self) -> None:
        self._made += 1
        repository, tag = f"{self._auth[0]}/c{self._number}-{self._made % 3}", f"v{self._made}"
        size = int(MIB * (self._largest / MIB) ** self._random.random())
        layer = Layer(self._number * 100_000 + self._made, size)
        config = json.dumps({"client": self._number, "image": self._made}).encode()
        self._told.add(bytes=size)
        self._tries(f"push of a layer to {repository}", lambda: self._blob(repository, layer.digest, layer))
        self._tries(
            f"push of a config to {repository}", lambda: self._blob(repository, sha256(config), [config])
        )
        body = manifest((OCI_CONFIG, sha256(config), len(config)), [(OCI_LAYER, layer.digest, size)])

        def put() -> None:
            answer = self._ask(
                "PUT",
                f"{repository}/manifests/{tag}",
                repository,
                data=body,
                headers={"Content-Type": OCI_MANIFEST},
            )
            self._expect(answer, 201)

        self._tries(f"push of {repository}:{tag}", put)
        with self._told.lock:
            self._told.pushed.append(Pushed(repository, tag, sha256(body), [sha256(config), layer.digest]))
        self._told.add(pushes=1)

    def _blob(self, repository: str, digest: str, content: Any) -> None:
        if self._ask("HEAD", f"{repository}/blobs/{digest}", repository).status_code == 200:
            return
        begun = self._ask("POST", f"{repository}/blobs/uploads/", repository)
        self._expect(begun, 202)
        sent = self._ask("PATCH", begun.headers["Location"], repository, data=iter(content))
        self._expect(sent, 202)
        done = self._ask("PUT", sent.headers["Location"], repository, params={"digest": digest})
        self._expect(done, 201)

    # -- pulling ------------------------------------------------------------------------------

    def pull(self, image: Pushed) -> None:
        def get() -> None:
            answer = self._ask("GET", f"{image.repository}/manifests/{image.tag}", image.repository)
            self._expect(answer, 200)
            if sha256(answer.content) != image.digest:
                raise Failed(f"{image.repository}:{image.tag} is {sha256(answer.content)}")

        self._tries(f"pull of {image.repository}:{image.tag}", get)
        for digest in image.blobs:
            self._tries(f"pull of {digest}", lambda digest=digest: self._get(image.repository, digest))  # type: ignore[misc]
        self._told.add(pulls=1)

    def _get(self, repository: str, digest: str) -> None:
        with self._ask("GET", f"{repository}/blobs/{digest}", repository, stream=True) as answer:
            self._expect(answer, 200)
            hashed = hashlib.sha256()
            for piece in answer.iter_content(MIB):
                hashed.update(piece)
        if f"sha256:{hashed.hexdigest()}" != digest:
            raise requests.ConnectionError(f"{digest} came wrong")

    # -- requests -----------------------------------------------------------------------------

    def _ask(self, method: str, path: str, repository: str, **more: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self._cluster.url}/v2/{path}"
        scope = f"repository:{repository}:pull,push"
        headers = {"Authorization": f"Bearer {self._token(scope)}"} | more.pop("headers", {})
        return self._session.request(method, url, headers=headers, timeout=60, **more)

    def _token(self, scope: str) -> str:
        return self._cluster.token(self._auth, scope)

    def _expect(self, answer: requests.Response, status: int) -> None:
        if answer.status_code == status:
            return
        text = f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}"
        ours = str(answer.url).startswith(self._cluster.url)
        if ours and answer.status_code in (500, 401, 403):
            # None of these is the registry's answer to a part that is away; storage itself says 500 then.
            raise Failed(text)
        raise requests.ConnectionError(text)

    def _tries(self, what: str, act: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return act()
            except (requests.RequestException, OSError) as error:
                self._told.add(retries=1)
                if attempt == ATTEMPTS:
                    raise Failed(f"{what}: {error}") from error
                time.sleep(min(PAUSE_S, 0.4 * 2**attempt))
        raise AssertionError("unreachable")
