"""Users who leave: an account that is deleted, or becomes an organization."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from quayframe import events
from quayframe.data.content import Policy
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account as Row
from quayframe.data.tables import Team, TeamMember
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound

from .access import Access
from .accounts import Account
from .activity import Activity
from .clock import now_ms
from .forgetting import forget
from .membership import add_owners, end_tokens, has_admin
from .organizations import end_applications, end_content
from .principal import Principal


class LastAdmin(InvalidRequest):
    """400: without this user organizations would have no admin; they are in the detail."""

    def __init__(self, organizations: Sequence[str]) -> None:
        text = f"the account is the only admin of these organizations: {', '.join(organizations)}"
        super().__init__(text, detail={"organizations": list(organizations)})


class Departures:
    """:param only_superusers: FEATURE_SUPERUSERS_ORG_CREATION_ONLY."""

    def __init__(
        self, db: Database, access: Access, activity: Activity, *, only_superusers: bool = False
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._only_superusers = only_superusers

    def delete(self, principal: Principal, name: str, *, as_superuser: bool = False) -> None:
        """Ends a user's account: what is in it, its robots, tokens and sessions are dead at once; its
        name stays taken.

        :param as_superuser: a superuser ends somebody else's, which nothing holds up.
        Raises NotFound, InsufficientScope, LastAdmin."""
        superuser = as_superuser and principal.superuser
        if not superuser:
            _own(principal, name)

        def work(tx: Tx) -> None:
            account_id = _hold(tx, name)
            if not superuser:
                check_last_admin(tx, account_id)
            by = principal.by(name)
            event = events.UserDelete(**by, username=name)
            self._activity.record(tx, event, namespace_id=account_id, performer_id=principal.account_id)
            end_user(tx, account_id)

        self._db.write(work)

    def convert(self, principal: Principal, admin: Account) -> None:
        """Makes the principal's account an organization, with `admin` as the one member of its team
        `owners`. Nobody signs in as it any more; what is in it stays.

        Raises InsufficientScope, LastAdmin, InvalidRequest when it would be its own admin."""
        if not self._access.may_create_organization(principal):
            raise InsufficientScope()
        if self._only_superusers and not principal.superuser:
            raise InsufficientScope()
        _own(principal, principal.name)
        if admin.id == principal.account_id or admin.kind != "user":
            raise InvalidRequest("The admin user is not valid", detail={"reason": "invaliduser"})

        def work(tx: Tx) -> None:
            account_id = _hold(tx, principal.name)
            check_last_admin(tx, account_id)
            by = principal.by(principal.name)
            self._activity.record(
                tx, events.AccountConvert(**by), namespace_id=account_id, performer_id=account_id
            )
            to_organization(tx, account_id, admin.id)

        self._db.write(work)


def check_last_admin(tx: Tx, account_id: int) -> None:
    """Holds the organizations that the account administers, each of which must have another admin.

    Raises LastAdmin."""
    mine = (
        Team.select(Team.organization)
        .join(TeamMember, on=(TeamMember.team == Team.id))
        .where((TeamMember.account == account_id) & (Team.role == "admin"))
    )
    live = Row.id.in_(mine) & Row.deleted_ms.is_null()
    held = tx.in_turn(Row.select(Row.id, Row.name).where(live).order_by(Row.id))
    left = [name for ident, name in held if not has_admin(tx.db, ident, account=account_id)]
    if left:
        raise LastAdmin(left)


def end_user(tx: Tx, account_id: int) -> None:
    """Ends a user's account, which the caller has locked: what it was given, what it holds, its robots."""
    robots = [
        i for (i,) in tx.rows(Row.select(Row.id).where((Row.owner == account_id) & Row.deleted_ms.is_null()))
    ]
    forget(tx, [account_id, *robots])
    end_applications(tx, account_id)
    tx.run(Policy.delete().where(Policy.namespace == account_id))
    now = now_ms()
    end_content(tx, account_id, now)
    gone = {"deleted_ms": now, "auth_epoch": Row.auth_epoch + 1, "session_epoch": Row.session_epoch + 1}
    if robots:
        tx.run(Row.update(**gone, robot_token=None).where(Row.id.in_(robots)))
    # Nothing of the person stays but the name, which nobody else shall have.
    person = dict.fromkeys(
        ("password_hash", "invoice_email_address", "given_name", "family_name", "company", "location")
    )
    tx.run(Row.update(**gone, **person, email=str(uuid.uuid4())).where(Row.id == account_id))


def to_organization(tx: Tx, account_id: int, admin_id: int) -> None:
    """Makes a user's account, which the caller has locked, an organization with this one admin."""
    forget(tx, [account_id])
    ending = {"auth_epoch": Row.auth_epoch + 1, "session_epoch": Row.session_epoch + 1}
    tx.run(Row.update(kind="organization", password_hash=None, **ending).where(Row.id == account_id))
    add_owners(tx, account_id, admin_id)
    end_tokens(tx, [admin_id])


def _hold(tx: Tx, name: str) -> int:
    where = (Row.name == name) & (Row.kind == "user") & Row.deleted_ms.is_null()
    rows = tx.lock(Row.select(Row.id).where(where))
    if not rows:
        raise NotFound()
    return int(rows[0][0])


def _own(principal: Principal, name: str) -> None:
    if principal.kind != "user" or principal.name != name or not principal.may("user:admin"):
        raise InsufficientScope()
