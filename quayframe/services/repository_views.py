"""Repositories as lists and pages show them."""

from __future__ import annotations

import time
import uuid as uuids
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Account, EventRow, Manifest, Repository, Tag
from quayframe.data.tenancy import Star
from quayframe.oci.media import INDEX_TYPES

from .access import Access, RepositoryRow
from .clock import now_ms
from .principal import Principal
from .visibility import live

PAGE = 100
DAY_MS = 86_400_000
STATISTICS_DAYS = 91
POPULAR_DAYS = 28
MOST_TAGS = 500
LIVE = Repository.deleted_ms.is_null() & (Repository.kind == "image")


@dataclass(frozen=True)
class Listed:
    """A repository in a list; `name` without its namespace. `is_starred`: by the one who asks."""

    id: int
    namespace: str
    name: str
    description: str | None
    is_public: bool
    kind: str
    state: str
    is_starred: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a list is asked for. `public` adds the public ones of a namespace to those that the one who
    asks has a right on; without namespace it means all public ones."""

    namespace: str | None = None
    starred: bool = False
    public: bool = False


@dataclass(frozen=True)
class Details:
    """More of a repository. `tag_expiration_s` is its namespace's; `badge_token` opens a private badge."""

    description: str | None
    badge_token: str
    trust_enabled: bool
    is_organization: bool
    is_starred: bool
    tag_expiration_s: int
    can_write: bool
    can_admin: bool


@dataclass(frozen=True)
class TagView:
    """A live tag. `size` is the sum of the layers' in bytes, None for an index."""

    name: str
    digest: str
    size: int | None
    start_ms: int
    end_ms: int | None


