"""Pulls through one node and through two, on one PostgreSQL and one bucket: what each costs, and whether it
writes or locks anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench import content
from bench.clients import wrk_command, wrk_result
from bench.memory import cpu_s
from bench.report import Line, Results, at_most
from bench.s3 import testing_servers
from bench.subjects import OURS, REPOSITORY, Quayframe, Subject

CONNECTIONS = 4
"""Of each of the two clients."""
ROUNDS = 5
SECONDS = 5
BAR = Line("", True, "<= 1.1", at_most(1.1))
_LUA = """\
local paths = {%s}
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""
_STATEMENTS = (
    "SELECT query, calls, rows FROM pg_stat_statements"
    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s) AND query NOT LIKE '%%pg_stat%%'"
)
_PLAIN = ("SELECT", "BEGIN", "COMMIT", "ROLLBACK", "SET", "SHOW")


class Node(Quayframe):
    """The web part with one process, or the worker alone."""

    def __init__(self, part: str, config: dict[str, Any]) -> None:
        super().__init__(OURS, "granian", config)
        self._service = config["SERVER_HOSTNAME"]
        self._part = part

    def command(self) -> list[str]:
        return [*self.cli("serve", "--bind", self.host, "--only", self._part, "--workers", "1")]

    def auth_path(self, actions: str) -> str:
        return f"/v2/auth?service={self._service}&scope=repository:{REPOSITORY}:{actions}"


@dataclass(frozen=True)
class Spent:
    """What pulls took: of the images pulled, seconds of CPU by the nodes and by the database, the statements
    by text as (calls, rows)."""

    pulls: float
    nodes_s: float
    database_s: float
    statements: dict[str, tuple[int, int]]

    @property
    def each_us(self) -> float:
        return (self.nodes_s + self.database_s) / self.pulls * 1e6

    @property
    def queries(self) -> float:
        """Statements that read, for each pull."""
        return sum(calls for text, (calls, _) in self.statements.items() if reads(text)) / self.pulls

    @property
    def writing(self) -> dict[str, tuple[int, int]]:
        return {text: found for text, found in self.statements.items() if not reads(text)}


def reads(statement: str) -> bool:
    """Whether it neither writes nor locks a row."""
    text = statement.upper().lstrip("( ")
    return text.startswith(_PLAIN) and " FOR UPDATE" not in text and " FOR SHARE" not in text


@dataclass(frozen=True)
class Pull:
    """How wrk pulls a whole image, by its tag: so many requests."""

    script: Path
    requests: int
    headers: dict[str, str]

    @classmethod
    def of(cls, node: Node, script: Path) -> Pull:
        # Any node's token is good at every node.
        headers = node.authorization() | {"Accept": content.MANIFEST}
        base = f"/v2/{REPOSITORY}/"
        answer = requests.get(f"{node.url}{base}manifests/t000", headers=headers, timeout=30)
        answer.raise_for_status()
        image = answer.json()
        digests = [image["config"]["digest"], *(layer["digest"] for layer in image["layers"])]
        paths = [f"{base}manifests/t000", *(f"{base}blobs/{digest}" for digest in digests)]
        script.write_text(_LUA % ", ".join(f'"{path}"' for path in paths))
        return cls(script, len(paths), headers)


