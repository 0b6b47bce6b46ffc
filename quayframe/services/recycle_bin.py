"""The recycle bin: deleted repositories and organizations, which come back as they were.

Deletion takes nothing away: what is deleted is marked, and nobody finds the way to it. It stays for its
namespace's window, and longer, until the collector has begun to take it away (`purging`): both lock the
same row first, and whoever comes second finds what the first has done.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Repository, Tag, Team, TeamMember
from quayframe.errors import InsufficientScope, InvalidRequest, NameInvalid, NameTaken, NotFound, NotSignedIn
from quayframe.oci import names
from quayframe.oci.names import RepositoryName

from .access import Access, NamespaceRow, RepositoryRow
from .activity import Activity
from .clock import now_ms
from .collecting import window_ms
from .principal import Principal
from .purging import PURGING
from .repositories import Check
from .visibility import live

PAGE = 100
Place = tuple[int, int]
"""Where a page of a list ends: when that entry was deleted (ms), and its id."""


@dataclass(frozen=True)
class DeletedRepository:
    """`name` is what it was called; `tags` how many would be there if it came back now. Times in ms: from
    `ends_ms` on it may be taken away for good."""

    id: int
    uuid: str
    namespace: str
    name: str
    tags: int
    deleted_ms: int
    ends_ms: int

    @property
    def place(self) -> Place:
        return self.deleted_ms, self.id


@dataclass(frozen=True)
class DeletedOrganization:
    """`name` is what it was called; `released`: others may be called so. `repositories`: how many would
    come back with it."""

    id: int
    uuid: str
    name: str
    released: bool
    repositories: int
    deleted_ms: int
    ends_ms: int

    @property
    def place(self) -> Place:
        return self.deleted_ms, self.id


@dataclass(frozen=True)
class _Organization:
    """`name` is what it was called, `taken` what its row holds in its place."""

    row: NamespaceRow
    name: str
    taken: str
    deleted_ms: int


class RecycleBin:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none.
    :param extended: FEATURE_EXTENDED_REPOSITORY_NAMES."""

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        check: Check,
        *,
        window_s: int,
        extended: bool = True,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._check = check
        self._window_s = window_s
        self._extended = extended

    # -- repositories -------------------------------------------------------------------------

    def repositories(
        self, principal: Principal, namespace: str | None, *, after: Place | None = None, limit: int = PAGE
    ) -> tuple[list[DeletedRepository], bool]:
        """What was deleted in a namespace, the latest first, and whether more follows.

        :param namespace: None = all of them, for the command line alone.
        Raises NotSignedIn, InsufficientScope, also where there is no such namespace."""
        where = Account.deleted_ms.is_null()
        if namespace is not None:
            found = self._access.namespace(namespace)
            if found is None or not self._may_see(principal, found):
                raise _refusal(principal)
            where &= Account.id == found.id
        elif principal.kind != "system":
            raise _refusal(principal)
        query = (
            Repository.select(
                Repository.id, Repository.uuid, Account.name,
                peewee.fn.COALESCE(Repository.deleted_name, Repository.name),
                Repository.deleted_ms, window_ms(self._window_s),
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .where(where & _page(Repository, after))
        )  # fmt: skip
        rows, more = self._paged(query, Repository, limit)
        tags = self._tags([row[0] for row in rows])
        return [
            DeletedRepository(ident, uuid, owner, name, tags.get(ident, 0), at, at + int(window))
            for ident, uuid, owner, name, at, window in rows
        ], more

    def _may_see(self, principal: Principal, namespace: NamespaceRow) -> bool:
        if namespace.id == principal.account_id:
            # Of one's own it takes the right to change it, also for who may read all others.
            return self._access.may_admin_namespace(principal, namespace)
        return self._access.may_read_namespace(principal, namespace)

    def undelete_repository(self, principal: Principal, uuid: str, name: str | None = None) -> RepositoryName:
        """Brings a repository back under its old name, or under `name`, and returns what it is called.

        Who may have deleted it may; for another name than the old one it takes who may make repositories.
        Raises NotFound, NotSignedIn, InsufficientScope, InvalidRequest for a bad name; NameTaken."""
        found = self._repository(principal, uuid, name)
        target = found.name if name is None else self._new_name(found.namespace, name)
        event = events.UndeleteRepo(
            **principal.by(found.namespace), repository=target, deleted_name=found.name
        )
        self._check(event)

        def work(tx: Tx) -> None:
            # Who makes a repository here holds on to the namespace, and who ends the namespace locks it.
            here = (Account.id == found.namespace_id) & Account.deleted_ms.is_null()
            tx.lock(Account.select(Account.id).where(here))
            tx.lock(Repository.select(Repository.id).where(Repository.id == found.id))
            self._repository(principal, uuid, name)
            namesake = (Repository.namespace == found.namespace_id) & (Repository.name == target)
            if tx.one(Repository.select(Repository.id).where(namesake)) is not None:
                raise NameTaken(f"there is a repository {found.namespace}/{target}: choose another name")
            _bring_back(tx, Repository.id == found.id, name=target)
            self._activity.record(
                tx,
                event,
                namespace_id=found.namespace_id,
                repository_id=found.id,
                performer_id=principal.account_id,
            )

        self._db.write(work)
        return RepositoryName(found.namespace, target)

    def _repository(self, principal: Principal, uuid: str, name: str | None) -> RepositoryRow:
        """The repository in the bin, as it was called, which this principal may bring back."""
        row = self._db.one(
            Repository.select(
                Repository.id, Repository.uuid, Repository.namespace, Account.name,
                peewee.fn.COALESCE(Repository.deleted_name, Repository.name),
                Repository.visibility, Repository.state, Repository.kind, Account.kind, Account.enabled,
            )
            .join(Account, on=(Account.id == Repository.namespace))
            .where((Repository.uuid == uuid) & _in_bin(Repository) & Account.deleted_ms.is_null())
        )  # fmt: skip
        if row is None:
            raise NotFound("Not Found")
        found, owner = RepositoryRow(*row[:8]), NamespaceRow(row[2], row[3], row[8], bool(row[9]))
        if self._access.role(principal, found) != "admin":
            raise _refusal(principal)
        if name not in (None, found.name) and not self._access.may_create_in(principal, owner):
            raise InsufficientScope()
        return found

    def _new_name(self, namespace: str, name: str) -> str:
        try:
            found = names.repository_path(f"{namespace}/{name}", library=None, extended=self._extended)
        except NameInvalid as error:
            raise InvalidRequest(error.text) from None
        if found.name != name:
            raise InvalidRequest("Invalid repository name")
        return name

    def _tags(self, repositories: Sequence[int]) -> dict[int, int]:
        query = Tag.select(Tag.repository, peewee.fn.COUNT(Tag.id)).where(
            Tag.repository.in_(repositories) & live(now_ms())
        )
        return {int(i): int(count) for i, count in self._db.rows(query.group_by(Tag.repository))}

    # -- organizations ------------------------------------------------------------------------

    def organizations(
        self, principal: Principal, *, after: Place | None = None, limit: int = PAGE
    ) -> tuple[list[DeletedOrganization], bool]:
        """Deleted organizations, the latest first, and whether more follows: for superusers all, for others
        those whose admin they were. Raises NotSignedIn, InsufficientScope for a token without the scope."""
        where = (Account.kind == "organization") & _page(Account, after)
        if not (principal.superuser or principal.reads("super:user")):
            if principal.account_id is None or not principal.may("org:admin"):
                raise _refusal(principal)
            mine = TeamMember.select(TeamMember.team).where(TeamMember.account == principal.account_id)
            admin = Team.select(Team.organization).where((Team.role == "admin") & Team.id.in_(mine))
            where &= Account.id.in_(admin)
        query = Account.select(
            Account.id, Account.uuid, Account.name, Account.deleted_name, Account.deleted_ms,
            window_ms(self._window_s),
        ).where(where)  # fmt: skip
        rows, more = self._paged(query, Account, limit)
        inside = self._inside([row[0] for row in rows])
        return [
            DeletedOrganization(
                ident, uuid, old or name, old is not None, inside.get(ident, 0), at, at + int(window)
            )
            for ident, uuid, name, old, at, window in rows
        ], more

    def undelete_organization(self, principal: Principal, uuid: str, name: str | None = None) -> str:
        """Brings an organization back with all that went with it, under its old name or under `name`, and
        returns what it is called. Repositories that were deleted before it stay in the bin.

        Who was its admin may, and superusers. Raises NotFound, NotSignedIn, InsufficientScope, NameInvalid,
        InvalidRequest, NameTaken."""
        found = self._organization(principal, uuid)
        target = found.name if name is None else names.check_namespace(name)
        event = events.OrgUndelete(**principal.by(target), deleted_name=found.name)
        self._check(event)

        def work(tx: Tx) -> None:
            tx.lock(Account.select(Account.id).where(Account.id == found.row.id))
            now = self._organization(principal, uuid)
            self._rename(tx, now, target)
            mine = (Account.id == now.row.id) | _robots_of(now)
            tx.run(Account.update(deleted_ms=None, deleted_name=None).where(mine))
            gone = (Repository.namespace == now.row.id) & (Repository.deleted_ms == now.deleted_ms)
            _bring_back(tx, gone)
            self._record(tx, principal, now, event)

        self._db.write(work)
        return target

    def release(self, principal: Principal, uuid: str) -> None:
        """A superuser gives the name of a deleted organization free, and with it those of its robots. It
        stays in the bin. Raises NotFound, NotSignedIn, InsufficientScope."""
        if not principal.superuser:
            raise _refusal(principal)
        found = self._organization(principal, uuid)

        def work(tx: Tx) -> None:
            tx.lock(Account.select(Account.id).where(Account.id == found.row.id))
            now = self._organization(principal, uuid)
            if now.taken != now.name:
                return
            robots = tx.rows(Account.select(Account.id, Account.name).where(_robots_of(now)))
            for ident, name in ((now.row.id, now.name), *robots):
                free = {"name": str(uuids.uuid4()).upper(), "deleted_name": name}
                tx.run(Account.update(**free).where(Account.id == ident))
            self._record(tx, principal, now, events.OrgReleaseName(**principal.by(now.name)))

        self._db.write(work)

    def _organization(self, principal: Principal, uuid: str) -> _Organization:
        """The organization in the bin, which this principal may bring back."""
        columns = (
            Account.id, Account.name, Account.deleted_name, Account.kind, Account.enabled, Account.deleted_ms,
        )  # fmt: skip
        mine = (Account.uuid == uuid) & (Account.kind == "organization")
        row = self._db.one(Account.select(*columns).where(mine & _in_bin(Account)))
        if row is None:
            raise NotFound("Not Found")
        ident, taken, old, kind, enabled, deleted_ms = row
        found = NamespaceRow(ident, old or taken, kind, bool(enabled))
        if not (principal.superuser or self._access.may_admin_namespace(principal, found)):
            raise _refusal(principal)
        return _Organization(found, found.name, taken, deleted_ms)

    def _rename(self, tx: Tx, found: _Organization, target: str) -> None:
        """Gives the organization and its robots the names of `target`."""
        if found.taken == target:
            return
        old = peewee.fn.COALESCE(Account.deleted_name, Account.name)
        robots = tx.rows(Account.select(Account.id, old).where(_robots_of(found)))
        changes = [(found.row.id, target)]
        changes += [(ident, target + name.removeprefix(found.name)) for ident, name in robots]
        if max(len(name) for _, name in changes) > names.MAXIMUM_LENGTH:
            raise InvalidRequest(f"with the name {target} those of its robots would be too long")
        taken = NameTaken(f"there is a user or organization {target}, or was one: choose another name")
        if tx.one(Account.select(Account.id).where(Account.name == target)) is not None:
            raise taken
        try:
            for ident, name in changes:
                tx.run(Account.update(name=name).where(Account.id == ident))
        except peewee.IntegrityError as error:
            raise taken from error

    def _inside(self, organizations: Sequence[int]) -> dict[int, int]:
        query = (
            Repository.select(Repository.namespace, peewee.fn.COUNT(Repository.id))
            .join(Account, on=(Account.id == Repository.namespace))
            .where(Account.id.in_(organizations) & (Repository.deleted_ms == Account.deleted_ms))
        )
        return {int(i): int(count) for i, count in self._db.rows(query.group_by(Repository.namespace))}

    def _record(self, tx: Tx, principal: Principal, found: _Organization, event: events.Event) -> None:
        self._activity.record(tx, event, namespace_id=found.row.id, performer_id=principal.account_id)

    def _paged(self, query: Any, table: Any, limit: int) -> tuple[list[tuple[Any, ...]], bool]:
        rows = self._db.rows(query.order_by(table.deleted_ms.desc(), table.id.desc()).limit(limit + 1))
        return rows[:limit], len(rows) > limit


def _in_bin(table: Any) -> Any:
    """Deleted, and not yet being taken away for good."""
    return table.deleted_ms > PURGING


def _page(table: Any, after: Place | None) -> Any:
    if after is None:
        return _in_bin(table)
    at, ident = after
    return _in_bin(table) & ((table.deleted_ms < at) | ((table.deleted_ms == at) & (table.id < ident)))


def _robots_of(found: _Organization) -> Any:
    return (Account.owner == found.row.id) & (Account.deleted_ms == found.deleted_ms)


def _bring_back(tx: Tx, where: Any, name: str | None = None) -> None:
    """Makes deleted repositories what they were; one alone under `name`."""
    ids = [i for (i,) in tx.rows(Repository.select(Repository.id).where(where))]
    old_name: Any = peewee.fn.COALESCE(Repository.deleted_name, Repository.name)
    back = {
        "name": old_name if name is None else name,
        # Null in rows of the release before.
        "state": peewee.fn.COALESCE(Repository.deleted_state, "NORMAL"),
    }
    nothing: dict[str, Any] = dict.fromkeys(("deleted_name", "deleted_state", "deleted_ms"))
    for some in (ids[at : at + 500] for at in range(0, len(ids), 500)):
        # In two steps: MariaDB assigns one column after the other.
        tx.run(Repository.update(**back).where(Repository.id.in_(some)))
        tx.run(Repository.update(**nothing).where(Repository.id.in_(some)))


def _refusal(principal: Principal) -> NotSignedIn | InsufficientScope:
    return NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
