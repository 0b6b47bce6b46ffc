"""A registry in this process for the model: one clock that tests set, clients without a socket, collectors
that go on step by step, and what rows and storage hold."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid as uuids
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from leftovers import leftovers
from model_values import DAY
from protocol import (
    HOST,
    Application,
    Protocol,
)

from quayframe.data import content as c
from quayframe.data import tables as t
from quayframe.data.db import Database
from quayframe.services import clock
from quayframe.services.collecting import MARK
from quayframe.services.crypto import new_token
from quayframe.services.fsck import Asked
from quayframe.services.principal import Principal

CONFIG: dict[str, Any] = {
    "SUPER_USERS": ["alice", "bob"],
    "FEATURE_SUPERUSERS_FULL_ACCESS": True,
    "FEATURE_MAILING": False,
    "FEATURE_AUTO_PRUNE": True,
    "FEATURE_IMMUTABLE_TAGS": True,
    "PERMANENTLY_DELETE_TAGS": True,
}
CLIENTS = ("alice", "bob")
NAMESPACES = ("acme", "apex")
PATIENCE_S = 60


class Clock:
    """Stands in for the module `time` in quayframe.services.clock, the registry's one clock."""

    def __init__(self) -> None:
        # Tokens go by the time of the machine; what comes after them is never before it.
        self.now = time.time_ns() // 1_000_000 + DAY

    def time_ns(self) -> int:
        return self.now * 1_000_000

    def start(self) -> None:
        setattr(clock, "time", self)  # noqa: B010 - a module takes no such value by its type

    def stop(self) -> None:
        setattr(clock, "time", time)  # noqa: B010


class Stepped:
    """A round of a collector in a thread of its own, which stands still wherever it asks whether to go on:
    between two transactions. Only one of all threads runs at a time, so what happens is always the same."""

    def __init__(self, db: Database, round_: Callable[[Callable[[], bool]], object]) -> None:
        self._mine = threading.Semaphore(0)
        self._others = threading.Semaphore(0)
        self._stopped = False
        self.over = False
        self.did: object = None
        self._error: BaseException | None = None

        def run() -> None:
            self._mine.acquire()
            try:
                self.did = round_(self._pause)
            except BaseException as error:
                self._error = error
            finally:
                db.close()
                self.over = True
                self._others.release()

        self._thread = threading.Thread(target=run, name="stepped collector", daemon=True)
        self._thread.start()

    def _pause(self) -> bool:
        self._others.release()
        self._mine.acquire()
        return not self._stopped

    def step(self) -> bool:
        """Goes on to where it asks next; False = the round is over."""
        if not self.over:
            self._mine.release()
            assert self._others.acquire(timeout=PATIENCE_S), "the collector is stuck"
            if self._error is not None:
                raise self._error
        return not self.over

    def abandon(self) -> None:
        """Stops it where it is."""
        self._stopped = True
        while self.step():
            pass
        self._thread.join(PATIENCE_S)


