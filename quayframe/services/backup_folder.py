"""A backup on disk: a folder with the database as an SQLite file, the blobs' bytes by digest, and a page
that names both. The page is replaced as a whole, so a folder always holds one whole backup or none."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quayframe.errors import Refused
from quayframe.oci.digest import Digest, new_hash

PAGE = "backup.json"
OBJECTS = "objects"
FORM = 1
PIECE = 1 << 20


@dataclass(frozen=True)
class Page:
    """:param at_ms: when the snapshot of the database was taken. :param key: tells the
    DATABASE_SECRET_KEY that its secrets need. :param tables: rows and digest by table.
    :param lost: digests whose bytes the storage did not have, or not right."""

    at_ms: int
    database: str
    key: str
    tables: dict[str, tuple[int, str]]
    objects: int
    size: int
    lost: tuple[str, ...] = ()
    form: int = FORM


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def uri(self, database: str) -> str:
        """DB_URI of a database file in it."""
        return f"sqlite:///{(self.path / database).absolute()}"

    def make(self) -> None:
        """Raises Refused for a folder that holds something else."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise Refused(f"{self.path} cannot be used: {error.strerror or error}") from error
        ours = {name for name in found if name in (PAGE, OBJECTS) or name.startswith("registry-")}
        if found - ours - {f".{PAGE}"}:
            raise Refused(f"{self.path} holds something that is no backup: {min(found - ours)}")

    def page(self) -> Page:
        """Raises Refused where there is no whole backup."""
        try:
            said: dict[str, Any] = json.loads((self.path / PAGE).read_text())
        except (OSError, ValueError) as error:
            raise Refused(f"{self.path} holds no whole backup: {error}") from error
        if said.get("form") != FORM:
            raise Refused(f"{self.path} holds a backup of another release (form {said.get('form')})")
        if not (self.path / str(said.get("database"))).is_file():
            raise Refused(f"{self.path} holds no whole backup: {said.get('database')} is not there")
        tables = {name: (int(rows), str(digest)) for name, (rows, digest) in said.pop("tables").items()}
        return Page(tables=tables, lost=tuple(said.pop("lost")), **said)

    def write_page(self, page: Page) -> None:
        """From now on the folder is this backup. All else is on the disk before it."""
        os.sync()
        draft = self.path / f".{PAGE}"
        with draft.open("w") as file:
            json.dump(asdict(page), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / PAGE)
        _sync(self.path)

    def prune(self, database: str, digests: Iterable[str]) -> None:
        """Takes away what an older backup in this folder has left."""
        for file in self.path.glob("registry-*"):
            if not file.name.startswith(database):
                file.unlink()
        keep = {self.object(digest) for digest in digests}
        for path in [path for path in self.path.glob(f"{OBJECTS}/*/*/*") if path not in keep]:
            path.unlink()

    # -- objects --------------------------------------------------------------------------------

    def object(self, digest: str) -> Path:
        parsed = Digest.parse(digest)
        return self.path / OBJECTS / parsed.algorithm / parsed.hex[:2] / parsed.hex

    @contextmanager
    def writing(self, digest: str) -> Iterator[Any]:
        """A file that becomes the object when the block ends well."""
        path = self.object(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft.{secrets.token_hex(8)}")
        try:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def right(self, digest: str) -> bool:
        """Whether the object is there and its bytes are those of the digest."""
        content = new_hash(Digest.parse(digest).algorithm)
        try:
            with self.object(digest).open("rb") as file:
                while piece := file.read(PIECE):
                    content.update(piece)
        except OSError:
            return False
        return content.hexdigest() == Digest.parse(digest).hex


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
