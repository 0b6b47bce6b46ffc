"""Deleted repositories and namespaces go when their window has ended: then nothing brings them back.

The first transaction of each is the point of no return (`PURGING`), so that none comes back by halves;
the others take away a bounded number of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import peewee

from quayframe.data.db import Database, Tx
from quayframe.data.tables import (
    Account,
    Manifest,
    Repository,
    RepositoryBlob,
    SizeDelta,
    Tag,
    Token,
    Upload,
)
from quayframe.data.tenancy import OauthApplication

from .blobs import Blobs
from .cascade import Handler, drain, nulled, untouched
from .clock import now_ms
from .collecting import Counts, Go, Writer, shortest_window_ms, window_ms
from .forgetting import STAYS
from .unlinking import unlink

log = logging.getLogger("quayframe.gc")

PURGING = 1
"""`deleted_ms` of what is going and can not come back: longer ago than any window."""
_ROWS = 300
_LINKS = 50
_CANDIDATES = 100
_OF_ACCOUNTS: Mapping[Any, Handler] = {
    **{column: nulled(column) for column in STAYS},
    # These have gone before: a repository's content goes by rules of its own.
    Repository.namespace: untouched,
    RepositoryBlob.namespace: untouched,
}
_OF_REPOSITORIES: Mapping[Any, Handler] = {RepositoryBlob.repository: untouched, Upload.repository: untouched}


class Purging:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none.
    :param repositories: FEATURE_REPOSITORY_GARBAGE_COLLECTION.
    :param namespaces: FEATURE_NAMESPACE_GARBAGE_COLLECTION: organizations, and what deleted users had."""

    def __init__(
        self, db: Database, blobs: Blobs, *, window_s: int, repositories: bool = True, namespaces: bool = True
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._window_s = window_s
        self._repositories = repositories
        self._namespaces = namespaces
        self._writer = Writer(db)

    def round(self, go: Go = lambda: True) -> Counts:
        """Takes away what has been deleted for longer than its window; nothing = all is done.

        :param go: asked between two transactions; False = stop here."""
        total = Counts()
        for ident in self.due_repositories():
            total += self._all(go, partial(self._repository, ident=ident))
        for ident in self.due_organizations():
            total += self._organization(go, ident)
        for ident in self._due_robots():
            total += self._all(go, partial(self._robot, ident=ident))
        return total

    # -- what is due --------------------------------------------------------------------------

    def due_repositories(self) -> list[int]:
        """Repositories whose window has ended, without those of organizations that go as a whole."""
        with_namespace = Account.deleted_ms.is_null(False) & (
            (Account.deleted_ms == Repository.deleted_ms) | (Account.deleted_ms == PURGING)
        )
        of_user = Account.kind == "user"
        wanted = []
        if self._repositories:
            wanted.append(~with_namespace)
        if self._namespaces:
            wanted.append(with_namespace & of_user)
        found: list[int] = []
        for which in wanted:
            query = (
                Repository.select(Repository.id)
                .join(Account, on=(Account.id == Repository.namespace))
                .where(self._due(Repository.deleted_ms) & which)
                .order_by(Repository.deleted_ms, Repository.id)
                .limit(_CANDIDATES)
            )
            found += [int(ident) for (ident,) in self._db.rows(query)]
        return found

    def due_organizations(self) -> list[int]:
        """Organizations whose window has ended."""
        if not self._namespaces:
            return []
        query = Account.select(Account.id).where(
            self._due(Account.deleted_ms) & (Account.kind == "organization")
        )
        return [int(i) for (i,) in self._db.rows(query.order_by(Account.deleted_ms).limit(_CANDIDATES))]

    def going(self) -> set[int]:
        """All repositories that a round would take away now, alone or with their organization."""
        inside = Repository.select(Repository.id).where(Repository.namespace.in_(self.due_organizations()))
        return {*self.due_repositories(), *(int(i) for (i,) in self._db.rows(inside))}

    def _due_robots(self) -> list[int]:
        """Robots of deleted users: they, unlike their owners' names, go."""
        if not self._namespaces:
            return []
        robot: Any = Account.alias("robot")
        query = (
            robot.select(robot.id)
            .join(Account, on=(Account.id == robot.owner))
            .where(self._due(robot.deleted_ms) & (robot.kind == "robot"))
            .where((Account.kind == "user") & Account.deleted_ms.is_null(False))
        )
        return [int(i) for (i,) in self._db.rows(query.limit(_CANDIDATES))]

    def _due(self, deleted: Any) -> Any:
        now = now_ms()
        bound = deleted <= now - shortest_window_ms(self._db, self._window_s)
        return bound & (deleted <= now - window_ms(self._window_s))

    # -- taking away --------------------------------------------------------------------------

    def _all(self, go: Go, step: Callable[[Tx], Counts | None]) -> Counts:
        total = Counts()
        try:
            while go() and (done := self._writer.write(step)) is not None:
                total += done
        except peewee.IntegrityError:
            # A row that nobody foresaw holds up no other.
            log.exception("the collector leaves a row alone")
        return total

    def _repository(self, tx: Tx, ident: int) -> Counts | None:
        """One transaction's share of a repository's going; None = it is gone, or came back in time."""
        mine = Repository.id == ident
        row = tx.lock(Repository.select(Repository.deleted_ms, Repository.namespace).where(mine))
        if not row or row[0][0] is None:
            return None
        if row[0][0] != PURGING:
            window = tx.value(Account.select(window_ms(self._window_s)).where(Account.id == row[0][1]))
            if row[0][0] > now_ms() - int(window):
                return None
            tx.run(Repository.update(deleted_ms=PURGING).where(mine))
            return Counts()
        done = drain(tx, Tag, Tag.repository == ident, _ROWS)
        if done < _ROWS:
            done += drain(tx, Manifest, Manifest.repository == ident, _ROWS - done)
        if done >= _ROWS:
            return Counts()
        linked = RepositoryBlob.select(RepositoryBlob.id).where(RepositoryBlob.repository == ident)
        links = [link for (link,) in tx.rows(linked.limit(_LINKS))]
        if links:
            return unlink(tx, self._blobs, links, expired=False)
        # Whoever is about to finish an upload finds that it is of no repository; the sweep ends it.
        tx.run(Upload.update(repository=None, touched_ms=0).where(Upload.repository == ident))
        if drain(tx, Repository, mine, _ROWS, _OF_REPOSITORIES) >= _ROWS:
            return Counts()
        return Counts(repositories=1)

    def _organization(self, go: Go, ident: int) -> Counts:
        total = self._all(go, partial(self._begin, ident=ident))
        last = 0
        while go() and (some := self._inside(ident, last)):
            for repository in some:
                total += self._all(go, partial(self._repository, ident=repository))
            last = some[-1]
        return total + self._all(go, partial(self._account, ident=ident))

    def _inside(self, namespace_id: int, last: int) -> list[int]:
        """Repositories of an organization that goes, behind `last`."""
        here = (Repository.namespace == namespace_id) & (Repository.deleted_ms == PURGING)
        query = Repository.select(Repository.id).where(here & (Repository.id > last))
        return [int(i) for (i,) in self._db.rows(query.order_by(Repository.id).limit(_CANDIDATES))]

    def _begin(self, tx: Tx, ident: int) -> Counts | None:
        """The point of no return of an organization, and of all that is in it."""
        mine = Account.id == ident
        columns = (Account.kind, Account.deleted_ms, window_ms(self._window_s))
        row = tx.lock(Account.select(*columns).where(mine))
        if not row or row[0][0] != "organization" or row[0][1] in (None, PURGING):
            return None
        if row[0][1] > now_ms() - int(row[0][2]):
            return None
        tx.run(Account.update(deleted_ms=PURGING).where(mine | (Account.owner == ident)))
        tx.run(Repository.update(deleted_ms=PURGING).where(Repository.namespace == ident))
        return Counts()

    def _account(self, tx: Tx, ident: int) -> Counts | None:
        """One transaction's share of what an organization has beside its repositories, and at last itself:
        its name is free."""
        mine = (Account.id == ident) & (Account.deleted_ms == PURGING)
        if not tx.lock(Account.select(Account.id).where(mine)):
            return None
        if tx.one(Repository.select(Repository.id).where(Repository.namespace == ident).limit(1)):
            return None
        # Two references without a foreign key: nothing else would take these rows away.
        applications = OauthApplication.select(OauthApplication.id).where(
            OauthApplication.organization == ident
        )
        done = drain(tx, Token, Token.application.in_(applications), _ROWS)
        if done < _ROWS:
            done += drain(tx, SizeDelta, SizeDelta.namespace == ident, _ROWS - done)
        if done < _ROWS:
            done += drain(tx, Account, mine, _ROWS - done, _OF_ACCOUNTS)
        return Counts(namespaces=1) if done < _ROWS else Counts()

    def _robot(self, tx: Tx, ident: int) -> Counts | None:
        done = drain(tx, Account, (Account.id == ident) & (Account.kind == "robot"), _ROWS, _OF_ACCOUNTS)
        return Counts() if done else None
