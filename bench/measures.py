"""The measures, one function each: (bench, subject, results)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import api, clients, collection, content, memory, nodes, s3, tags
from bench.report import Line, Results, at_most, times_best, times_v3
from bench.subjects import REPOSITORY, Quayframe, Subject

BLOB = 300 << 20
BIG = 1 << 30
MB = 1_000_000
START_BAR = Line("s", True, "<= 2 s", at_most(2))


class Bench:
    """What all measures of one run share.

    :param quick: shorter, for a first look.
    """

    def __init__(self, folder: Path, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self.blobs = content.Blobs(folder / "random", BLOB)
        self._digests: dict[str, str] = {}
        self._blob: dict[str, dict[str, Any]] = {}

    def start(self, subject: Subject, results: Results) -> None:
        """Starts a registry with nothing in it."""
        seconds = subject.start(self.folder / subject.name.replace(" ", "-"))
        results.add("start, new folder", START_BAR, subject.name, seconds)

    def digest(self, subject: Subject) -> str:
        """The digest of the manifest that t000 to t099 name there; pushed when first asked for."""
        if subject.name not in self._digests:
            self._digests[subject.name] = content.push_tags(subject)
        return self._digests[subject.name]

    def blob(self, subject: Subject) -> dict[str, Any]:
        """The blob of 300 MB to be pulled from there."""
        if subject.name not in self._blob:
            self.digest(subject)
            blob = self.blobs.fresh(BLOB)
            clients.move("put", subject, [blob], file=self.blobs.file)
            self._blob[subject.name] = blob
        return self._blob[subject.name]

    def forget_blobs(self, subject: Subject) -> None:
        """Frees the disk of big blobs that nobody will ask for again."""
        kept = self._blob.get(subject.name, {}).get("digest", ":").partition(":")[2]
        for file in (subject.folder / "data").rglob("*"):
            if file.is_file() and file.stat().st_size > BLOB // 2 and not (kept and kept in str(file)):
                file.unlink()


@dataclass(frozen=True)
class Measure:
    """
    :param once: one round is enough.
    :param peers: whether the peers can do it at all.
    :param asked: it takes minutes, and runs where `--only` names it alone.
    """

    name: str
    run: Callable[[Bench, Subject, Results], None]
    once: bool = False
    peers: bool = True
    asked: bool = False


def _memory(bench: Bench, subject: Subject, results: Results) -> None:
    idle = memory.resident(subject.pids())
    limit = Line("MB", True, "<= 90 MB", at_most(90))
    results.add("memory idle, largest process", limit, subject.name, max(idle.values()))
    results.add("memory idle, all processes", Line("MB", True), subject.name, sum(idle.values()))
    results.note(f"{subject.name}, idle, MB by process: {memory.shown(idle)}")
    # A first small push loads what a process loads once.
    bench.digest(subject)
    blob = bench.blobs.fresh(BIG)
    before = memory.reset_peaks(subject.pids())
    clients.move("put", subject, [blob], file=bench.blobs.file)
    grown = memory.growth(before)
    limit = Line("MB", True, "<= 20 MB", at_most(20))
    results.add("memory growth, push of 1 GB", limit, subject.name, sum(grown.values()))
    bench.forget_blobs(subject)


def _memory_after(bench: Bench, subject: Subject, results: Results) -> None:
    sizes = memory.resident(subject.pids())
    results.add("memory after all this, largest process", Line("MB", True), subject.name, max(sizes.values()))
    results.note(f"{subject.name}, after all this, MB by process: {memory.shown(sizes)}")


def _start(bench: Bench, subject: Subject, results: Results) -> None:
    subject.stop()
    results.add("start, filled folder", START_BAR, subject.name, subject.start(subject.folder))


def _requests(
    path: str, name: str, connections: int, bar: Line, bench: Bench, subject: Subject, results: Results
) -> None:
    if not _have("wrk", "requests per second", results):
        return
    path = path.format(digest=bench.digest(subject))
    seconds = 2 if bench.quick else 5 if bar.bar else 3
    url = f"{subject.url}/v2/{REPOSITORY}/{path}"
    _load(name, bar, clients.wrk(url, subject.authorization(), connections, seconds), subject, results)


def _auth(bench: Bench, subject: Subject, results: Results) -> None:
    assert isinstance(subject, Quayframe)
    if not _have("wrk", "requests per second", results):
        return
    bench.digest(subject)
    url = subject.url + subject.auth_path("pull")
    seconds = 2 if bench.quick else 3
    for connections in (1, 16):
        load = clients.wrk(url, subject.basic, connections, seconds)
        _load(f"/v2/auth, {connections} conn.", Line("1/s"), load, subject, results)


def _load(name: str, line: Line, load: clients.Load, subject: Subject, results: Results) -> None:
    results.add(name, line, subject.name, load.rate)
    results.p99[name][subject.name].append(load.p99_ms)
    if load.failed:
        results.note(f"{name}: {load.failed} requests failed at {subject.name}")


def _blob_get(at_once: int, bench: Bench, subject: Subject, results: Results) -> None:
    blob = bench.blob(subject)
    times = 2 if at_once > 1 else 5
    seconds = clients.move("get", subject, [blob] * at_once, times=times)
    line = Line("MB/s", False, ">= 1.0x better peer", times_best(1.0))
    rate = BLOB * at_once * times / seconds / MB
    results.add(f"blob GET 300 MB, {at_once} at a time", line, subject.name, rate)


def _blob_put(at_once: int, bench: Bench, subject: Subject, results: Results) -> None:
    bench.digest(subject)
    blobs = [bench.blobs.fresh(BLOB) for _ in range(at_once)]
    memory.settle_disk()
    seconds = clients.move("put", subject, blobs, file=bench.blobs.file)
    line = Line("MB/s", False, ">= 2x better peer", times_best(2.0))
    results.add(f"blob PUT 300 MB, {at_once} at a time", line, subject.name, BLOB * at_once / seconds / MB)
    bench.forget_blobs(subject)


def _skopeo(bench: Bench, subject: Subject, results: Results) -> None:
    if not _have("skopeo", "push and pull of an image", results):
        return
    layout, pulled = bench.folder / "layout", bench.folder / "pulled"
    content.layout(layout)
    shutil.rmtree(pulled, ignore_errors=True)
    image = f"docker://{subject.host}/{REPOSITORY}:image"
    memory.settle_disk()
    pushed = clients.skopeo(f"oci:{layout}", image, subject, "dest")
    got = clients.skopeo(image, f"dir:{pulled}", subject, "src")
    results.add("skopeo push, 10 layers of 4 MiB", Line("s", True), subject.name, pushed)
    results.add("skopeo pull, 10 layers of 4 MiB", Line("s", True), subject.name, got)


def _have(tool: str, what: str, results: Results) -> bool:
    if shutil.which(tool) is not None:
        return True
    results.note(f"{tool} is missing (apt-get install {tool}): {what} not measured")
    return False


def _manifests() -> list[Measure]:
    found = []
    for kind, path in (("tag", "manifests/t042"), ("digest", "manifests/{digest}")):
        for connections in (1, 16, 64):
            line = Line("1/s")
            if kind == "tag" and connections > 1:
                line = Line("1/s", False, ">= 2.5x v3", times_v3(2.5))
            name = f"manifest GET by {kind}, {connections} conn."
            found.append(
                Measure(f"manifest-{kind}-{connections}", partial(_requests, path, name, connections, line))
            )
    return found


ALL = [
    Measure("memory", _memory, once=True),
    *_manifests(),
    Measure("tag-list", partial(_requests, "tags/list", "tag list, 100 tags, 16 conn.", 16, Line("1/s"))),
    Measure("auth", _auth, peers=False),
    *(Measure(name, run, peers=False) for name, run in (*api.ALL, *tags.ALL, *collection.ALL)),
    Measure("blob-get-1", partial(_blob_get, 1)),
    Measure("blob-get-4", partial(_blob_get, 4)),
    Measure("blob-put-1", partial(_blob_put, 1)),
    Measure("blob-put-4", partial(_blob_put, 4)),
    *(Measure(name, run, True, False, True) for name, run in (*s3.ALL, *nodes.ALL)),
    Measure("skopeo", _skopeo),
    Measure("memory-after", _memory_after, once=True),
    Measure("start", _start),
]
"""In this order: memory is looked at while nothing has been served yet, the restarts come last."""
