"""Stars: what users have marked as their favourites."""

from __future__ import annotations

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Repository
from quayframe.data.tenancy import Star
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn
from quayframe.oci.names import RepositoryName

from .access import Access
from .clock import now_ms
from .principal import Principal
from .repository_views import LIVE, PAGE, Listed, listed, listing


class Stars:
    def __init__(self, db: Database, access: Access) -> None:
        self._db = db
        self._access = access

    def page(self, principal: Principal, after: int = 0) -> tuple[list[Listed], int | None]:
        """At most PAGE starred repositories that can still be seen, in the order of starring; with what
        `after` is for the next page."""
        where = LIVE & self._access.listed(principal, public=True) & (Star.id > after)
        rows = self._db.rows(listing(principal).where(where).order_by(Star.id).limit(PAGE + 1))
        found = [listed(row) for row in rows[:PAGE]]
        return found, int(rows[PAGE - 1][-1]) if len(rows) > PAGE else None

    def add(self, principal: Principal, name: RepositoryName) -> None:
        """Stars a repository; once more is the same. Raises NotSignedIn; NotFound for a missing one in a
        namespace of the principal's; InsufficientScope for one that it may not see."""
        account = _owner(principal)
        row = self._access.repository(name.namespace, name.name)
        if row is None or not self._access.may_pull(principal, row):
            raise self._refused(principal, name.namespace)

        def work(tx: Tx) -> None:
            if not tx.share(Repository.select(Repository.id).where(LIVE & (Repository.id == row.id))):
                raise self._refused(principal, name.namespace)
            tx.insert_absent(Star, account=account, repository=row.id, created_ms=now_ms())

        self._db.write(work)

    def remove(self, principal: Principal, name: RepositoryName) -> None:
        """Takes a star away; one that is not there too. Raises NotSignedIn."""
        account = _owner(principal)
        row = self._access.repository(name.namespace, name.name)
        if row is not None:
            where = (Star.account == account) & (Star.repository == row.id)
            self._db.write(lambda tx: tx.run(Star.delete().where(where)))

    def _refused(self, principal: Principal, name: str) -> NotFound | InsufficientScope:
        namespace = self._access.namespace(name)
        mine = namespace is not None and self._access.may_read_namespace(principal, namespace)
        return NotFound("Not Found") if mine else InsufficientScope()


def _owner(principal: Principal) -> int:
    if principal.account_id is None:
        raise NotSignedIn()
    return principal.account_id
