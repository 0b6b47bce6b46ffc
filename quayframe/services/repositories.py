"""Repositories: made by a push or by name, changed, listed in the catalog."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Repository
from quayframe.errors import (
    AlreadyExists,
    Denied,
    InsufficientScope,
    InvalidRequest,
    NameUnknown,
    NotFound,
    NotSignedIn,
    Unauthorized,
)
from quayframe.oci.names import RepositoryName

from . import prototypes
from .access import Access, RepositoryRow
from .accounts import Accounts
from .activity import Activity
from .clock import now_ms
from .gate import Allowed
from .principal import Principal

Check = Callable[[events.Event], None]
DELETED = "MARKED_FOR_DELETION"
"""The state of a repository in the recycle bin. Its name is then one that no other can have: in capitals."""
LONGEST_DESCRIPTION = 25_000
"""Characters: a page of a list has a hundred of them."""


class Repositories:
    """:param private: whether a push makes a private repository (CREATE_PRIVATE_REPO_ON_PUSH).
    :param create_namespaces: CREATE_NAMESPACE_ON_PUSH."""

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        access: Access,
        activity: Activity,
        check: Check,
        *,
        private: bool = True,
        create_namespaces: bool = False,
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._access = access
        self._activity = activity
        self._check = check
        self._private = private
        self._create_namespaces = create_namespaces

    def prepare(self, allowed: Allowed) -> events.CreateRepo | None:
        """Before the transaction of a push: asks the plugins about a repository that it would make."""
        if allowed.repository_id is not None:
            return None
        visibility = "private" if self._private else "public"
        event = events.CreateRepo(**allowed.principal.at(allowed.name), visibility=visibility)
        self._check(event)
        return event

    def ensure(self, tx: Tx, allowed: Allowed, event: events.CreateRepo | None) -> tuple[int, int]:
        """In the act's transaction: (namespace id, repository id), made where it is missing.

        Whoever made it in the meantime wins, if this principal may push there. Raises Unauthorized: a client
        that asks for a new token is told what it may do now."""
        if allowed.repository_id is not None and allowed.namespace_id is not None:
            return allowed.namespace_id, allowed.repository_id
        assert event is not None
        namespace_id = self._namespace(tx, allowed)
        where = (Repository.namespace == namespace_id) & (Repository.name == allowed.name.name)
        query = Repository.select(Repository.id, Repository.creator).where(where)
        if tx.one(query) is None:
            self._insert(tx, allowed.principal, namespace_id, event)
        repository_id, creator = tx.rows(query)[0]
        if creator != allowed.principal.account_id:
            raise Unauthorized("somebody else has made this repository in the meantime; log in again")
        return namespace_id, int(repository_id)

    @staticmethod
    def keep_still(tx: Tx, repository_id: int) -> None:
        """Whoever is about to put something into a repository shares its row first: the collector, which
        takes a deleted one away, locks it. Raises NameUnknown for one that is deleted or gone."""
        mine = (Repository.id == repository_id) & Repository.deleted_ms.is_null()
        if not tx.share(Repository.select(Repository.id).where(mine)):
            raise NameUnknown()

    def _namespace(self, tx: Tx, allowed: Allowed) -> int:
        """The namespace in which this principal may make a repository now, whatever its token says."""
        name, principal = allowed.name.namespace, allowed.principal
        found = self._access.namespace(name)
        if found is None:
            if not self._create_namespaces or not self._access.may_create_organization(principal):
                raise Unauthorized(f"there is no namespace {name}")
            try:
                return self._accounts.add_organization(tx, principal, name)
            except AlreadyExists:
                # Another request was faster; of the same client, when it pushes several layers at once.
                found = self._access.namespace(name)
        if found is None or not self._access.may_create_in(principal, found):
            raise Unauthorized(f"repositories in {name} are not yours to make")
        return found.id

    def _insert(
        self,
        tx: Tx,
        principal: Principal,
        namespace_id: int,
        event: events.CreateRepo,
        description: str | None = None,
    ) -> bool:
        """Makes the repository; False when it is there, since another request was faster."""
        # Who ends a namespace waits for this row, and then finds the new repository as well.
        if not tx.share(Account.select(Account.id).where(_alive(namespace_id))):
            raise NameUnknown(f"there is no namespace {event.namespace}")
        made = tx.insert_absent(
            Repository,
            uuid=str(uuids.uuid4()),
            namespace=namespace_id,
            name=event.repository,
            visibility=event.visibility,
            description=description,
            badge_token=str(uuids.uuid4()),
            creator=principal.account_id,
            created_ms=now_ms(),
        )
        if not made:
            return False
        where = (Repository.namespace == namespace_id) & (Repository.name == event.repository)
        repository_id = int(tx.value(Repository.select(Repository.id).where(where)))
        if principal.account_id is not None and principal.account_id != namespace_id:
            tx.insert(Permission, repository=repository_id, account=principal.account_id, role="admin")
            prototypes.apply(tx, namespace_id, principal.account_id, repository_id)
        self._record(tx, principal, namespace_id, repository_id, event)
        return True

    def create(
        self, principal: Principal, name: RepositoryName, visibility: str, description: str | None = None
    ) -> None:
        """Makes an empty repository.

        Raises InvalidRequest for a name that is taken; NotSignedIn, InsufficientScope, also where the
        namespace does not exist."""
        _check_visibility(visibility)
        _check_description(description or "")
        namespace = self._access.namespace(name.namespace)
        if namespace is None and principal.kind == "system":
            raise NotFound(f"there is no namespace {name.namespace}")
        if namespace is None or not self._access.may_create_in(principal, namespace):
            raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
        event = events.CreateRepo(**principal.at(name), visibility=visibility)
        self._check(event)
        if not self._db.write(lambda tx: self._insert(tx, principal, namespace.id, event, description)):
            raise InvalidRequest("Repository already exists")

    # -- changes ------------------------------------------------------------------------------

    def describe(self, principal: Principal, name: RepositoryName, description: str) -> None:
        """Changes the description. Raises NameUnknown, Denied without the role write, InvalidRequest for a
        long one."""
        row = self._found(principal, name, "write", "admin")
        _check_description(description)
        event = events.SetRepoDescription(**principal.at(name), description=description)
        self._change(principal, row, event, {"description": description})

    def set_visibility(self, principal: Principal, name: RepositoryName, visibility: str) -> None:
        """Makes a repository public or private, seen by the next request everywhere."""
        _check_visibility(visibility)
        row = self._found(principal, name, "admin")
        event = events.ChangeRepoVisibility(**principal.at(name), visibility=visibility)
        self._change(principal, row, event, {"visibility": visibility})

    def set_state(self, principal: Principal, name: RepositoryName, state: str) -> None:
        """NORMAL, or READ_ONLY: nothing can be pushed or tagged. Raises InvalidRequest for any other."""
        row = self._found(principal, name, "admin")
        if state == "MIRROR":
            raise InvalidRequest("this repository has no mirror configuration")
        if state not in ("NORMAL", "READ_ONLY"):
            raise InvalidRequest("a state is NORMAL, READ_ONLY or MIRROR")
        event = events.ChangeRepoState(**principal.at(name), state_changed=state)
        self._change(principal, row, event, {"state": state})

    def set_trust(self, principal: Principal, name: RepositoryName, trust: bool) -> None:
        """Notes whether the repository's content is said to be signed."""
        row = self._found(principal, name, "admin")
        event = events.ChangeRepoTrust(**principal.at(name), trust_enabled=trust)
        self._change(principal, row, event, {"trust_enabled": int(trust)})

    def delete(self, principal: Principal, name: RepositoryName) -> None:
        """Puts a repository into the recycle bin with all that it has: its name is free at once."""
        row = self._found(principal, name, "admin")
        event = events.DeleteRepo(**principal.at(name))
        self._check(event)

        def work(tx: Tx) -> None:
            # In turn with the deletion of the namespace: who went alone does not come back with it.
            tx.share(Account.select(Account.id).where(Account.id == row.namespace_id))
            live = (Repository.id == row.id) & Repository.deleted_ms.is_null()
            found = tx.lock(Repository.select(Repository.name, Repository.state).where(live))
            if not found:
                raise NameUnknown()
            gone = {
                "name": str(uuids.uuid4()).upper(),
                "deleted_name": found[0][0],
                "deleted_state": found[0][1],
                "deleted_ms": now_ms(),
                "state": DELETED,
            }
            tx.run(Repository.update(**gone).where(live))
            self._record(tx, principal, row.namespace_id, row.id, event)

        self._db.write(work)

    def _found(self, principal: Principal, name: RepositoryName, *roles: str) -> RepositoryRow:
        """The repository, on which the principal has one of these roles. Raises NameUnknown, Denied."""
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            raise NameUnknown()
        if self._access.role(principal, row) not in roles:
            raise Denied()
        return row

    def _change(
        self, principal: Principal, row: RepositoryRow, event: events.Event, values: dict[str, Any]
    ) -> None:
        """Changes columns; not of a repository that somebody has deleted in the meantime."""
        self._check(event)

        def work(tx: Tx) -> None:
            live = (Repository.id == row.id) & Repository.deleted_ms.is_null()
            if not tx.run(Repository.update(**values).where(live)):
                raise NameUnknown()
            self._record(tx, principal, row.namespace_id, row.id, event)

        self._db.write(work)

    def _record(
        self, tx: Tx, principal: Principal, namespace_id: int, repository_id: int, event: events.Event
    ) -> None:
        self._activity.record(
            tx,
            event,
            namespace_id=namespace_id,
            repository_id=repository_id,
            performer_id=principal.account_id,
        )

    def catalog(
        self, principal: Principal, *, last: str | None, limit: int, public: bool
    ) -> tuple[list[str], bool]:
        """Full names after `last` in ASCII order, and whether more follow."""
        where = Repository.deleted_ms.is_null() & (Repository.kind == "image")
        where &= self._access.listed(principal, public=public)
        if last:
            namespace, _, name = last.partition("/")
            where &= (Account.name > namespace) | ((Account.name == namespace) & (Repository.name > name))
        rows = self._db.rows(
            Repository.select(Account.name, Repository.name)
            .join(Account, on=(Account.id == Repository.namespace))
            .where(where)
            .order_by(Account.name, Repository.name)
            .limit(limit + 1)
        )
        found = [f"{namespace}/{name}" for namespace, name in rows]
        return found[:limit], len(found) > limit


def _alive(account_id: int) -> Any:
    return (Account.id == account_id) & Account.deleted_ms.is_null()


def _check_visibility(visibility: str) -> None:
    if visibility not in ("public", "private"):
        raise InvalidRequest("visibility is public or private")


def _check_description(text: str) -> None:
    if len(text) > LONGEST_DESCRIPTION:
        raise InvalidRequest(f"a description has at most {LONGEST_DESCRIPTION} characters")
