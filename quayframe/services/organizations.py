"""Organizations: made, changed, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Permission, Repository, Team, TeamMember, Token
from quayframe.data.tenancy import OauthApplication, OauthAssignment, OauthCode
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn, Refused
from quayframe.oci import names

from .access import Access, NamespaceRow
from .activity import Activity
from .clock import now_ms
from .membership import (
    LIVE_ACCOUNT,
    add_owners,
    administered,
    end_tokens,
    find_person,
    organization,
    take_turn,
    teams_of,
)
from .principal import Principal
from .repositories import DELETED

TAKEN = "A user or organization with this name already exists"
CHANGEABLE = ("email", "contact_email", "invoice_email", "invoice_email_address", "tag_expiration_s")
_MANY = 1000
"""Accounts that are named one by one in a statement."""
_KEPT = ("email", "invoice_email", "invoice_email_address")


@dataclass(frozen=True)
class TeamSummary:
    """A team as its organization's page shows it. `can_view`: by the one who asks."""

    name: str
    role: str
    description: str
    can_view: bool
    repo_count: int
    member_count: int


@dataclass(frozen=True)
class Details:
    """An organization. `teams`, in the order of making, is None for who is not in it.

    `seed` is what its avatar is made of; `reads`: the one who asks sees what admins see.
    `tag_expiration_s` is its time machine, in seconds."""

    name: str
    seed: str
    email: str | None
    invoice_email: bool
    invoice_email_address: str | None
    tag_expiration_s: int
    is_admin: bool
    is_member: bool
    reads: bool
    teams: tuple[TeamSummary, ...] | None


