"""A registry with two locations, each a folder of this machine, and workers' turns that tests take."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol import OCI_CONFIG, OCI_LAYER, Protocol, Repo, manifest

from quayframe.data import tables as t
from quayframe.data.db import Database
from quayframe.worker.loop import Worker


class Locations:
    """`near` is preferred; with `replicated` all is to be at both."""

    def __init__(
        self, make: Callable[..., Protocol], folder: Path, *, replicated: bool = True, **config: Any
    ) -> None:
        self.folders = {name: folder / name for name in ("near", "far")}
        self.config: dict[str, Any] = {
            "TESTING": True,
            "DISTRIBUTED_STORAGE_CONFIG": {
                name: ["LocalStorage", {"storage_path": str(path)}] for name, path in self.folders.items()
            },
            "DISTRIBUTED_STORAGE_PREFERENCE": ["near", "far"],
            "DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS": ["near", "far"],
            "FEATURE_STORAGE_REPLICATION": replicated,
            "DB_URI": f"sqlite:///{folder}/rows.db",
            "DATABASE_SECRET_KEY": "one and the same",
        } | config
        self.protocol = make(**self.config)
        self.repo: Repo = self.protocol.repo()
        self.worker = Worker(self.protocol.registry)

    @property
    def db(self) -> Database:
        return self.protocol.registry.db

    def push(self, size: int = 600_000) -> tuple[str, bytes]:
        """An image with a layer of so many bytes; the layer."""
        data = random.Random(size).randbytes(size)
        layer, _ = self.repo.blob(data)
        config, text = self.repo.blob()
        body = manifest((OCI_CONFIG, config, len(text)), [(OCI_LAYER, layer, size)])
        assert self.repo.put("v1", body).status_code == 201
        return layer, data

    def work(self) -> int:
        """Every job of copies that is due; how many."""
        done = 0
        while self.worker.copy():
            done += 1
        return done

    def due(self) -> None:
        """Jobs that wait for their next attempt need not."""
        self.db.write(lambda tx: tx.run(t.Job.update(due_ms=0)))

    def at(self, digest: str) -> dict[str, Path]:
        """The files of a blob, by location."""
        columns = (t.BlobPlacement.location, t.BlobPlacement.storage_key)
        query = t.BlobPlacement.select(*columns).join(t.Blob, on=(t.Blob.id == t.BlobPlacement.blob))
        rows = self.db.rows(query.where(t.Blob.digest == digest))
        return {location: self.folders[location] / key for location, key in rows}

    def at_location(self, name: str) -> set[Path]:
        """The files of all placements there."""
        here = t.BlobPlacement.location == name
        rows = self.db.rows(t.BlobPlacement.select(t.BlobPlacement.storage_key).where(here))
        return {self.folders[name] / key for (key,) in rows}

    def jobs(self) -> list[str]:
        return [kind for (kind,) in self.db.rows(t.Job.select(t.Job.kind).order_by(t.Job.id))]