class ModelWorld:
    """The registry, its two clients and its two collectors."""

    def __init__(self, folder: Path, clock: Clock, config: dict[str, Any]) -> None:
        self.clock = clock
        self.protocol = Protocol(folder, CONFIG | config)
        self.registry = self.protocol.registry
        self.db = self.registry.db
        self._app = Application(self.protocol.app)
        self.storage = self.protocol.data / "storage"
        self.people: dict[str, Principal] = {}
        self._bearers: dict[str, str] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        for name in CLIENTS:
            self.people[name] = self.protocol.user(name)
            self._bearers[name] = self._oauth(self.people[name])
        for name in NAMESPACES:
            self.api("alice", "POST", "organization/", {"name": name, "email": f"{name}@test.test"}, 201)

    def close(self) -> None:
        self.protocol.close()

    def _oauth(self, principal: Principal) -> str:
        token = new_token(40)
        values = {
            "uuid": str(uuids.uuid4()),
            "kind": "oauth",
            "account": principal.account_id,
            "title": "model",
            "scope": "repo:admin repo:create user:admin org:admin super:user",
            "lookup": self.registry.tenancy.ground.box.lookup(token),
            "created_ms": self.clock.now,
            "expires_ms": self.clock.now + 10**12,
        }
        self.db.write(lambda tx: tx.insert(t.Token, **values))
        return token

    # -- clients --------------------------------------------------------------------------------

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> requests.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body or method in ("PUT", "POST", "PATCH"):
            headers["Content-Length"] = str(len(body))
        request = SimpleNamespace(method=method, url=f"http://{HOST}{url}", body=body, headers=headers)
        return self._app.send(request)

    def api(self, who: str, method: str, path: str, body: Any = None, *expected: int) -> requests.Response:
        raw = b"" if body is None else json.dumps(body).encode()
        headers = {"Content_Type": "application/json"} if raw else {}
        answer = self.call(
            method, f"/api/v1/{path}", raw, Authorization=f"Bearer {self._bearers[who]}", **headers
        )
        if expected:
            assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def v2(
        self, who: str, method: str, repo: str, rest: str, body: bytes = b"", **headers: str
    ) -> requests.Response:
        authorization = f"Bearer {self.token(who, repo)}"
        return self.call(method, f"/v2/{repo}/{rest}", body, Authorization=authorization, **headers)

    def token(self, who: str, repo: str) -> str:
        """A bearer token for all that may be done in a repository, and to pull from the others."""
        token = self._tokens.get((who, repo))
        if token is None:
            others = [f"repository:{name}/r:pull" for name in NAMESPACES if f"{name}/r" != repo]
            scopes = (f"repository:{repo}:push,pull", *others)
            token = self._tokens[who, repo] = self.protocol.token(self.people[who], *scopes)
        return token

    def renew(self) -> None:
        """Repositories or organizations have come or gone: tokens were for those that there were."""
        self._tokens.clear()
        accounts = self.registry.accounts
        self.people = {name: accounts.principal(accounts.get(name)) for name in CLIENTS}

    # -- rows and storage -----------------------------------------------------------------------

    def place(self, namespace: str, name: str) -> str | None:
        """The uuid of the repository that has the name now."""
        query = (
            t.Repository.select(t.Repository.uuid)
            .join(t.Account, on=(t.Account.id == t.Repository.namespace))
            .where((t.Account.name == namespace) & (t.Repository.name == name))
            .where(t.Repository.deleted_ms.is_null())
        )
        found = self.db.value(query)
        return None if found is None else str(found)

    def places(self) -> dict[str, tuple[int, int | None]]:
        """By uuid, (id, deleted_ms) of every repository."""
        columns = (t.Repository.uuid, t.Repository.id, t.Repository.deleted_ms)
        return {u: (i, d) for u, i, d in self.db.rows(t.Repository.select(*columns))}

    def manifests(self, place: int) -> set[str]:
        return {
            d
            for (d,) in self.db.rows(
                t.Manifest.select(t.Manifest.digest).where(t.Manifest.repository == place)
            )
        }

    def holds(self, place: int) -> dict[tuple[str, str], int]:
        """By (digest, reason), until when; without the collector's own marks."""
        columns = (t.Manifest.digest, t.ManifestHold.reason, t.ManifestHold.expires_ms)
        query = t.ManifestHold.select(*columns).join(
            t.Manifest, on=(t.Manifest.id == t.ManifestHold.manifest)
        )
        mine = (t.Manifest.repository == place) & (t.ManifestHold.reason != MARK)
        return {(digest, reason): until for digest, reason, until in self.db.rows(query.where(mine))}

    def links(self, place: int) -> dict[str, tuple[int | None, bool]]:
        """By digest, (expires_ms, whether it was deleted)."""
        columns = (t.Blob.digest, t.RepositoryBlob.expires_ms, t.RepositoryBlob.deleted_ms)
        query = t.RepositoryBlob.select(*columns).join(t.Blob, on=(t.Blob.id == t.RepositoryBlob.blob))
        rows = self.db.rows(query.where(t.RepositoryBlob.repository == place))
        return {d: (e, x is not None) for d, e, x in rows}

    def heads(self, place: int) -> dict[str, tuple[str, int, int | None, str | None]]:
        """By name, (digest, start, end, reason)."""
        columns = (t.Tag.name, t.Manifest.digest, t.Tag.start_ms, t.Tag.end_ms, t.Tag.end_reason)
        query = t.Tag.select(*columns).join(t.Manifest, on=(t.Manifest.id == t.Tag.manifest))
        return {row[0]: row[1:] for row in self.db.rows(query.where(t.Tag.repository == place))}

    def periods(self, place: int) -> dict[tuple[str, int], tuple[str, int | None]]:
        """By (name, start), (digest, end)."""
        interval = t.TagInterval
        columns = (interval.name, interval.start_ms, t.Manifest.digest, interval.end_ms)
        query = interval.select(*columns).join(t.Manifest, on=(t.Manifest.id == interval.manifest))
        return {(row[0], row[1]): row[2:] for row in self.db.rows(query.where(interval.repository == place))}

    def stored(self) -> dict[str, str]:
        """By digest, the key of each blob that is placed; its bytes are right."""
        columns = (t.Blob.digest, t.BlobPlacement.storage_key)
        rows = self.db.rows(
            t.BlobPlacement.select(*columns).join(t.Blob, on=(t.Blob.id == t.BlobPlacement.blob))
        )
        found: dict[str, str] = dict(rows)
        for digest, key in found.items():
            data = (self.storage / key).read_bytes()
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest, f"{digest} has other bytes"
        return found

    def files(self) -> set[str]:
        """The keys of all objects."""
        return {str(f.relative_to(self.storage)) for f in self.storage.rglob("*") if f.is_file()}

    def waiting(self) -> set[str]:
        """The keys of those whose deletion is not due yet."""
        later = t.Trash.due_ms > self.clock.now
        return {key for (key,) in self.db.rows(t.Trash.select(t.Trash.storage_key).where(later))}

    def fsck(self) -> list[str]:
        """What the registry finds wrong with itself, all bytes read."""
        found = self.registry.content.fsck.run(Asked(digests=True))
        return [f"{told.finding.kind} {told.finding.what}: {told.finding.text}" for told in found]

    def left(self) -> list[str]:
        """Everything of any content that is there yet, in rows and in storage."""
        kinds: tuple[Any, ...] = (
            t.Tag, t.TagInterval, t.Manifest, t.ManifestHold, t.ManifestBlob, t.ManifestChild,
            t.RepositoryBlob, t.Blob, t.BlobPlacement, t.Trash, t.Upload, c.Label,
            c.TagPulls, c.ManifestPulls,
        )  # fmt: skip
        counts = {kind.__name__: len(self.db.rows(kind.select(kind.id))) for kind in kinds}
        found = [f"{count} rows of {name}" for name, count in counts.items() if count]
        return found + leftovers(self.db, self.storage)
