"""The registry against itself: rows against rows, rows against storage, both ways.

It runs while the registry serves: what is found is looked at a second time before it is told, and a
repair looks again under the locks that everybody takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quayframe.data.db import Database
from quayframe.errors import NameUnknown
from quayframe.oci.names import RepositoryName

from .access import Access
from .blobs import Blobs
from .findings import Finding
from .fsck_rows import RowCheck
from .fsck_storage import Heal, Progress, StorageCheck
from .storage import Storage


@dataclass(frozen=True)
class Told:
    """A finding, and whether it was repaired: None = nobody asked, or it cannot be."""

    finding: Finding
    repaired: bool | None = None


@dataclass(frozen=True)
class Asked:
    """What is to be checked. `digests`: read and verify all bytes. `repository`: this one alone, and of
    storage only what it links."""

    repository: RepositoryName | None = None
    digests: bool = False
    repair: bool = False


class Fsck:
    """:param heal: has a copy that was forgotten made anew.
    :param sparse: FEATURE_SPARSE_INDEX. :param window_s: DEFAULT_TAG_EXPIRATION.
    :param hold_s: PUSH_TEMP_TAG_EXPIRATION_SEC."""

    def __init__(
        self,
        db: Database,
        access: Access,
        storage: Storage,
        blobs: Blobs,
        heal: Heal,
        *,
        sparse: bool,
        window_s: int,
        hold_s: int,
    ) -> None:
        self._db = db
        self._access = access
        self._storage = storage
        self._blobs = blobs
        self._heal = heal
        self._sparse = sparse
        self._window_s = window_s
        self._hold_s = hold_s

    def run(self, asked: Asked, tell: Progress = lambda what, done: None) -> Iterator[Told]:
        """What is wrong, as it is found. Raises NameUnknown, Unavailable where storage is away."""
        for finding in self._findings(asked, tell):
            if not asked.repair or finding.repair is None:
                yield Told(finding)
                continue
            yield Told(finding, self._db.write(finding.repair))

    def _findings(self, asked: Asked, tell: Progress) -> Iterator[Finding]:
        only = None
        if asked.repository is not None:
            row = self._access.repository(asked.repository.namespace, asked.repository.name)
            if row is None:
                raise NameUnknown(f"there is no repository {asked.repository.full}")
            only = row.id
        rows = RowCheck(
            self._db,
            self._blobs,
            tell,
            sparse=self._sparse,
            window_s=self._window_s,
            hold_s=self._hold_s,
        )
        storage = StorageCheck(self._db, self._storage, self._blobs, self._heal, tell)
        yield from rows.tags(only)
        yield from rows.manifests(only)
        yield from rows.links(only)
        yield from rows.blobs(only)
        yield from storage.placements(only, digests=asked.digests)
        if only is None:
            yield from storage.objects()
            yield from storage.trash()
            yield from rows.sums()
