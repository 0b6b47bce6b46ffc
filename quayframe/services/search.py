"""Search: repositories, people, teams and robots by parts of their names, as far as the searcher may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Account, Repository, Team, TeamMember

from .access import Access
from .principal import Principal
from .repository_views import LIVE, Listed, listed, listing

LONGEST = 255
"""Characters of a query that count: no name is longer."""
FEW = 5
"""Teams, and robots, of one search."""
_REPOSITORY, _TEAM, _ENTITY = 4.0, 2.0, 1.0
_LIVE_ACCOUNT = Account.deleted_ms.is_null()
_NAMESPACE = ("user", "organization")


@dataclass(frozen=True)
class Entity:
    """A user, organization, robot or team; `seed` is what its avatar is made of. `namespace` is a robot's
    or team's, `short` its name in it. The higher the score, the nearer to what was asked."""

    kind: str
    name: str
    seed: str
    score: float = 0.0
    namespace: Entity | None = None
    short: str | None = None
    is_org_member: bool | None = None
    """None where no organization is asked about."""


@dataclass(frozen=True)
class Hit:
    """A repository that was found."""

    repository: Listed
    namespace: Entity
    score: float


class Search:
    """:param partial_names: FEATURE_PARTIAL_USER_AUTOCOMPLETE; False finds users by whole names only."""

    def __init__(self, db: Database, access: Access, *, partial_names: bool = True) -> None:
        self._db = db
        self._access = access
        self._partial = partial_names

    # -- everything ---------------------------------------------------------------------------

    def everything(self, principal: Principal, query: str) -> list[Entity | Hit]:
        """The best few of each kind, the best first; nothing for an empty query."""
        text = _clean(query)
        if not text:
            return []
        found: list[Entity | Hit] = [*self.repositories(principal, text, limit=FEW)]
        found += self._namespaces(text)
        if principal.kind == "user":
            found += self._teams(principal, text)
            found += self._robots(principal, text)
        return sorted(found, key=lambda one: -one.score)

    def repositories(
        self, principal: Principal, query: str, *, offset: int = 0, limit: int = 10
    ) -> list[Hit]:
        """Repositories whose name, namespace or description has the text, the nearest first; all that can
        be seen for an empty one. `a/b` asks for names with b in namespaces with a as well."""
        text = _clean(query)
        rank = _rank(text)
        more = (rank.alias("rank"), Account.kind, Account.email, Account.uuid)
        rows = self._db.rows(
            listing(principal)
            .select_extend(*more)
            .where(LIVE & self._access.listed(principal, public=True) & _matches(text))
            .order_by(*((rank, Repository.id) if text else (Repository.id,)))
            .offset(offset)
            .limit(limit)
        )
        return [
            Hit(
                listed(row),
                Entity(row[9], row[1], row[10] or row[11], _ENTITY),
                _REPOSITORY / (1 + int(row[8])),
            )
            for row in rows
        ]

    def _namespaces(self, text: str) -> list[Entity]:
        names = Account.name.contains(text)
        if not self._partial:
            names = (Account.name == text) | (names & (Account.kind == "organization"))
        rows = self._db.rows(
            Account.select(Account.kind, Account.name, Account.email, Account.uuid)
            .where(names & Account.kind.in_(_NAMESPACE) & _LIVE_ACCOUNT)
            .order_by(Account.name != text, peewee.fn.LENGTH(Account.name), Account.name)
            .limit(2 * FEW)
        )
        return [
            Entity(kind, name, email or uuid, _ENTITY * _nearness(name, text))
            for kind, name, email, uuid in rows
        ]

    def _teams(self, principal: Principal, text: str) -> list[Entity]:
        """Teams of organizations in which the principal is."""
        if not principal.may("org:admin"):
            return []
        mine = (
            Team.select(Team.organization)
            .join(TeamMember, on=(TeamMember.team == Team.id))
            .where(TeamMember.account == principal.account_id)
        )
        rows = self._db.rows(
            Team.select(Team.name, Account.name, Account.email, Account.uuid)
            .join(Account, on=(Account.id == Team.organization))
            .where(Team.name.contains(text) & Team.organization.in_(mine) & _LIVE_ACCOUNT)
            .order_by(Team.name != text, Team.name, Team.id)
            .limit(FEW)
        )
        return [
            Entity(
                "team",
                name,
                name,
                _TEAM * _nearness(name, text),
                Entity("organization", org, email or uuid, _ENTITY),
                name,
            )
            for name, org, email, uuid in rows
        ]

    def _robots(self, principal: Principal, text: str) -> list[Entity]:
        """The principal's own robots, and those of organizations of which it is an admin."""
        owner = Account.alias("owner")
        whose: Any = owner.id == (principal.account_id if principal.may("user:admin") else 0)
        if principal.may("org:admin"):
            whose |= owner.id.in_(
                Team.select(Team.organization)
                .join(TeamMember, on=(TeamMember.team == Team.id))
                .where((TeamMember.account == principal.account_id) & (Team.role == "admin"))
            )
        parent = (owner.kind, owner.name, owner.email, owner.uuid)
        rows = self._db.rows(
            Account.select(Account.name, Account.email, Account.uuid, *parent)
            .join(owner, on=(owner.id == Account.owner))
            .where(Account.name.contains(text) & (Account.kind == "robot") & _LIVE_ACCOUNT & whose)
            .order_by(Account.name)
            .limit(FEW)
        )  # fmt: skip
        found = []
        for name, email, uuid, kind, owner_name, owner_email, owner_uuid in rows:
            short = name.partition("+")[2]
            whom = Entity(kind, owner_name, owner_email or owner_uuid, _ENTITY)
            score = _ENTITY * _nearness(short, text)
            found.append(Entity("robot", name, email or uuid, score, whom, short))
        return found

    # -- by the first letters -----------------------------------------------------------------

    def entities(
        self,
        principal: Principal,
        prefix: str,
        *,
        namespace: str | None = None,
        teams: bool = False,
        organizations: bool = False,
        limit: int = 10,
    ) -> list[Entity]:
        """Users whose names begin so. With a namespace that is the principal's own, or an organization in
        which it is: its robots by their short names, and where asked for its teams and itself."""
        text = _clean(prefix).replace(" ", "")
        here = self._access.namespace(namespace) if namespace else None
        org = here.id if here is not None and here.kind == "organization" else None
        inside = here is not None and (
            self._access.team_role(principal, here) is not None
            if org is not None
            else here.id == principal.account_id and principal.may("user:admin")
        )
        robots = here.name if here is not None and inside else None
        found: list[Entity] = []
        if org is not None and inside and teams:
            rows = self._db.rows(
                Team.select(Team.name)
                .where((Team.organization == org) & _begins(Team.name, text))
                .order_by(Team.name)
                .limit(limit)
            )
            found += [Entity("team", name, name, is_org_member=True) for (name,) in rows]
        found += self._people(text, robots, org, limit)
        if here is not None and org is not None and inside and organizations and here.name.startswith(text):
            email, uuid = self._db.rows(Account.select(Account.email, Account.uuid).where(Account.id == org))[
                0
            ]
            found.append(Entity("organization", here.name, email or uuid, is_org_member=True))
        return found

    def _people(self, text: str, robots: str | None, org: int | None, limit: int) -> list[Entity]:
        by_name = _begins(Account.name, text) if self._partial else Account.name == text
        where = (Account.kind == "user") & by_name
        if robots is not None:
            where |= (Account.kind == "robot") & _begins(Account.name, f"{robots}+{text}")
        rows = self._db.rows(
            Account.select(Account.id, Account.kind, Account.name, Account.email, Account.uuid)
            .where(where & _LIVE_ACCOUNT)
            .order_by(Account.name)
            .limit(limit)
        )
        members = self._members(org, [row[0] for row in rows])
        return [
            Entity(
                kind,
                name,
                email or uuid,
                is_org_member=None if org is None else kind == "robot" or ident in members,
            )
            for ident, kind, name, email, uuid in rows
        ]

    def _members(self, org: int | None, accounts: Sequence[int]) -> set[int]:
        if org is None or not accounts:
            return set()
        rows = self._db.rows(
            TeamMember.select(TeamMember.account)
            .join(Team, on=(Team.id == TeamMember.team))
            .where((Team.organization == org) & TeamMember.account.in_(list(accounts)))
        )
        return {ident for (ident,) in rows}