class Database:
    """A PostgreSQL server that counts statements, and what it has spent."""

    def __init__(self, server: Any) -> None:
        import psycopg

        self._server = server
        self.uri = str(server.new_database())
        self._name = self.uri.rpartition("/")[2]
        self._connection = psycopg.connect(self.uri, autocommit=True)
        self._connection.execute("CREATE EXTENSION pg_stat_statements")

    def reset(self) -> None:
        self._connection.execute("SELECT pg_stat_statements_reset()")

    def statements(self) -> dict[str, tuple[int, int]]:
        found = self._connection.execute(_STATEMENTS, [self._name]).fetchall()
        return {str(text): (int(calls), int(rows)) for text, calls, rows in found}

    def connections(self) -> int:
        """Those that the registry has open."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        row = self._connection.execute(sql, [self._name]).fetchone()
        assert row is not None
        return int(row[0])

    def cpu_s(self) -> float:
        """Also of connections that have ended."""
        head = self._server.pid
        children = Path(f"/proc/{head}/task/{head}/children").read_text().split()
        return cpu_s([head], ended=True) + cpu_s([int(pid) for pid in children])

    def close(self) -> None:
        self._connection.close()


def pulls(bench: Any, subject: Subject, results: Results) -> None:
    """Of nodes that are started for it and ended; the load on one and on both in turns."""
    if subject.name != OURS:
        return
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None or shutil.which("wrk") is None:
        results.note("wrk or SeaweedFS is missing: pulls of several nodes not measured")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nodes-", dir=bench.folder)))
        database, nodes = stack.enter_context(_deployment(folder))
        content.push_tags(nodes[0])
        pull = Pull.of(nodes[0], folder / "pull.lua")
        for one in nodes:
            # Both have every cache filled.
            _load([one], pull, database, 2)
        first: list[Spent] = []
        for number in range(1 if bench.quick else ROUNDS):
            by = {}
            for many in (1, 2) if number % 2 else (2, 1):
                by[many] = _load(nodes[:many], pull, database, SECONDS)
                _add(many, by[many], results)
            results.add("CPU per pull, two nodes to one", BAR, OURS, by[2].each_us / by[1].each_us)
            results.add("queries per pull, two nodes to one", BAR, OURS, by[2].queries / by[1].queries)
            first.append(by[2])
        _tell(first[-1], database.connections(), results)


def _add(many: int, spent: Spent, results: Results) -> None:
    name = f"pull of an image, {many} {'node' if many == 1 else 'nodes'}"
    results.add(f"{name}: CPU", Line("µs", True), OURS, spent.each_us)
    results.add(f"{name}: CPU of the database", Line("µs", True), OURS, spent.database_s / spent.pulls * 1e6)
    results.add(f"{name}: queries", Line(""), OURS, spent.queries)
    writes = sum(calls for calls, _ in spent.writing.values())
    results.add(f"{name}: statements that write or lock", Line("", True), OURS, writes / spent.pulls)


def _tell(spent: Spent, connections: int, results: Results) -> None:
    """What a reader needs to think of ten nodes."""
    for text, (calls, rows) in sorted(spent.writing.items(), key=lambda item: -item[1][1]):
        results.note(
            f"writes in {spent.pulls:.0f} pulls: {calls} calls, {rows} rows: {' '.join(text.split())[:100]}"
        )
    results.note(
        f"one core of PostgreSQL answers {spent.pulls / spent.database_s:,.0f} pulls a second;"
        f" {connections} connections are open for two web processes and a worker"
    )


def _load(nodes: list[Node], pull: Pull, database: Database, seconds: int) -> Spent:
    """Two clients, at one node or at one each."""
    urls = [nodes[at % len(nodes)].url for at in range(2)]
    commands = [wrk_command(url, pull.headers, CONNECTIONS, seconds, pull.script) for url in urls]
    pids = [pid for node in nodes for pid in node.pids()]
    database.reset()
    before = cpu_s(pids), database.cpu_s()
    running = [
        subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands
    ]
    said = [one.communicate(timeout=seconds + 30) for one in running]
    # Batches that are due after their pulls.
    time.sleep(1)
    after = cpu_s(pids), database.cpu_s()
    statements = database.statements()
    loads = [wrk_result(out + err) for out, err in said]
    if any(load.failed for load in loads):
        raise RuntimeError(f"pulls failed: {said}")
    done = sum(load.requests for load in loads) / pull.requests
    return Spent(done, after[0] - before[0], after[1] - before[1], statements)


@contextmanager
def _deployment(folder: Path) -> Iterator[tuple[Database, list[Node]]]:
    """Two web nodes and a worker."""
    servers, objects = testing_servers()

    class Counting(servers.Postgresql):  # type: ignore[misc, name-defined]
        def command(self) -> list[str]:
            counting = ["-c", "shared_preload_libraries=pg_stat_statements"]
            return [*super().command(), *counting]

    with ExitStack() as stack:
        server = Counting.new()
        stack.callback(server.remove)
        bucket = objects.Seaweedfs.new()
        stack.callback(bucket.remove)
        database = Database(server)
        stack.callback(database.close)
        port = servers.free_port()
        config = {
            "SERVER_HOSTNAME": f"127.0.0.1:{port}",
            "DB_URI": database.uri,
            "DISTRIBUTED_STORAGE_CONFIG": {"main": ["S3Storage", bucket.parameters("/nodes")]},
            "DISTRIBUTED_STORAGE_PREFERENCE": ["main"],
            "FEATURE_IMAGE_PULL_STATS": True,
        }
        nodes = [Node("web", config) for _ in range(2)]
        nodes[0].port = port
        _migrate(folder, config)
        for number, node in enumerate(nodes):
            node.start(folder / f"web{number}")
            stack.callback(node.stop)
        # A worker answers no HTTP: it is started beside them and not waited for.
        worker = Node("worker", config)
        worker.folder = folder / "worker"
        worker.folder.mkdir()
        with (worker.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(worker.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(process.wait, 15)
        stack.callback(process.terminate)
        yield database, nodes


def _migrate(folder: Path, config: dict[str, Any]) -> None:
    node = Node("web", config)
    node.folder = folder
    subprocess.run(node.cli("migrate"), check=True, capture_output=True, timeout=60)


ALL = (("pulls-nodes", pulls),)