class RepositoryViews:
    """:param tag_expiration_s: DEFAULT_TAG_EXPIRATION."""

    def __init__(self, db: Database, access: Access, *, tag_expiration_s: int) -> None:
        self._db = db
        self._access = access
        self._tag_expiration_s = tag_expiration_s

    # -- lists --------------------------------------------------------------------------------

    def page(self, principal: Principal, wanted: Wanted, after: int = 0) -> tuple[list[Listed], bool]:
        """At most PAGE repositories with ids above `after`, in the order of making, and whether more
        follow. An unknown namespace has none."""
        where = self._where(principal, wanted)
        if where is None:
            return [], False
        query = listing(principal).where(LIVE & (Repository.id > after) & where)
        if wanted.starred:
            query = query.where(Star.id.is_null(False))
        rows = self._db.rows(query.order_by(Repository.id).limit(PAGE + 1))
        return [listed(row) for row in rows[:PAGE]], len(rows) > PAGE

    def _where(self, principal: Principal, wanted: Wanted) -> Any:
        if wanted.namespace is not None:
            found = self._access.namespace(wanted.namespace)
            if found is None:
                return None
            public = wanted.public or wanted.starred
            here = self._access.listed(principal, public=public, namespace_id=found.id)
            return (Repository.namespace == found.id) & here
        where = self._access.listed(principal, public=True)
        if wanted.public and not wanted.starred:
            where &= Repository.visibility == "public"
        return where

    def last_modified(self, ids: Collection[int]) -> dict[int, int]:
        """By repository id: when a live tag of it was set last, in ms; none for those without any."""
        rows = self._db.rows(
            Tag.select(Tag.repository, peewee.fn.MAX(Tag.start_ms))
            .where(Tag.repository.in_(list(ids)) & live(now_ms()))
            .group_by(Tag.repository)
        )
        return {int(ident): int(start) for ident, start in rows}

    def popularity(self, ids: Collection[int]) -> dict[int, float]:
        """By repository id: how much was done there in the POPULAR_DAYS days before today."""
        today = now_ms() // DAY_MS * DAY_MS
        recent = (EventRow.at_ms >= today - POPULAR_DAYS * DAY_MS) & (EventRow.at_ms < today)
        rows = self._db.rows(
            EventRow.select(EventRow.repository, peewee.fn.COUNT(EventRow.id))
            .where(EventRow.repository.in_(list(ids)) & recent)
            .group_by(EventRow.repository)
        )
        return {int(ident): float(count) for ident, count in rows}

    def stars(self, ids: Collection[int]) -> dict[int, int]:
        """By repository id: how many have starred it."""
        rows = self._db.rows(
            Star.select(Star.repository, peewee.fn.COUNT(Star.id))
            .where(Star.repository.in_(list(ids)))
            .group_by(Star.repository)
        )
        return {int(ident): int(count) for ident, count in rows}

    # -- one ----------------------------------------------------------------------------------

    def details(self, principal: Principal, row: RepositoryRow) -> Details:
        found = self._db.rows(
            Repository.select(
                Repository.description, Repository.badge_token, Repository.trust_enabled, Account.kind,
                Account.removed_tag_expiration_s, Star.id,
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .join(Star, peewee.JOIN.LEFT_OUTER, on=_starred(principal))
            .where(Repository.id == row.id)
        )[0]  # fmt: skip
        description, badge, trust, kind, expiration, star = found
        return Details(
            description=description,
            badge_token=badge or self._badge(row.id),
            trust_enabled=bool(trust),
            is_organization=kind == "organization",
            is_starred=star is not None,
            tag_expiration_s=self._tag_expiration_s if expiration is None else int(expiration),
            can_write=self._access.may_push(principal, row),
            can_admin=self._access.may_admin(principal, row),
        )

    def _badge(self, repository_id: int) -> str:
        """The token of a repository that was made before these tokens were."""
        made = str(uuids.uuid4())
        mine = Repository.id == repository_id
        unset = mine & Repository.badge_token.is_null()
        self._db.write(lambda tx: tx.run(Repository.update(badge_token=made).where(unset)))
        return str(self._db.value(Repository.select(Repository.badge_token).where(mine)))

    def tags(self, row: RepositoryRow) -> list[TagView]:
        """The live tags, the latest first, at most MOST_TAGS."""
        rows = self._db.rows(
            Tag.select(
                Tag.name, Manifest.digest, Manifest.media_type, Manifest.layers_size, Tag.start_ms, Tag.end_ms
            )
            .join(Manifest, on=(Manifest.id == Tag.manifest))
            .where((Tag.repository == row.id) & live(now_ms()) & Manifest.deleted_ms.is_null())
            .order_by(Tag.start_ms.desc(), Tag.name)
            .limit(MOST_TAGS)
        )
        return [
            TagView(name, digest, None if media in INDEX_TYPES else int(size), int(start), end)
            for name, digest, media, size, start, end in rows
        ]

    def statistics(self, row: RepositoryRow) -> list[tuple[str, int]]:
        """(date, how much was done) of each of the STATISTICS_DAYS days before today, the latest first."""
        today = now_ms() // DAY_MS * DAY_MS
        rows = self._db.sql_rows(
            "SELECT at_ms - at_ms % 86400000, COUNT(*) FROM event"
            " WHERE repository_id = ? AND at_ms >= ? AND at_ms < ? GROUP BY at_ms - at_ms % 86400000",
            (row.id, today - STATISTICS_DAYS * DAY_MS, today),
        )
        counts = {int(day): int(count) for day, count in rows}
        days = [today - number * DAY_MS for number in range(1, STATISTICS_DAYS + 1)]
        return [(time.strftime("%Y-%m-%d", time.gmtime(day // 1000)), counts.get(day, 0)) for day in days]


def listing(principal: Principal) -> Any:
    """A query of rows for `listed`, whose `where` is still to be said; Star is the principal's own."""
    return (
        Repository.select(
            Repository.id, Account.name, Repository.name, Repository.description, Repository.visibility,
            Repository.kind, Repository.state, Star.id,
        )
        .join(Account, on=(Account.id == Repository.namespace))
        .join(Star, peewee.JOIN.LEFT_OUTER, on=_starred(principal))
    )  # fmt: skip


def listed(row: tuple[Any, ...]) -> Listed:
    """A Listed from a row of the query `listing`."""
    ident, namespace, name, description, visibility, kind, state, star = row[:8]
    return Listed(ident, namespace, name, description, visibility == "public", kind, state, star is not None)


def _starred(principal: Principal) -> Any:
    # Of nobody there is no account 0.
    return (Star.repository == Repository.id) & (Star.account == (principal.account_id or 0))
