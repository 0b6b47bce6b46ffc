"""Robots: accounts of programs, owned by a user or an organization, known by their token."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.data.tables import Permission
from quayframe.errors import (
    InsufficientScope,
    InvalidRequest,
    NotFound,
    NotSignedIn,
    Refused,
    RegistryError,
)
from quayframe.oci import names

from .access import Access, NamespaceRow
from .accounts import ACCOUNT, Account, account_of
from .activity import Activity
from .clock import now_ms
from .crypto import SecretBox, new_token, same
from .forgetting import forget
from .membership import Granted, granted
from .principal import Principal
from .robot_rows import ROBOT, Robot, robot_of, stored_metadata, with_permissions

TOKEN_LENGTH = 64
DESCRIPTION_LENGTH = 255
UNKNOWN = "Could not find robot with specified username"


class Robots:
    """:param disallowed: ROBOTS_DISALLOW: no robot but those of `spared` (full names) is made or logs in.
    :param note_access: FEATURE_USER_LAST_ACCESSED.
    :param threshold_s: an access is noted when the last noted one is older."""

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        box: SecretBox,
        check: Callable[[events.Event], None],
        *,
        disallowed: bool = False,
        spared: Collection[str] = (),
        note_access: bool = True,
        threshold_s: int = 60,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._box = box
        self._ask = check
        self._disallowed = disallowed
        self._spared = frozenset(spared)
        self._note_access = note_access
        self._threshold_ms = threshold_s * 1000

    def allowed(self, name: str) -> bool:
        """Whether the operator lets this robot (full name) exist and log in."""
        return not self._disallowed or name in self._spared

    # -- logging in ---------------------------------------------------------------------------

    def check(self, name: str, token: str) -> Account | None:
        """The robot of this name when `token` is its token and its owner is enabled; notes the access."""
        owner = Row.alias("namespace")
        row = self._db.one(
            Row.select(Row.robot_token, owner.enabled, owner.deleted_ms, Row.last_accessed_ms, *ACCOUNT)
            .join(owner, on=(owner.id == Row.owner))
            .where((Row.name == name) & (Row.kind == "robot") & Row.deleted_ms.is_null())
        )
        if row is None or not row[0]:
            return None
        if not same(self._box.decrypt(row[0]) or "", token) or not token:
            return None
        _, enabled, deleted_ms, last_ms = row[:4]
        if not enabled or deleted_ms is not None:
            return None
        robot = account_of(row[4:])
        self._accessed(robot.id, last_ms)
        return robot

    def _accessed(self, robot_id: int, last_ms: int | None) -> None:
        now = now_ms()
        if not self._note_access or (last_ms is not None and now - last_ms < self._threshold_ms):
            return
        query = Row.update(last_accessed_ms=now).where(Row.id == robot_id)
        # A log-in does not fail because the time of it could not be noted.
        with contextlib.suppress(RegistryError):
            self._db.write(lambda tx: tx.run(query))

    # -- reading ------------------------------------------------------------------------------

    def of(
        self,
        principal: Principal,
        namespace: str,
        *,
        tokens: bool = True,
        permissions: bool = False,
        limit: int | None = None,
    ) -> list[Robot]:
        """A namespace's robots in the order of creation; with `limit` at most so many, the newest first.

        Members of an organization see them without tokens. Raises InsufficientScope, NotSignedIn."""
        owner = self._namespace(principal, namespace)
        admin = self._access.may_admin_namespace(principal, owner)
        if not admin and not self._may_list(principal, owner):
            raise _refusal(principal)
        where = (Row.owner == owner.id) & (Row.kind == "robot") & Row.deleted_ms.is_null()
        query = Row.select(*ROBOT).where(where)
        if limit is None:
            query = query.order_by(Row.id)
        else:
            query = query.order_by(Row.id.desc()).limit(max(0, min(limit, 1_000_000)))
        found = [robot_of(self._box, row, admin and tokens) for row in self._db.rows(query)]
        return with_permissions(self._db, owner.id, found) if permissions else found

    def _may_list(self, principal: Principal, owner: NamespaceRow) -> bool:
        return self._access.may_read_namespace(principal, owner) or (
            owner.kind == "organization" and self._access.team_role(principal, owner) is not None
        )

    def get(self, principal: Principal, namespace: str, short: str) -> Robot:
        """One robot, its token for who may administer it. Raises InsufficientScope, Refused when it is
        not there."""
        owner = self._read(principal, namespace)
        row = self._find(owner, short)
        return robot_of(self._box, row, self._access.may_admin_namespace(principal, owner))

    def secret(self, principal: Principal, namespace: str, short: str) -> Robot:
        """Like `get`, for who is given the token: whoever may only read everything is refused."""
        owner = self._administered(principal, namespace)
        return robot_of(self._box, self._find(owner, short), True)

    def permissions(self, principal: Principal, namespace: str, short: str) -> list[Granted]:
        """The robot's direct permissions. Raises as `get`."""
        owner = self._read(principal, namespace)
        robot_id = self._find(owner, short)[0]
        return granted(self._db, Permission.account == robot_id)

    # -- making -------------------------------------------------------------------------------

    def create(
        self,
        principal: Principal,
        namespace: str,
        short: str,
        *,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Robot:
        """Makes `<namespace>+<short>`.

        :param description: at most 255 characters.
        :param metadata: a JSON object of the caller's own.
        Raises InsufficientScope, InvalidRequest for a bad name, a taken one, and where robots are off.
        """
        owner = self._administered(principal, namespace)
        if owner.id == principal.account_id and self._access.is_restricted(principal):
            raise InsufficientScope()
        name = f"{owner.name}+{short}"
        self._check_new(name, short, description)
        stored = None if metadata is None else stored_metadata(metadata)
        event = events.CreateRobot(
            **principal.by(owner.name),
            robot=short,
            description=description,
            unstructured_metadata=None if metadata is None else dict(metadata),
        )
        self._ask(event)
        token, now = new_token(TOKEN_LENGTH), now_ms()
        values = {
            "uuid": str(uuid.uuid4()),
            "email": str(uuid.uuid4()),
            "robot_token": self._box.encrypt(token),
            "description": description or "",
            "metadata": stored,
            "created_ms": now,
        }

        def work(tx: Tx) -> None:
            self._hold(tx, principal, owner)
            if not tx.insert_absent(Row, name=name, kind="robot", owner=owner.id, **values):
                raise InvalidRequest(f"Existing robot with name: {name}")
            self._record(tx, principal, owner, event)

        self._db.write(work)
        return robot_of(self._box, self._find(owner, short), True)

    def _check_new(self, name: str, short: str, description: str | None) -> None:
        fault = names.namespace_fault(short)
        if fault is None and len(name) > names.MAXIMUM_LENGTH:
            fault = f"with its namespace it has more than {names.MAXIMUM_LENGTH} characters"
        if fault is not None:
            shown = short if len(short) <= names.MAXIMUM_LENGTH else f"{short[: names.MAXIMUM_LENGTH]}..."
            raise InvalidRequest(f"The name for the robot '{shown}' is invalid: {fault}")
        if not self.allowed(name):
            raise InvalidRequest("Robot accounts are switched off by this registry's operator")
        if description is not None and len(description) > DESCRIPTION_LENGTH:
            raise InvalidRequest(f"a robot's description has at most {DESCRIPTION_LENGTH} characters")

    # -- changing -----------------------------------------------------------------------------

    def regenerate(self, principal: Principal, namespace: str, short: str) -> Robot:
        """Gives a robot a new token and a new identity: the old token, and all made with it, is refused
        from now on. Raises as `get`."""
        owner = self._administered(principal, namespace)
        self._find(owner, short)
        event = events.RegenerateRobotToken(**principal.by(owner.name), robot=short)
        self._ask(event)
        values = {
            "uuid": str(uuid.uuid4()),
            "email": str(uuid.uuid4()),
            "robot_token": self._box.encrypt(new_token(TOKEN_LENGTH)),
        }
        self._change(principal, owner, short, event, values | {"auth_epoch": Row.auth_epoch + 1})
        return robot_of(self._box, self._find(owner, short), True)

    def delete(self, principal: Principal, namespace: str, short: str) -> None:
        """Takes a robot away for good, with all that it was granted; its tokens are refused at once and
        its name is free. Raises as `get`."""
        owner = self._administered(principal, namespace)
        robot_id = self._find(owner, short)[0]
        event = events.DeleteRobot(**principal.by(owner.name), robot=short)
        self._ask(event)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, owner)
            if not tx.lock(Row.select(Row.id).where(Row.id == robot_id)):
                raise Refused(UNKNOWN)
            forget(tx, [robot_id])
            tx.run(Row.delete().where(Row.id == robot_id))
            self._record(tx, principal, owner, event)

        self._db.write(work)

    # -- federation ---------------------------------------------------------------------------

    def federation(self, principal: Principal, namespace: str, short: str) -> list[dict[str, str]]:
        """The identities elsewhere that may act as this robot: `issuer` and `subject` of each, in the
        order in which they were given. Raises as `get`."""
        owner = self._read(principal, namespace)
        robot_id = self._find(owner, short)[0]
        stored = self._db.value(Row.select(Row.federation).where(Row.id == robot_id))
        found: list[dict[str, str]] = json.loads(stored) if stored else []
        return found

    def federate(
        self, principal: Principal, namespace: str, short: str, identities: Sequence[tuple[str, str]]
    ) -> None:
        """Replaces those identities, each (issuer, subject). Raises as `get`, InvalidRequest for an empty
        or repeated one."""
        owner = self._administered(principal, namespace)
        self._find(owner, short)
        met = set()
        for identity in identities:
            if not all(identity):
                raise InvalidRequest("issuer and subject may not be empty")
            if identity in met:
                raise InvalidRequest(f"Duplicate federation config found: {identity}")
            met.add(identity)
        config = tuple({"issuer": issuer, "subject": subject} for issuer, subject in identities)
        event = events.CreateRobotFederation(**principal.by(owner.name), robot=short, config=config)
        self._ask(event)
        self._change(principal, owner, short, event, {"federation": json.dumps(config)})

    def unfederate(self, principal: Principal, namespace: str, short: str) -> None:
        """Takes all those identities away. Raises as `get`."""
        owner = self._administered(principal, namespace)
        self._find(owner, short)
        event = events.DeleteRobotFederation(**principal.by(owner.name), robot=short)
        self._ask(event)
        self._change(principal, owner, short, event, {"federation": None})

    # -- inside -------------------------------------------------------------------------------

    def _change(
        self, principal: Principal, owner: NamespaceRow, short: str, event: events.Event, values: Any
    ) -> None:
        where = (Row.name == f"{owner.name}+{short}") & (Row.kind == "robot") & (Row.owner == owner.id)

        def work(tx: Tx) -> None:
            self._hold(tx, principal, owner)
            if not tx.run(Row.update(**values).where(where)):
                raise Refused(UNKNOWN)
            self._record(tx, principal, owner, event)

        self._db.write(work)

    def _hold(self, tx: Tx, principal: Principal, owner: NamespaceRow) -> None:
        """Changes of a namespace's people happen one after the other, each by who is its admin then."""
        tx.in_turn(Row.select(Row.id).where(Row.id == owner.id))
        self._administered(principal, owner.name)

    def _record(self, tx: Tx, principal: Principal, owner: NamespaceRow, event: events.Event) -> None:
        self._activity.record(tx, event, namespace_id=owner.id, performer_id=principal.account_id)

    def _namespace(self, principal: Principal, name: str) -> NamespaceRow:
        found = self._access.namespace(name) if names.is_namespace(name) else None
        if found is None:
            raise (
                NotFound(f"there is no namespace {name}")
                if principal.kind == "system"
                else _refusal(principal)
            )
        return found

    def _administered(self, principal: Principal, name: str) -> NamespaceRow:
        found = self._namespace(principal, name)
        if not self._access.may_admin_namespace(principal, found):
            raise _refusal(principal)
        return found

    def _read(self, principal: Principal, name: str) -> NamespaceRow:
        found = self._namespace(principal, name)
        if not self._access.may_read_namespace(principal, found):
            raise _refusal(principal)
        return found

    def _find(self, owner: NamespaceRow, short: str) -> tuple[Any, ...]:
        row = None
        if names.is_namespace(short):
            where = (Row.name == f"{owner.name}+{short}") & (Row.owner == owner.id) & (Row.kind == "robot")
            row = self._db.one(Row.select(*ROBOT).where(where & Row.deleted_ms.is_null()))
        if row is None:
            raise Refused(UNKNOWN)
        return row


def _refusal(principal: Principal) -> RegistryError:
    return NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
