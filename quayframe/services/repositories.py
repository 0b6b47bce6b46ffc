"""Repositories: made by a push, found by name, listed in the catalog."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Repository
from quayframe.errors import AlreadyExists, Denied, InvalidRequest, NameUnknown, NotFound, Unauthorized
from quayframe.oci.names import RepositoryName

from .access import Access
from .accounts import Accounts
from .activity import Activity
from .clock import now_ms
from .gate import Allowed
from .principal import Principal

Check = Callable[[events.Event], None]


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
        event = events.CreateRepo(
            namespace=allowed.name.namespace,
            repository=allowed.name.name,
            performer=allowed.principal.performer,
            ip=allowed.principal.ip,
            visibility="private" if self._private else "public",
        )
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

    def _insert(self, tx: Tx, principal: Principal, namespace_id: int, event: events.CreateRepo) -> bool:
        """Makes the repository; False when it is there, since another request was faster."""
        made = tx.insert_absent(
            Repository,
            uuid=str(uuids.uuid4()),
            namespace=namespace_id,
            name=event.repository,
            visibility=event.visibility,
            creator=principal.account_id,
            created_ms=now_ms(),
        )
        if not made:
            return False
        where = (Repository.namespace == namespace_id) & (Repository.name == event.repository)
        repository_id = int(tx.value(Repository.select(Repository.id).where(where)))
        if principal.account_id is not None and principal.account_id != namespace_id:
            tx.insert(Permission, repository=repository_id, account=principal.account_id, role="admin")
        self._activity.record(
            tx,
            event,
            namespace_id=namespace_id,
            repository_id=repository_id,
            performer_id=principal.account_id,
        )
        return True

    def create(self, principal: Principal, name: RepositoryName, visibility: str) -> None:
        """Makes an empty repository. Raises NotFound for its namespace, Denied, InvalidRequest."""
        namespace = self._access.namespace(name.namespace)
        if namespace is None:
            raise NotFound(f"there is no namespace {name.namespace}")
        if not self._access.may_create_in(principal, namespace):
            raise Denied()
        if visibility not in ("public", "private"):
            raise InvalidRequest("visibility is public or private")
        event = events.CreateRepo(
            namespace=name.namespace,
            repository=name.name,
            performer=principal.performer,
            ip=principal.ip,
            visibility=visibility,
        )
        self._check(event)
        if not self._db.write(lambda tx: self._insert(tx, principal, namespace.id, event)):
            raise InvalidRequest("Repository already exists")

    def set_visibility(self, principal: Principal, name: RepositoryName, visibility: str) -> None:
        """Makes a repository public or private, seen by the next request everywhere."""
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            raise NameUnknown()
        if not self._access.may_admin(principal, row):
            raise Denied()
        if visibility not in ("public", "private"):
            raise InvalidRequest("visibility is public or private")
        event = events.ChangeRepoVisibility(
            namespace=name.namespace,
            repository=name.name,
            performer=principal.performer,
            visibility=visibility,
        )
        self._change(principal, row.namespace_id, row.id, event, {"visibility": visibility})

    def delete(self, principal: Principal, name: RepositoryName) -> None:
        """Marks a repository as deleted: its name is free at once, the collector does the rest."""
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            raise NameUnknown()
        if not self._access.may_admin(principal, row):
            raise Denied()
        event = events.DeleteRepo(
            namespace=name.namespace, repository=name.name, performer=principal.performer
        )
        values = {
            "name": str(uuids.uuid4()),
            "deleted_name": row.name,
            "deleted_ms": now_ms(),
            "state": "MARKED_FOR_DELETION",
        }
        self._change(principal, row.namespace_id, row.id, event, values)

    def _change(
        self,
        principal: Principal,
        namespace_id: int,
        repository_id: int,
        event: events.Event,
        values: dict[str, Any],
    ) -> None:
        self._check(event)

        def work(tx: Tx) -> None:
            tx.run(Repository.update(**values).where(Repository.id == repository_id))
            self._activity.record(
                tx,
                event,
                namespace_id=namespace_id,
                repository_id=repository_id,
                performer_id=principal.account_id,
            )

        self._db.write(work)

    def grant(self, principal: Principal, name: RepositoryName, account: str, role: str | None) -> None:
        """Gives an account a role (read, write, admin) on a repository; None takes it away.

        A role taken away or lowered ends the account's tokens."""
        row = self._access.repository(name.namespace, name.name)
        if row is None:
            raise NameUnknown()
        if not self._access.may_admin(principal, row):
            raise Denied()
        if role not in ("read", "write", "admin", None):
            raise InvalidRequest("a role is read, write or admin")
        whom = self._accounts.get(account)
        if whom.kind == "organization" or (whom.kind == "robot" and whom.owner_id != row.namespace_id):
            raise InvalidRequest(f"{account} cannot be given a role in {name.namespace}")
        here = {"namespace": name.namespace, "repository": name.name, "performer": principal.performer}
        event: events.Event = (
            events.ChangeRepoPermission(**here, username=account, role=role)
            if role
            else events.DeleteRepoPermission(**here, username=account)
        )

        def work(tx: Tx) -> None:
            where = (Permission.repository == row.id) & (Permission.account == whom.id)
            old = tx.lock(Permission.select(Permission.role).where(where))
            tx.run(Permission.delete().where(where))
            if role:
                tx.insert(Permission, repository=row.id, account=whom.id, role=role)
            if old and old[0][0] != role:
                tx.run(Account.update(auth_epoch=Account.auth_epoch + 1).where(Account.id == whom.id))
            self._activity.record(
                tx,
                event,
                namespace_id=row.namespace_id,
                repository_id=row.id,
                performer_id=principal.account_id,
            )

        self._db.write(work)

    def catalog(
        self, principal: Principal, *, last: str | None, limit: int, public: bool
    ) -> tuple[list[str], bool]:
        """Full names after `last` in ASCII order, and whether more follow."""
        visible = self._access.visible(principal, public=public)
        if visible is not None and not visible:
            return [], False
        where = Repository.deleted_ms.is_null() & (Repository.kind == "image")
        if last:
            namespace, _, name = last.partition("/")
            where &= (Account.name > namespace) | ((Account.name == namespace) & (Repository.name > name))
        query = (
            Repository.select(Repository.id, Account.name, Repository.name)
            .join(Account, on=(Account.id == Repository.namespace))
            .order_by(Account.name, Repository.name)
        )
        found: list[str] = []
        step = max(limit + 1, 200)
        while len(found) <= limit:
            rows = self._db.rows(query.where(where).limit(step))
            found.extend(f"{n}/{r}" for i, n, r in rows if visible is None or i in visible)
            if len(rows) < step:
                break
            _, namespace, name = rows[-1]
            where = Repository.deleted_ms.is_null() & (Repository.kind == "image")
            where &= (Account.name > namespace) | ((Account.name == namespace) & (Repository.name > name))
        return found[:limit], len(found) > limit
