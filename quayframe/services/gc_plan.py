"""The plan of a collection: what would go now, and for all that stays why. It reads the same reasons as the
collector, and asks the same decision; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import (
    Account,
    Blob,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    RepositoryBlob,
    Tag,
    TagInterval,
    Trash,
)
from quayframe.errors import NameUnknown
from quayframe.oci.names import RepositoryName

from . import keeping
from .clock import now_ms
from .collecting import window_ms
from .lifecycle import Reason, decide
from .purging import Purging

NAMESPACE = peewee.fn.COALESCE(Account.deleted_name, Account.name)
"""What it is called, or was before its name was given free."""
_PAGE = 500
_NAMED = 10
"""Links that are named as keeping one blob."""


@dataclass(frozen=True)
class Item:
    """One thing, in words: a digest, a tag with its digest, a repository, a namespace. `where` is the full
    name of its repository; `reasons` say why it stays, none that it goes."""

    what: str
    where: str | None = None
    size: int = 0
    reasons: tuple[Reason, ...] = ()


@dataclass
class Shares:
    """The things of one kind: those that go, those that stay."""

    goes: list[Item] = field(default_factory=list)
    stays: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        (self.stays if item.reasons else self.goes).append(item)


@dataclass
class Plan:
    """`tags` lists periods of history that go; `trash` counts objects: due now, due later, failed before."""

    now: int
    tags: list[Item] = field(default_factory=list)
    manifests: Shares = field(default_factory=Shares)
    blobs: Shares = field(default_factory=Shares)
    repositories: Shares = field(default_factory=Shares)
    namespaces: Shares = field(default_factory=Shares)
    trash: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """A repository as the plan sees it. `purged`: it goes with all that it holds."""

    id: int
    name: str
    window_ms: int
    purged: bool


class GcPlans:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none.
    :param hold_s: PUSH_TEMP_TAG_EXPIRATION_SEC: so long a link stays after its last manifest."""

    def __init__(self, db: Database, purging: Purging, *, window_s: int, hold_s: int) -> None:
        self._db = db
        self._purging = purging
        self._window_s = window_s
        self._hold_ms = hold_s * 1000

    def plan(self, name: RepositoryName | None = None) -> Plan:
        """Of the whole registry, or of one repository. Raises NameUnknown."""
        plan = Plan(now_ms())
        places = self._places(name)
        gone: set[int] = set()
        for place in places.values():
            gone |= self._of_repository(plan, place)
        self._blobs(plan, places, gone, name is not None)
        if name is None:
            self._deleted(plan)
            self._trash(plan)
        return plan

    # -- repositories -------------------------------------------------------------------------

    def _places(self, name: RepositoryName | None) -> dict[int, _Place]:
        query = (
            Repository.select(
                Repository.id, NAMESPACE, Repository.name, Repository.deleted_name,
                window_ms(self._window_s),
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .order_by(Account.name, Repository.name)
        )  # fmt: skip
        if name is not None:
            here = (Account.name == name.namespace) & (Repository.name == name.name)
            query = query.where(here & Repository.deleted_ms.is_null())
        purged = self._purging.going()
        places = {
            ident: _Place(ident, f"{namespace}/{deleted or own}", int(window), ident in purged)
            for ident, namespace, own, deleted, window in self._db.rows(query)
        }
        if name is not None and not places:
            raise NameUnknown()
        return places

    def _deleted(self, plan: Plan) -> None:
        """What is in the recycle bin, and what leaves it for good."""
        purged = self._purging.going()
        query = (
            Repository.select(
                Repository.id, NAMESPACE, Repository.deleted_name, Repository.deleted_ms,
                window_ms(self._window_s),
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .where(Repository.deleted_ms.is_null(False))
            .order_by(Repository.id)
        )  # fmt: skip
        for ident, namespace, name, deleted, window in self._db.rows(query):
            reasons = () if ident in purged else (Reason("bin", deleted + int(window)),)
            plan.repositories.add(Item(f"{namespace}/{name}", reasons=reasons))
        organizations = set(self._purging.due_organizations())
        columns = (Account.id, NAMESPACE, Account.deleted_ms, window_ms(self._window_s))
        deleted_ones = Account.deleted_ms.is_null(False) & (Account.kind == "organization")
        for ident, name, deleted, window in self._db.rows(Account.select(*columns).where(deleted_ones)):
            reasons = () if ident in organizations else (Reason("bin", deleted + int(window)),)
            plan.namespaces.add(Item(name, reasons=reasons))

    # -- manifests ----------------------------------------------------------------------------

    def _of_repository(self, plan: Plan, place: _Place) -> set[int]:
        """Adds a repository's history and manifests; returns the ids of the manifests that go."""
        self._history(plan, place)
        here = Manifest.repository == place.id
        rows = {i: (d, s) for i, d, s in self._pages(Manifest, here, Manifest.digest, Manifest.size)}
        gone: set[int] = set()
        reasons: keeping.Reasons = {}
        todo = set(rows)
        while todo and not place.purged:
            found = keeping.of_manifests(self._db.rows, place.id, todo, plan.now, place.window_ms, gone)
            reasons |= found
            fresh = {ident for ident in todo if not decide(found[ident]).is_kept(plan.now)} - gone
            gone |= fresh
            todo = self._below(place, fresh, rows) - gone
        if place.purged:
            gone = set(rows)
        for ident, (digest, size) in rows.items():
            kept = () if ident in gone else tuple(r for r in reasons[ident] if _counts(r, plan.now))
            plan.manifests.add(Item(digest, place.name, size, kept))
        return gone

    def _below(self, place: _Place, gone: set[int], rows: dict[int, tuple[str, int]]) -> set[int]:
        """What those listed, and what refers to them: to be looked at again."""
        found: set[int] = set()
        for some in keeping.batches(gone):
            children = ManifestChild.select(ManifestChild.child).where(ManifestChild.parent.in_(some))
            digests = [rows[ident][0] for ident in some]
            about = (Manifest.repository == place.id) & Manifest.subject.in_(digests)
            for query in (children, Manifest.select(Manifest.id).where(about)):
                found.update(int(ident) for (ident,) in self._db.rows(query))
        return found

    def _history(self, plan: Plan, place: _Place) -> None:
        here = TagInterval.repository == place.id
        if not place.purged:
            here &= TagInterval.end_ms <= plan.now - place.window_ms
        query = (
            TagInterval.select(Tag.name, Manifest.digest)
            .join(Tag, on=(Tag.id == TagInterval.tag))
            .join(Manifest, on=(Manifest.id == TagInterval.manifest))
            .where(here)
            .order_by(TagInterval.end_ms, TagInterval.id)
        )
        for name, digest in self._db.rows(query):
            plan.tags.append(Item(f"{name} {digest}", place.name))

    # -- blobs --------------------------------------------------------------------------------

    def _blobs(self, plan: Plan, places: dict[int, _Place], gone: set[int], only: bool) -> None:
        """A blob goes when no link is left; `only`: those that the places link."""
        where = None
        if only:
            linked = RepositoryBlob.select(RepositoryBlob.blob).where(
                RepositoryBlob.repository.in_(list(places))
            )
            where = Blob.id.in_(linked)
        page: list[tuple[Any, ...]] = []
        for row in self._pages(Blob, where, Blob.digest, Blob.size):
            page.append(row)
            if len(page) == _PAGE:
                self._blob_page(plan, page, places, gone)
                page = []
        self._blob_page(plan, page, places, gone)

    def _blob_page(
        self, plan: Plan, page: list[tuple[Any, ...]], places: dict[int, _Place], gone: set[int]
    ) -> None:
        ids = [row[0] for row in page]
        if not ids:
            return
        named: dict[tuple[int, int], bool] = {}
        query = (
            ManifestBlob.select(ManifestBlob.blob, Manifest.repository, Manifest.id)
            .join(Manifest, on=(Manifest.id == ManifestBlob.manifest))
            .where(ManifestBlob.blob.in_(ids))
        )
        for blob, repository, manifest in self._db.rows(query):
            named[blob, repository] = named.get((blob, repository), False) or manifest not in gone
        reasons: dict[int, list[Reason]] = {ident: [] for ident in ids}
        links = RepositoryBlob.select(
            RepositoryBlob.blob, RepositoryBlob.repository, RepositoryBlob.expires_ms,
            RepositoryBlob.deleted_ms,
        ).where(RepositoryBlob.blob.in_(ids))  # fmt: skip
        for blob, repository, expires, deleted in self._db.rows(links):
            place = places.get(repository)
            if place is not None and place.purged:
                continue
            source = place.name if place is not None else "another repository"
            reason = self._link(plan.now, named.get((blob, repository), False), expires, deleted, source)
            if _counts(reason, plan.now) and len(reasons[blob]) < _NAMED:
                reasons[blob].append(reason)
        for ident, digest, size in page:
            plan.blobs.add(Item(digest, None, size, tuple(reasons[ident])))

    def _link(self, now: int, needed: bool, expires: int | None, deleted: int | None, source: str) -> Reason:
        """How a repository's link keeps a blob."""
        if needed:
            return Reason("link", None, source)
        if expires is None:
            # Its last manifest goes now, and gives it an end.
            expires = now if deleted is not None else now + self._hold_ms
        return Reason("upload", expires, source)

    # -- trash --------------------------------------------------------------------------------

    def _trash(self, plan: Plan) -> None:
        def count(where: Any) -> int:
            return int(self._db.value(Trash.select(peewee.fn.COUNT(Trash.id)).where(where)) or 0)

        plan.trash = {
            "due": count(Trash.due_ms <= plan.now),
            "later": count(Trash.due_ms > plan.now),
            "failed": count(Trash.attempts > 0),
        }

    # -- parts --------------------------------------------------------------------------------

    def _pages(self, table: Any, where: Any, *columns: Any) -> Iterator[tuple[Any, ...]]:
        """(id, columns...) of a table, in the order of ids, read in pages."""
        last = 0
        while True:
            query = table.select(table.id, *columns).where(table.id > last)
            if where is not None:
                query = query.where(where)
            rows = self._db.rows(query.order_by(table.id).limit(_PAGE))
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]


def _counts(reason: Reason, now: int) -> bool:
    """Whether this reason keeps anything now."""
    return reason.at_ms is None or reason.at_ms > now
