"""`FakeStorage`: a whole storage back end in one file, for tests. Any process may open the file."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from quayframe.plugin.storage import ByteStream, ObjectNotFound, StorageBackend, Upload, UploadLost

_PIECE = 1024 * 1024

_TABLES = """
CREATE TABLE IF NOT EXISTS upload (id TEXT PRIMARY KEY, touched INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, upload TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS piece (
    id INTEGER PRIMARY KEY AUTOINCREMENT, upload TEXT NOT NULL, before INTEGER NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS piece_upload ON piece (upload, start);
"""


class FakeConfig(BaseModel):
    """`path`: the SQLite file, made where it is missing."""

    model_config = ConfigDict(extra="forbid")

    path: Path


class FakeStorage(StorageBackend):
    """Objects and uploads as rows. Each piece of an upload names the one before it, so that a value,
    which names the last one, is a chain that nothing can change."""

    name = "FakeStorage"
    title = "A file, for tests"
    Config: ClassVar[type[BaseModel]] = FakeConfig

    def __init__(self, config: FakeConfig) -> None:
        self._path = config.path
        self._of_thread = threading.local()
        with closing(self._connect()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES)

    def begin(self) -> Upload:
        upload_id = uuid.uuid4().hex
        with self._transaction() as db:
            db.execute("INSERT INTO upload VALUES (?, ?)", (upload_id, _now()))
        return Upload(0, {"id": upload_id, "last": 0})

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        upload_id, last, size = upload.data["id"], upload.data["last"], upload.size
        with self._transaction() as db:
            _touch(db, upload_id)
        while piece := stream.read(_PIECE):
            with self._transaction() as db:
                _touch(db, upload_id)
                row = (upload_id, last, size, size + len(piece), piece)
                cursor = db.execute(
                    "INSERT INTO piece (upload, before, start, stop, bytes) VALUES (?, ?, ?, ?, ?)", row
                )
            last, size = cursor.lastrowid, size + len(piece)
        return Upload(size, {"id": upload_id, "last": last})

    def commit(self, upload: Upload, key: str) -> str:
        upload_id = upload.data["id"]
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM object WHERE key = ?", (key,)).fetchone():
                return key
            if not db.execute("DELETE FROM upload WHERE id = ?", (upload_id,)).rowcount:
                raise UploadLost(f"no upload {upload_id}")
            _keep_chain(db, upload_id, upload.data["last"])
            db.execute("INSERT INTO object VALUES (?, ?, ?)", (key, upload_id, upload.size))
        return key

    def abort(self, upload: Upload) -> None:
        with self._transaction() as db:
            _discard(db, upload.data["id"])

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        upload_id, size = self._find(key)
        return self._pieces(upload_id, start, size if stop is None else min(stop, size))

    def size(self, key: str) -> int:
        return self._find(key)[1]

    def delete(self, key: str) -> None:
        with self._transaction() as db:
            found = db.execute("DELETE FROM object WHERE key = ? RETURNING upload", (key,)).fetchone()
            if found:
                db.execute("DELETE FROM piece WHERE upload = ?", found)

    def keys(self, prefix: str = "") -> Iterator[str]:
        with closing(self._connect()) as db:
            rows = db.execute("SELECT key FROM object WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
            found = [key for (key,) in rows]
        return iter(found)

    def sweep(self, before: int) -> int:
        with self._transaction() as db:
            old = db.execute("SELECT id FROM upload WHERE touched < ?", (before,)).fetchall()
            for (upload_id,) in old:
                _discard(db, upload_id)
        return len(old)

    def _find(self, key: str) -> tuple[str, int]:
        with closing(self._connect()) as db:
            row = db.execute("SELECT upload, size FROM object WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise ObjectNotFound(key)
        return str(row[0]), int(row[1])

    def _pieces(self, upload_id: str, start: int, stop: int) -> Iterator[bytes]:
        query = """SELECT start, bytes FROM piece WHERE upload = ? AND start < ? AND stop > ?
            ORDER BY start LIMIT 1"""
        with closing(self._connect()) as db:
            while start < stop:
                row = db.execute(query, (upload_id, stop, start)).fetchone()
                if row is None:
                    raise ObjectNotFound(f"{upload_id} was deleted while it was read")
                piece = row[1][start - row[0] : stop - row[0]]
                start += len(piece)
                yield piece

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = OFF")
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._of_thread, "db"):
            self._of_thread.db = self._connect()
        db: sqlite3.Connection = self._of_thread.db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _touch(db: sqlite3.Connection, upload_id: str) -> None:
    done = db.execute("UPDATE upload SET touched = ? WHERE id = ?", (_now(), upload_id))
    if not done.rowcount:
        raise UploadLost(f"no upload {upload_id}")


def _discard(db: sqlite3.Connection, upload_id: str) -> None:
    """Forgets the upload, unless it has become an object."""
    if db.execute("DELETE FROM upload WHERE id = ?", (upload_id,)).rowcount:
        db.execute("DELETE FROM piece WHERE upload = ?", (upload_id,))


def _keep_chain(db: sqlite3.Connection, upload_id: str, last: int) -> None:
    """Removes the upload's pieces that do not lead to `last`."""
    db.execute(
        """WITH RECURSIVE chain (id) AS (
            SELECT ? UNION ALL
            SELECT piece.before FROM chain JOIN piece ON piece.id = chain.id WHERE piece.before > 0)
        DELETE FROM piece WHERE upload = ? AND id NOT IN (SELECT id FROM chain)""",
        (last, upload_id),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