class Organizations:
    """:param only_superusers: FEATURE_SUPERUSERS_ORG_CREATION_ONLY.
    :param tag_expirations: the windows that may be chosen, in seconds; `tag_expiration_s` is the usual one.
    :param change_tag_expiration: FEATURE_CHANGE_TAG_EXPIRATION.
    """

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        *,
        only_superusers: bool = False,
        tag_expirations: tuple[int, ...] = (),
        tag_expiration_s: int = 0,
        change_tag_expiration: bool = True,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._only_superusers = only_superusers
        self._tag_expirations = tag_expirations
        self._tag_expiration_s = tag_expiration_s
        self._changeable = tuple(
            key for key in CHANGEABLE if key != "tag_expiration_s" or change_tag_expiration
        )

    # -- making and ending --------------------------------------------------------------------

    def create(
        self,
        principal: Principal,
        name: str,
        email: str | None = None,
        contact_email: str | None = None,
        *,
        admin: str | None = None,
    ) -> None:
        """Makes an organization with its team `owners`, whose one member is the principal.

        :param admin: the user who is that member where the system itself acts.
        Raises NotSignedIn, InsufficientScope, NameInvalid, InvalidRequest for the e-mail, the admin and a
        taken name."""
        owner = self._first_admin(principal, admin)
        names.check_namespace(name)
        if email is not None:
            _check_email(email)
        event = events.OrgCreate(**principal.by(name), email=email)

        def work(tx: Tx) -> None:
            row = {"uuid": str(uuid.uuid4()), "email": email or str(uuid.uuid4()), "created_ms": now_ms()}
            more = {"kind": "organization", "contact_email": contact_email}
            if not tx.insert_absent(Account, name=name, **row, **more):
                raise InvalidRequest(TAKEN)
            made = int(tx.value(Account.select(Account.id).where(Account.name == name)))
            add_owners(tx, made, owner)
            self._activity.record(tx, event, namespace_id=made, performer_id=principal.account_id)

        self._db.write(work)

    def _first_admin(self, principal: Principal, admin: str | None) -> int:
        """The id of the account that will own a new organization, if the principal may make one."""
        if principal.kind == "system":
            found = find_person(self._db, admin or "")
            if found is None or found.is_robot:
                raise InvalidRequest(f"there is no user {admin}")
            return found.id
        if principal.account_id is None:
            raise NotSignedIn() if principal.kind == "anonymous" else InsufficientScope()
        if not self._access.may_create_organization(principal) or not principal.may("user:admin"):
            raise InsufficientScope()
        if self._only_superusers and not principal.superuser:
            raise InsufficientScope()
        return principal.account_id

    def delete(self, principal: Principal, name: str, *, as_superuser: bool = False) -> None:
        """Puts an organization into the recycle bin with all that is in it: its name stays taken, nobody
        finds it or what is in it any more.

        :param as_superuser: a superuser may, whether an admin of it or not.
        Raises NotSignedIn, InsufficientScope; NotFound for a superuser."""
        superuser = as_superuser and principal.superuser
        if superuser and organization(self._access, name) is None:
            raise NotFound("Not Found")
        if not superuser:
            administered(self._access, principal, name)

        def work(tx: Tx) -> None:
            found = organization(self._access, name)
            if found is not None:
                # Who makes a repository here holds on to the same row.
                tx.lock(Account.select(Account.id).where(Account.id == found.id))
                found = organization(self._access, name)
            if found is None:
                raise NotFound("Not Found")
            if not superuser:
                administered(self._access, principal, name)
            now = _moment(tx, found.id)
            end_tokens(
                tx, TeamMember.select(TeamMember.account).where(TeamMember.team.in_(teams_of(found.id)))
            )
            end_content(tx, found.id, now)
            # Teams, permissions, robots and applications stay as they are until the collector comes: nobody
            # finds the way to them, and the organization can come back as it was.
            gone = Account.update(deleted_ms=now, auth_epoch=Account.auth_epoch + 1)
            tx.run(gone.where((Account.owner == found.id) & LIVE_ACCOUNT))
            tx.run(gone.where(Account.id == found.id))
            self._record(tx, principal, found, events.OrgDelete(**principal.by(name)))

        self._db.write(work)

    # -- details ------------------------------------------------------------------------------

    def details(self, principal: Principal, name: str) -> Details:
        """What this principal may know of it. Raises NotFound."""
        namespace = organization(self._access, name)
        if namespace is None:
            raise NotFound("Not Found")
        row = self._db.rows(
            Account.select(
                Account.uuid, Account.email, Account.invoice_email, Account.invoice_email_address,
                Account.removed_tag_expiration_s,
            ).where(Account.id == namespace.id)
        )[0]  # fmt: skip
        role = self._access.team_role(principal, namespace)
        reads = role == "admin" or self._access.may_read_namespace(principal, namespace)
        return Details(
            name=name,
            seed=row[1] or row[0],
            email=row[1],
            invoice_email=bool(row[2]),
            invoice_email_address=row[3],
            tag_expiration_s=self._tag_expiration_s if row[4] is None else int(row[4]),
            is_admin=role == "admin",
            is_member=role is not None,
            reads=reads,
            teams=self._teams(principal, namespace, reads) if reads or role is not None else None,
        )

    def _teams(self, principal: Principal, namespace: NamespaceRow, reads: bool) -> tuple[TeamSummary, ...]:
        here = Team.organization == namespace.id
        rows = self._db.rows(
            Team.select(Team.id, Team.name, Team.role, Team.description).where(here).order_by(Team.id)
        )
        repositories = self._counts(
            Permission.select(Permission.team, peewee.fn.COUNT(Permission.id))
            .join(Team, on=(Team.id == Permission.team))
            .join(Repository, on=(Repository.id == Permission.repository))
            .where(here & Repository.deleted_ms.is_null())
            .group_by(Permission.team)
        )
        members = self._counts(
            TeamMember.select(TeamMember.team, peewee.fn.COUNT(TeamMember.id))
            .join(Team, on=(Team.id == TeamMember.team))
            .join(Account, on=(Account.id == TeamMember.account))
            .where(here & LIVE_ACCOUNT)
            .group_by(TeamMember.team)
        )
        own = TeamMember.select(TeamMember.team).where(TeamMember.account == principal.account_id)
        mine = set() if reads else {team for (team,) in self._db.rows(own)}
        return tuple(
            TeamSummary(team, role, text or "", reads or i in mine, repositories.get(i, 0), members.get(i, 0))
            for i, team, role, text in rows
        )

    def _counts(self, query: Any) -> dict[int, int]:
        return {int(ident): int(count) for ident, count in self._db.rows(query)}

    def change(self, principal: Principal, name: str, values: Mapping[str, Any]) -> Details:
        """Changes what `values` holds of CHANGEABLE, leaves the rest, and returns the new state. What a
        switched-off feature would be needed for is passed over.

        Raises NotSignedIn, InsufficientScope, InvalidRequest, Refused for a window that may not be
        chosen."""
        administered(self._access, principal, name)
        wanted = {key: values[key] for key in self._changeable if key in values}
        seconds = wanted.get("tag_expiration_s")
        if "tag_expiration_s" in wanted and seconds not in self._tag_expirations:
            raise Refused("Invalid tag expiration option")

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, name)
            mine = Account.id == namespace.id
            kept = (Account.email, Account.invoice_email, Account.invoice_email_address)
            old = dict(zip(_KEPT, tx.rows(Account.select(*kept).where(mine))[0], strict=True))
            email = wanted.get("email")
            if email is not None and email != old["email"]:
                _check_email(email)
            changed = dict(wanted)
            if email is None:
                changed.pop("email", None)
            if "tag_expiration_s" in changed:
                changed["removed_tag_expiration_s"] = changed.pop("tag_expiration_s")
            if changed:
                tx.run(Account.update(**changed).where(mine))
            for event in _changes(principal.by(name), old, wanted):
                self._record(tx, principal, namespace, event)

        self._db.write(work)
        return self.details(principal, name)

    def _record(self, tx: Tx, principal: Principal, namespace: NamespaceRow, event: events.Event) -> None:
        self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)


