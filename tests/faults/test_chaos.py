"""Eight clients push and pull while, one after the other, everything that a registry on many machines stands
on is killed or restarted. Nothing that was acknowledged is lost, nothing is left over, and no client that
tries again sees an error.

A minute; with QUAYFRAME_SOAK=1 ten, with storage killed by -9 as well."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
import requests
import servers
from chaos_clients import MIB, Client, Failed, Told
from cluster import Cluster, cluster

from quayframe.data import tables as t
from quayframe.data.db import Database
from quayframe.testing.server import RegistryServer

SOAK = os.environ.get("QUAYFRAME_SOAK") == "1"
RUN_S = 600 if SOAK else 50
EVERY_S = 10
LARGEST = (200 if SOAK else 24) * MIB
CLIENTS = 8


def again(node: RegistryServer, pause_s: float = 1.0) -> None:
    """kill -9, and a new start a moment later."""
    node.kill()
    time.sleep(pause_s)
    node.start()


def blows(world: Cluster, storage: signal.Signals) -> list[tuple[str, Callable[[], None]]]:
    return [
        ("web node killed", lambda: again(world.webs[0])),
        ("PostgreSQL killed", lambda: world.database.restart(signal.SIGKILL)),
        ("worker killed", lambda: again(world.workers[0])),
        (
            "storage ended" if storage == signal.SIGTERM else "storage killed",
            lambda: world.storage.restart(storage),
        ),
        ("Redis killed", lambda: world.redis.restart(signal.SIGKILL)),
        ("other web node killed", lambda: again(world.webs[1])),
        ("PostgreSQL restarted", lambda: world.database.restart(signal.SIGINT)),
        ("other worker killed", lambda: again(world.workers[1])),
    ]


def strike(world: Cluster, storage: signal.Signals, ended: threading.Event) -> Counter[str]:
    """One blow every ten seconds."""
    struck: Counter[str] = Counter()
    due = time.monotonic()
    for name, blow in cycle(blows(world, storage)):
        due = max(due + EVERY_S, time.monotonic() + 1)
        if ended.wait(due - time.monotonic()):
            return struck
        blow()
        struck[name] += 1
    raise AssertionError("unreachable")


@pytest.mark.timeout(RUN_S + 900)
@pytest.mark.parametrize(
    "storage",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.skipif(not SOAK, reason="part of make soak")),
    ],
    ids=["storage ended by TERM", "storage killed by -9"],
)
def test_nothing_acknowledged_is_lost(tmp_path: Path, storage: signal.Signals) -> None:
    try:
        with cluster(tmp_path) as world:
            chaos(world, storage)
    except servers.Missing as program:
        servers.without(program)


def chaos(world: Cluster, storage: signal.Signals) -> None:
    auth = world.user("chaos")
    told, ended = Told(), threading.Event()
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        striking = pool.submit(strike, world, storage, ended)
        clients = [Client(world, auth, number, told, largest=LARGEST) for number in range(CLIENTS)]
        running = [pool.submit(client.run, begun + RUN_S) for client in clients]
        for one in running:
            one.result()
        ended.set()
        struck = striking.result()
    took = time.monotonic() - begun
    print(
        f"\n{storage.name}: {told.counts['pushes']} pushes, {told.counts['pulls']} pulls,"
        f" {told.counts['bytes'] >> 20} MiB sent in {took:.0f} s, {told.counts['retries']} attempts again,"
        f" {len(told.errors)} errors; {dict(struck)}"
    )
    for error in told.errors:
        print(error)
    lost = forgotten(world)
    print(f"objects that storage acknowledged and has lost: {len(lost)}")
    assert storage == signal.SIGKILL or not lost
    assert sum(struck.values()) >= RUN_S // EVERY_S // 2
    assert told.counts["pushes"] >= CLIENTS
    if not lost:
        assert told.errors == []
    right(world, clients[0], told, lost)
    clean(world, lost)


def forgotten(world: Cluster) -> set[str]:
    """Digests of blobs whose object storage has acknowledged and gives no more, asked directly."""
    client = world.storage.client()
    columns = (t.Blob.digest, t.BlobPlacement.storage_key)
    query = t.BlobPlacement.select(*columns).join(t.Blob, on=(t.Blob.id == t.BlobPlacement.blob))
    database = Database(world.config["DB_URI"])
    try:
        rows = database.rows(query)
    finally:
        database.close()
    found = set()
    for digest, key in rows:
        try:
            answer = client.get_object(Bucket=world.storage.BUCKET, Key=f"registry/{key}")
            for _ in answer["Body"].iter_chunks(MIB):
                pass
        except Exception:
            found.add(str(digest))
    return found


def right(world: Cluster, client: Client, told: Told, lost: set[str]) -> None:
    """Every acknowledged image is there, with the right digests."""
    wrong = []
    for image in told.pushed:
        if lost.isdisjoint(image.blobs):
            try:
                client.pull(image)
            except Failed as failed:
                wrong.append(str(failed))
    assert wrong == []


def clean(world: Cluster, lost: set[str]) -> None:
    """After a collection, and the end of what was abandoned, rows and storage agree."""
    node = world.workers[0]
    for server in world.workers:
        server.kill()
    node.cli("gc", "run")
    node.cli("sweep", "--idle", "0")
    try:
        found = node.cli("fsck", "--digests")
    except RuntimeError as error:
        found = str(error)
        assert lost, found
        assert all(any(digest in line for digest in lost) for line in found.splitlines() if "sha256:" in line)
    assert requests.get(f"{world.url}/health/endtoend", timeout=30).status_code == 200
