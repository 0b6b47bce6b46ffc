"""Invitations to teams: by the name of a user or by an e-mail address, accepted or declined by a code."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Team, TeamMember
from quayframe.data.tenancy import TeamInvite
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn, Refused
from quayframe.oci import names

from .access import Access, NamespaceRow
from .activity import Activity
from .clock import now_ms
from .crypto import SecretBox
from .mail import Mail
from .membership import LIVE_ACCOUNT, PERSON, Person, TeamRow, administered, get_team, person, take_turn
from .principal import Principal

CODE_PREFIX = "urn:teaminvite:"


@dataclass(frozen=True)
class Pending:
    """An invitation that nobody has answered: to a user, or to an e-mail address."""

    person: Person | None
    email: str | None


@dataclass(frozen=True)
class _Found:
    """The invitation behind a code."""

    id: int
    team_id: int
    team: str
    organization_id: int
    organization: str
    account_id: int | None
    account: str | None
    inviter: str | None


class Invites:
    """:param required: whether who is not in the organization has to accept (FEATURE_MAILING and
    FEATURE_REQUIRE_TEAM_INVITE); else they are added at once."""

    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        box: SecretBox,
        mail: Mail,
        *,
        required: bool = True,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._box = box
        self._mail = mail
        self.required = required

    # -- inviting -----------------------------------------------------------------------------

    def add(
        self, tx: Tx, principal: Principal, namespace: NamespaceRow, team: TeamRow, whom: Person | str
    ) -> None:
        """Invites a user or an address, in the transaction of who has checked that it may be.

        Asked again, the same invitation is sent again: there is one for each team and invited."""
        user = whom if isinstance(whom, Person) else None
        address = whom if isinstance(whom, str) else None
        code = f"{CODE_PREFIX}{uuid.uuid4()}"
        row = {
            "lookup": self._box.lookup(code),
            "code": self._box.encrypt(code),
            "account": user.id if user else None,
            "email": address,
            "inviter": principal.account_id,
            "created_ms": now_ms(),
        }
        if not tx.insert_absent(TeamInvite, team=team.id, **row):
            sealed = tx.value(
                TeamInvite.select(TeamInvite.code).where(_to(team.id, user.id if user else None, address))
            )
            code = self._box.decrypt(sealed) or code
        name = user.name if user else None
        event = events.OrgInviteTeamMember(
            **principal.by(namespace.name), user=name, member=name, email=address, team=team.name
        )
        self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)
        values = {
            "username": name or address,
            "inviter": principal.name,
            "team": team.name,
            "organization": namespace.name,
            "code": code,
        }
        self._mail.queue(tx, address or (user.seed if user else None), "teaminvite", values)

    def invite_email(self, principal: Principal, org: str, team: str, email: str) -> None:
        """Invites whoever reads the mail of this address.

        Raises InvalidRequest, NotFound for the team, NotSignedIn, InsufficientScope."""
        administered(self._access, principal, org)
        if not names.is_email(email) or not email.isprintable():
            raise InvalidRequest("Invalid email address")

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, org)
            self.add(tx, principal, namespace, get_team(self._db, namespace.id, team), email)

        self._db.write(work)

    def withdraw_email(self, principal: Principal, org: str, team: str, email: str) -> None:
        """Takes back the invitation of an address. Raises NotFound, InsufficientScope."""

        def work(tx: Tx) -> None:
            namespace = take_turn(tx, self._access, principal, org)
            row = get_team(self._db, namespace.id, team)
            if not tx.run(TeamInvite.delete().where(_to(row.id, None, email))):
                raise NotFound("Not Found")
            event = events.OrgDeleteTeamMemberInvite(**principal.by(org), email=email, team=team)
            self._activity.record(tx, event, namespace_id=namespace.id, performer_id=principal.account_id)

        administered(self._access, principal, org)
        self._db.write(work)

    def pending(self, team_id: int) -> tuple[Pending, ...]:
        """Who is invited to the team, in that order."""
        rows = self._db.rows(
            TeamInvite.select(TeamInvite.email, *PERSON)
            .left_outer_join(Account, on=(Account.id == TeamInvite.account))
            .where((TeamInvite.team == team_id) & LIVE_ACCOUNT)
            .order_by(TeamInvite.id)
        )
        return tuple(Pending(person(row[1:]) if row[1] is not None else None, row[0]) for row in rows)

    def drop(self, tx: Tx, team_id: int, account_id: int) -> bool:
        """Takes away an account's invitation to a team; False when there is none."""
        return bool(tx.run(TeamInvite.delete().where(_to(team_id, account_id, None))))

    # -- answering ----------------------------------------------------------------------------

    def accept(self, principal: Principal, code: str) -> tuple[str, str]:
        """Joins the team, and every other of the organization to which this user is invited:
        (organization, team). Raises Refused for an unknown code and for another user's."""
        _user(principal)

        def work(tx: Tx) -> tuple[str, str]:
            found = self._answered(tx, principal, code)
            mine = self._mine(tx, principal, found)
            for invite_id, team_id, team, inviter in mine:
                tx.run(TeamInvite.delete().where(TeamInvite.id == invite_id))
                if tx.insert_absent(TeamMember, team=team_id, account=principal.account_id):
                    event = events.OrgTeamMemberInviteAccepted(
                        **principal.by(found.organization),
                        member=principal.name,
                        team=team,
                        inviter=inviter,
                    )
                    self._record(tx, principal, found, event)
            return found.organization, found.team

        return self._db.write(work)

    def decline(self, principal: Principal, code: str) -> None:
        """Takes the invitation away. Raises Refused as `accept` does."""
        _user(principal)

        def work(tx: Tx) -> None:
            found = self._answered(tx, principal, code)
            tx.run(TeamInvite.delete().where(TeamInvite.id == found.id))
            event = events.OrgTeamMemberInviteDeclined(
                **principal.by(found.organization),
                member=principal.name,
                team=found.team,
                inviter=found.inviter,
            )
            self._record(tx, principal, found, event)

        self._db.write(work)

    def _answered(self, tx: Tx, principal: Principal, code: str) -> _Found:
        """The invitation of this code, with the organization locked, so that it is answered once."""
        found = self._find(code)
        if found is not None:
            tx.in_turn(Account.select(Account.id).where(Account.id == found.organization_id))
            found = self._find(code)
        if found is None:
            raise Refused("Invalid confirmation code.")
        if found.account_id is not None and found.account_id != principal.account_id:
            raise Refused(
                f'This invite is intended for user "{found.account}".\n'
                f"{' ' * 17}Please login to that account and try again."
            )
        return found

    def _find(self, code: str) -> _Found | None:
        org, inviter = Account.alias("org"), Account.alias("inviter")
        row = self._db.one(
            TeamInvite.select(
                TeamInvite.id, Team.id, Team.name, org.id, org.name, TeamInvite.account, Account.name,
                inviter.name,
            )
            .join(Team, on=(Team.id == TeamInvite.team))
            .join(org, on=(org.id == Team.organization))
            .left_outer_join(Account, on=(Account.id == TeamInvite.account))
            .left_outer_join(inviter, on=(inviter.id == TeamInvite.inviter))
            .where((TeamInvite.lookup == self._box.lookup(code)) & org.deleted_ms.is_null())
        )  # fmt: skip
        return _Found(*row) if row else None

    def _mine(self, tx: Tx, principal: Principal, found: _Found) -> Sequence[tuple[Any, ...]]:
        """This invitation and all that this user has to teams of the organization, by name or by the
        verified address: rows of (id, team id, team, inviter's name)."""
        inviter = Account.alias("inviter")
        email, verified = tx.rows(
            Account.select(Account.email, Account.verified).where(Account.id == principal.account_id)
        )[0]
        mine = (TeamInvite.id == found.id) | (TeamInvite.account == principal.account_id)
        if verified and email:
            mine |= TeamInvite.email == email
        return tx.rows(
            TeamInvite.select(TeamInvite.id, Team.id, Team.name, inviter.name)
            .join(Team, on=(Team.id == TeamInvite.team))
            .left_outer_join(inviter, on=(inviter.id == TeamInvite.inviter))
            .where((Team.organization == found.organization_id) & mine)
            .order_by(TeamInvite.id)
        )

    def _record(self, tx: Tx, principal: Principal, found: _Found, event: events.Event) -> None:
        self._activity.record(
            tx, event, namespace_id=found.organization_id, performer_id=principal.account_id
        )


def _to(team_id: int, account_id: int | None, email: str | None) -> Any:
    """The condition for the invitation of an account or of an address to a team."""
    invited = TeamInvite.account == account_id if account_id is not None else TeamInvite.email == email
    return (TeamInvite.team == team_id) & invited


def _user(principal: Principal) -> None:
    """Only a user answers for itself, and through a token only one that may change it."""
    if principal.kind == "anonymous":
        raise NotSignedIn()
    if principal.kind != "user" or not principal.may("user:admin"):
        raise InsufficientScope()
