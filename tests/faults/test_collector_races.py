"""The collector beside others, in every order of their transactions: what was acknowledged can be read.

On the databases that lock rows: one side is held just before the commit of each of its transactions in turn,
and the other runs until it is done or waits for a lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from protocol import HOST, OCI_MANIFEST, Protocol, Repo, sha256

from quayframe.data import tables as t
from quayframe.data.db import MYSQL, POSTGRESQL, Database, Tx
from quayframe.errors import BlobUnknown, ManifestUnknown
from quayframe.oci.digest import Digest
from quayframe.services.holds import hold
from quayframe.services.principal import SYSTEM

DEADLINE_S = 30
# What loses its last manifest goes in the same collection.
CONFIG = {"PUSH_TEMP_TAG_EXPIRATION_SEC": 0}
FAR = 2**50


class Held(Exception):
    """The side that is held has no transaction of this number."""


class Gate:
    """Holds a registry's transaction of one number just before its commit."""

    def __init__(self, db: Database, number: int) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()
        self._left = number
        self._write = db.write
        db.write = self.write  # type: ignore[method-assign]

    def write(self, work: Callable[[Tx], Any]) -> Any:
        self._left -= 1
        if self._left != -1:
            return self._write(work)

        def held(tx: Tx) -> Any:
            result = work(tx)
            self.reached.set()
            assert self.go.wait(DEADLINE_S)
            return result

        return self._write(held)


def blocked(db: Database) -> bool:
    """Whether some connection of this database waits for a lock."""
    waiting = {
        POSTGRESQL: "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        # It shows who waits for what to none but root; no statement of these takes so long otherwise.
        MYSQL: "information_schema.processlist WHERE db = DATABASE() AND command = 'Query' AND time_ms > 300",
    }[db.dialect]
    return bool(db.sql_rows(f"SELECT COUNT(*) FROM {waiting}")[0][0])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.005)


@dataclass
class Two:
    """One registry twice: the collector's, and the one that clients use."""

    collector: Protocol
    clients: Protocol

    def collect(self) -> None:
        registry = self.collector.registry
        while registry.content.garbage.round():
            pass
        while registry.collector.empty_trash():
            pass


@pytest.fixture(params=["postgresql", "mariadb"])
def two(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Two]:
    uri = str(request.getfixturevalue(request.param))
    clients = Protocol(tmp_path, {"DB_URI": uri, "PUSH_TEMP_TAG_EXPIRATION_SEC": 3600})
    collector = Protocol(tmp_path, {"DB_URI": uri, **CONFIG})
    yield Two(collector, clients)
    collector.close()
    clients.close()


def expire(db: Database) -> None:
    """The time of every link that has an end is over, and of every hold."""

    def work(tx: Tx) -> None:
        tx.run(t.RepositoryBlob.update(expires_ms=1).where(t.RepositoryBlob.expires_ms.is_null(False)))
        tx.run(t.ManifestHold.update(expires_ms=1))

    db.write(work)


@dataclass
class Case:
    """Content that the collector may take, and somebody who wants it at the same moment. `act` says what was
    acknowledged: a digest of a blob or a manifest that has to be there; None = it was refused."""

    repo: Repo
    digest: str
    act: Callable[[], str | None]

    def readable(self, two: Two, digest: str) -> None:
        repo = self.repo
        answer = repo.get(f"manifests/{digest}")
        if answer.status_code == 404:
            answer = repo.get(f"blobs/{digest}")
            assert answer.status_code == 200, answer.text
            assert sha256(answer.content) == digest
            return
        assert answer.status_code == 200, answer.text
        document = answer.json()
        for part in [document["config"], *document["layers"]]:
            assert sha256(repo.get(f"blobs/{part['digest']}").content) == part["digest"]


def acknowledged(answer: requests.Response, digest: str, *refusals: int) -> str | None:
    assert answer.status_code in (200, 201, *refusals), answer.text
    return digest if answer.status_code in (200, 201) else None


def mounting(two: Two) -> Case:
    """Mounts a blob whose only link expires after it was found."""
    owner = two.clients.user()
    source, target = two.clients.repo(owner), two.clients.repo(owner)
    target.blob()
    digest, _ = source.blob()
    both = target.with_(two.clients.as_(owner, source.scope, target.scope))
    blobs: Any = two.clients.registry.blobs
    find, found = blobs.find, blobs.find(bearer(two, source), source.path, Digest(digest))
    expire(two.clients.registry.db)

    def act() -> str | None:
        blobs.find = lambda *_: found
        try:
            answer = both.do("POST", f"blobs/uploads/?mount={digest}&from={source.name}")
        finally:
            blobs.find = find
        return acknowledged(answer, digest, 202)

    return Case(both, digest, act)


def bearer(two: Two, repo: Repo) -> Any:
    """The token of a repository's owner."""
    assert repo.owner is not None
    text = two.clients.token(repo.owner, repo.scope)
    return two.clients.registry.tokens.verify(text, HOST, (text.encode(), HOST))