def _check_email(email: str) -> None:
    if not names.is_email(email) or not email.isprintable():
        raise InvalidRequest("Invalid email address")


def _changes(by: dict[str, Any], old: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[events.Event]:
    """The events of a change of details; of what stays as it is there is none to tell."""
    found: list[events.Event] = []
    email = wanted.get("email")
    if email is not None and email != old["email"]:
        found.append(events.OrgChangeEmail(**by, email=email, old_email=old["email"]))
    if "invoice_email" in wanted and wanted["invoice_email"] != bool(old["invoice_email"]):
        found.append(events.OrgChangeInvoicing(**by, invoice_email=wanted["invoice_email"]))
    address = wanted.get("invoice_email_address")
    if "invoice_email_address" in wanted and address != old["invoice_email_address"]:
        found.append(events.OrgChangeInvoicing(**by, invoice_email_address=address))
    if "tag_expiration_s" in wanted:
        found.append(events.OrgChangeTagExpiration(**by, tag_expiration=wanted["tag_expiration_s"]))
    return found


def end_applications(tx: Tx, organization_id: int) -> None:
    """Takes away OAuth applications and all that was given through them."""
    applications = OauthApplication.select(OauthApplication.id).where(
        OauthApplication.organization == organization_id
    )
    tx.run(Token.delete().where(Token.application.in_(applications)))
    tx.run(OauthCode.delete().where(OauthCode.application.in_(applications)))
    tx.run(OauthAssignment.delete().where(OauthAssignment.application.in_(applications)))
    tx.run(OauthApplication.delete().where(OauthApplication.organization == organization_id))


def _moment(tx: Tx, namespace_id: int) -> int:
    """When (ms) the namespace goes: a moment in which none of its repositories has gone before it, whatever
    the clock says."""
    latest = tx.value(
        Repository.select(peewee.fn.MAX(Repository.deleted_ms)).where(Repository.namespace == namespace_id)
    )
    return now_ms() if latest is None else max(now_ms(), int(latest) + 1)


def end_content(tx: Tx, namespace_id: int, now: int) -> None:
    """Marks the repositories as deleted at `now` (ms), as the deletion of one does; the collector does the
    rest. Those of a namespace that goes are known by having gone in the same moment."""
    live = (Repository.namespace == namespace_id) & Repository.deleted_ms.is_null()
    # In two steps: MariaDB assigns one column after the other.
    tx.run(Repository.update(deleted_name=Repository.name, deleted_state=Repository.state).where(live))
    gone = {"name": peewee.fn.UPPER(Repository.uuid), "deleted_ms": now, "state": DELETED}
    tx.run(Repository.update(**gone).where(live))
