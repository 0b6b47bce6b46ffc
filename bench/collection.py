"""Garbage collection beside clients: 5,000 blobs lose their last reason in one moment, while four clients
push and pull without pause. No peer collects while it serves."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.api import SignedIn
from bench.report import Line, Results, at_most
from bench.subjects import OURS, Quayframe, Subject

CLIENTS = 4
IMAGES = 500
LAYERS = 9
"""Of each, and a configuration."""
BLOBS = IMAGES * (LAYERS + 1)
ORGANIZATION = "retired"
REPOSITORY = f"{ORGANIZATION}/images"
HOLD_S = 5
"""So long the collector leaves blobs alone whose last manifest has gone."""
WARM_S = 3.0
QUIET_S = 20.0
"""So long the clients are watched before."""
PATIENCE_S = 110.0
POLL_S = 0.2
CONFIG = {
    # What is in the trash is due at once, not when the longest download has ended.
    "TESTING": True,
    "PUSH_TEMP_TAG_EXPIRATION_SEC": HOLD_S,
    "GARBAGE_COLLECTION_FREQUENCY": 1,
}
_ROOT = Path(__file__).resolve().parent.parent
Span = tuple[float, float]
"""Two moments of the monotonic clock."""


@dataclass(frozen=True)
class Seen:
    """What the clients saw: (moment of the end, seconds) of each act, and what failed."""

    acts: dict[str, list[Span]]
    failures: list[str]

    def p99_ms(self, what: str, spans: list[Span]) -> float:
        """Of those that ended within `spans`. Raises RuntimeError where none did."""
        took = sorted(s for at, s in self.acts[what] if any(begin <= at < end for begin, end in spans))
        if not took:
            raise RuntimeError(f"no client ended a {what} in {spans}")
        return took[len(took) * 99 // 100] * 1000


class Clients:
    """Processes of imageclient.py, one for each of the repositories."""

    def __init__(self, subject: Quayframe, repositories: list[str], layers: int, images: int) -> None:
        self._running = [self._start(subject, name, layers, images) for name in repositories]

    @staticmethod
    def _start(subject: Quayframe, name: str, layers: int, images: int) -> subprocess.Popen[str]:
        job = {"port": subject.port, "headers": bearer(subject, name), "repository": name}
        command = [sys.executable, "-m", "bench.imageclient"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job | {"layers": layers, "images": images}) + "\n")
        process.stdin.flush()
        return process

    def end(self) -> Seen:
        """Has them stop, or waits until they have pushed what they were to push. Raises RuntimeError."""
        acts: dict[str, list[Span]] = {}
        failures: list[str] = []
        for process in self._running:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._running:
            assert process.stdout is not None
            said = process.stdout.read()
            if process.wait() != 0:
                raise RuntimeError("a client died")
            one = json.loads(said)
            failures += one["failures"]
            for what, found in one["seen"].items():
                acts.setdefault(what, []).extend((at, seconds) for at, seconds in found)
        return Seen(acts, failures)

    def kill(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


class Doomed:
    """The rows and files of all that is there now."""

    def __init__(self, data: Path) -> None:
        self._database = data / "quayframe.db"
        (self._manifest,) = self._row("SELECT MAX(id) FROM manifest")
        (self._blob,) = self._row("SELECT MAX(id) FROM stored_blob")
        with closing(self._open()) as database:
            keys = database.execute("SELECT storage_key FROM blob_placement").fetchall()
        self._files = [data / "storage" / key for (key,) in keys]
        self.at_first = self.left()
        if self.at_first != (IMAGES, BLOBS, BLOBS):
            raise RuntimeError(f"manifests, blobs and files to be collected: {self.at_first}")

    def left(self) -> tuple[int, int, int]:
        """(rows of manifests, rows of blobs, files) that are still there."""
        # Ids are never used twice.
        manifests, blobs = self._row(
            "SELECT (SELECT COUNT(*) FROM manifest WHERE id <= ?),"
            " (SELECT COUNT(*) FROM stored_blob WHERE id <= ?)",
            (self._manifest, self._blob),
        )
        self._files = [file for file in self._files if file.exists()]
        return manifests, blobs, len(self._files)

    def watch(self) -> list[Span]:
        """Returns when nothing is left: the spans in which it went. Raises RuntimeError after PATIENCE_S."""
        begin = at = time.monotonic()
        spans: list[Span] = []
        before = self.at_first
        while any(before):
            if at - begin > PATIENCE_S:
                raise RuntimeError(f"after {PATIENCE_S:.0f} s manifests, blobs and files are left: {before}")
            time.sleep(POLL_S)
            left, now = self.left(), time.monotonic()
            if left != before:
                spans.append((at, now))
            before, at = left, now
        return spans

    def _row(self, sql: str, values: tuple[int, ...] = ()) -> tuple[int, ...]:
        with closing(self._open()) as database:
            return tuple(database.execute(sql, values).fetchone())

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)


def collection(bench: Any, subject: Subject, results: Results) -> None:
    """Of a registry that is started for it and ended."""
    if subject.name != OURS:
        return
    assert isinstance(subject, Quayframe)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="collection-", dir=bench.folder))
        own = Quayframe(subject.name, subject.server, CONFIG)
        own.start(Path(folder))
        stack.callback(own.stop)
        api = SignedIn(own)
        doomed = prepare(own, api)
        clients = Clients(own, [f"admin/client{number}" for number in range(CLIENTS)], 2, 0)
        stack.callback(clients.kill)
        _measure(api, doomed, clients, results)
        _check(own, results)


def prepare(subject: Quayframe, api: SignedIn) -> Doomed:
    """A repository whose images have no tag any more, but can be restored: the time machine holds them."""
    api.send("POST", "organization/", {"name": ORGANIZATION})
    filling = Clients(subject, [REPOSITORY] * CLIENTS, LAYERS, IMAGES // CLIENTS)
    try:
        failures = filling.end().failures
    finally:
        filling.kill()
    if failures:
        raise RuntimeError(f"{len(failures)} images could not be pushed: {failures[0]}")
    with requests.Session() as session:
        session.headers.update(bearer(subject, REPOSITORY))
        base = f"{subject.url}/v2/{REPOSITORY}/"
        # The list has pages.
        while tags := session.get(f"{base}tags/list", timeout=30).json()["tags"]:
            for tag in tags:
                session.delete(f"{base}manifests/{tag}", timeout=30).raise_for_status()
    return Doomed(subject.folder / "data")


def bearer(subject: Quayframe, repository: str) -> dict[str, str]:
    query = {"service": subject.host, "scope": f"repository:{repository}:pull,push"}
    answer = requests.get(f"{subject.url}/v2/auth", params=query, headers=subject.basic, timeout=30)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def _measure(api: SignedIn, doomed: Doomed, clients: Clients, results: Results) -> None:
    time.sleep(WARM_S + QUIET_S)
    begin = time.monotonic()
    # The one reason that all of them had ends.
    api.send("PUT", f"organization/{ORGANIZATION}", {"tag_expiration_s": 0})
    busy = doomed.watch()
    end = busy[-1][1]
    # As long without a collection as with it, half of that before and half afterwards.
    long = sum(until - since for since, until in busy)
    after = max(long / 2, long - QUIET_S)
    time.sleep(after)
    seen = clients.end()
    line = Line("s", True, "<= 60 s", at_most(60))
    results.add(f"collection of {BLOBS:,} blobs beside {CLIENTS} clients", line, OURS, end - begin)
    results.note(f"collection: {long:.1f} s of work; the rest is mostly the {HOLD_S} s that blobs are held")
    results.add("collection, failed requests", Line("", True, "0", at_most(0)), OURS, len(seen.failures))
    results.notes += [f"failed beside the collection: {text}" for text in seen.failures[:3]]
    _compare(seen, busy, [(begin - (long - after), begin), (end, end + after)], results)


def _compare(seen: Seen, busy: list[Span], quiet: list[Span], results: Results) -> None:
    """The clients' p99 while the collector worked, beside that of the same time without."""
    for what, text in (("pull", "image pull"), ("manifest", "manifest GET")):
        without, beside = seen.p99_ms(what, quiet), seen.p99_ms(what, busy)
        results.add(f"{text}, p99 without a collection", Line("ms", True), OURS, without)
        results.add(f"{text}, p99 beside it", Line("ms", True), OURS, beside)
        line = Line("times", True, "<= 2 times", at_most(2))
        results.add(f"{text}, p99 beside / without", line, OURS, beside / without)
    acts = {name: len(found) for name, found in seen.acts.items()}
    results.note(f"collection: the clients pushed {acts['push']:,} images and pulled {acts['pull']:,} in all")


def _check(subject: Quayframe, results: Results) -> None:
    """Rows and storage fit each other. Raises RuntimeError with what was found."""
    command = subject.cli("fsck", "--json")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = done.stdout.splitlines()
    results.add("collection, fsck's findings", Line("", True, "0", at_most(0)), OURS, len(found))
    if done.returncode != 0:
        raise RuntimeError(f"fsck: {len(found)} findings, {found[:3]} {done.stderr}")


Run = Callable[[Any, Subject, Results], None]
ALL: tuple[tuple[str, Run], ...] = (("gc", collection),)