def _clean(query: str) -> str:
    # Names have no capitals.
    return query.strip().lower()[:LONGEST]


def _begins(column: Any, prefix: str) -> Any:
    """A range, so that an index serves it and no character is a wildcard: names are of ASCII."""
    return (column >= prefix) & (column < f"{prefix}\x7f")


def _matches(text: str) -> Any:
    if not text:
        return peewee.SQL("1 = 1")
    found = (
        Repository.name.contains(text)
        | Account.name.contains(text)
        | peewee.fn.LOWER(Repository.description).contains(text)
    )
    namespace, slash, name = text.partition("/")
    if slash:
        found |= Account.name.contains(namespace) & Repository.name.contains(name)
    return found


def _rank(text: str) -> Any:
    """0 for the name itself, more for what is further away."""
    if not text:
        return peewee.Value(0)
    _, slash, name = text.partition("/")
    wanted = name if slash else text
    return peewee.Case(
        None,
        [
            (Repository.name == wanted, 0),
            (_begins(Repository.name, wanted), 1),
            (Repository.name.contains(wanted), 2),
            (Account.name.contains(text), 3),
        ],
        4,
    )


def _nearness(name: str, text: str) -> float:
    """1 for the name itself, less for one that only has it somewhere; never 0."""
    if name == text:
        return 1.0
    share = len(text) / max(1, len(name))
    return round((0.5 if name.startswith(text) else 0.25) + share / 4, 4)