def uploading(two: Two) -> Case:
    """Uploads the bytes that are being collected."""
    repo = two.clients.repo()
    digest, data = repo.blob()
    expire(two.clients.registry.db)

    def act() -> str | None:
        return acknowledged(repo.do("POST", f"blobs/uploads/?digest={digest}", data=data), digest)

    return Case(repo, digest, act)


def asking(two: Two) -> Case:
    """HEAD by somebody who may push, of a link that expires after it was found."""
    repo = two.clients.repo()
    digest, _ = repo.blob()
    soon = t.RepositoryBlob.update(expires_ms=int(time.time() * 1000) + 60_000)
    two.clients.registry.db.write(lambda tx: tx.run(soon))
    blobs = two.clients.registry.blobs
    token = bearer(two, repo)
    found = blobs.find(token, repo.path, Digest(digest))
    expire(two.clients.registry.db)

    def act() -> str | None:
        with suppress(BlobUnknown):
            blobs.refresh(token, found)
            return digest
        return None

    return Case(repo, digest, act)


def pushing(two: Two) -> Case:
    """Pushes the manifest that is being collected, whose blobs are still linked."""
    repo = two.clients.repo()
    digest, body = repo.image()
    expire(two.clients.registry.db)

    def act() -> str | None:
        return acknowledged(repo.put("v1", body), digest, 400, 404)

    return Case(repo, digest, act)


def tagging(two: Two) -> Case:
    """Gives a tag to a manifest that is being collected, as a restore does."""
    repo = two.clients.repo()
    digest, _ = repo.image()
    registry = two.clients.registry
    row = registry.access.repository(*repo.path)
    assert row is not None
    manifest = registry.db.value(t.Manifest.select(t.Manifest.id).where(t.Manifest.digest == digest))
    expire(registry.db)

    def act() -> str | None:
        with suppress(ManifestUnknown):
            registry.db.write(lambda tx: registry.content.heads.set(tx, row.id, "v1", manifest))
            return digest
        return None

    return Case(repo, digest, act)


def holding(two: Two) -> Case:
    """Holds a manifest that is being collected, as an as-of answer does."""
    repo = two.clients.repo()
    digest, _ = repo.image()
    db = two.clients.registry.db
    manifest = db.value(t.Manifest.select(t.Manifest.id).where(t.Manifest.digest == digest))
    expire(db)

    def act() -> str | None:
        with suppress(ManifestUnknown):
            db.write(lambda tx: hold(tx, manifest, "as-of", FAR))
            return digest
        return None

    return Case(repo, digest, act)


def referring(two: Two) -> Case:
    """Pushes a referrer to a subject that is being collected."""
    repo = two.clients.repo()
    _, subject = repo.image()
    body = repo.image_body(
        subject={
            "mediaType": OCI_MANIFEST,
            "digest": sha256(subject),
            "size": 1,
        }
    )
    expire(two.clients.registry.db)
    later = t.RepositoryBlob.update(expires_ms=FAR).where(t.RepositoryBlob.expires_ms == 1)
    two.clients.registry.db.write(lambda tx: tx.run(later))

    def act() -> str | None:
        return acknowledged(repo.put("v1", body), sha256(body))

    return Case(repo, sha256(body), act)


CASES = [mounting, uploading, asking, pushing, tagging, holding, referring]


def interleaved(
    two: Two, held: Database, first: Callable[[], Any], second: Callable[[], Any], number: int
) -> Any:
    """Runs `first` until just before the commit of its transaction `number`, then `second` until it is done
    or blocked, then both to the end: what `first` and `second` returned. Raises Held."""
    write = held.write
    gate = Gate(held, number)
    with ThreadPoolExecutor(2) as pool:
        try:
            one: Future[Any] = pool.submit(first)
            until(lambda: gate.reached.is_set() or one.done())
            if not gate.reached.is_set():
                one.result()
                raise Held
            two_: Future[Any] = pool.submit(second)
            until(lambda: two_.done() or blocked(two.collector.registry.db))
        finally:
            gate.go.set()
            held.write = write  # type: ignore[method-assign]
        return one.result(DEADLINE_S), two_.result(DEADLINE_S)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("first", ["collector", "client"])
def test_what_is_wanted_while_it_is_collected(two: Two, case: Callable[[Two], Case], first: str) -> None:
    for number in range(60):
        made = case(two)
        collector, clients = two.collector.registry.db, two.clients.registry.db
        try:
            if first == "collector":
                _, got = interleaved(two, collector, two.collect, made.act, number)
            else:
                got, _ = interleaved(two, clients, made.act, two.collect, number)
        except Held:
            assert number > 0
            break
        two.collect()
        if got is not None:
            made.readable(two, got)
        # What other rounds left is not to be in the way of the next one.
        two.clients.registry.repositories.delete(SYSTEM, made.repo.path)
    else:
        pytest.fail("it never came to an end")
