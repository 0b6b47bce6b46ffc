"""Random tenancies: users, robots, organizations, teams, repositories and roles, with what follows from
them by the rules of roles, written down a second time and as plainly as possible."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import bcrypt

from quayframe.data import tables
from quayframe.data.db import Database, Tx
from quayframe.services.access import RepositoryRow
from quayframe.services.clock import now_ms
from quayframe.services.crypto import SecretBox

PASSWORD = "correct-horse"
_CHEAP = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
ROLES = ("read", "write", "admin")
RANK = {None: 0, "read": 1, "write": 2, "admin": 3}


@dataclass(eq=False)
class Who:
    name: str
    kind: str
    enabled: bool = True
    owner: Who | None = None
    id: int = 0

    @property
    def able(self) -> bool:
        return self.enabled and (self.owner is None or self.owner.enabled)


@dataclass(eq=False)
class Team:
    name: str
    org: Who
    role: str
    members: list[Who]
    id: int = 0


@dataclass(eq=False)
class Repo:
    owner: Who
    row: RepositoryRow
    grants: list[tuple[Who | Team, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What the operator set."""

    superusers: frozenset[str]
    readonly: frozenset[str]
    full: bool
    anonymous: bool = True
    robots: bool = True
    """False with ROBOTS_DISALLOW."""
    restricted: bool = False
    """FEATURE_RESTRICTED_USERS, with nobody spared."""


class RandomTenancy:
    """Made of `seed`; all names begin with `prefix`, so that several fit into one database. Users and
    robots log in with PASSWORD, where there is a `box` to seal the robots' with.

    :param names: taken for the first users in place of made-up ones."""

    def __init__(
        self,
        db: Database,
        seed: int,
        prefix: str,
        *,
        names: tuple[str, ...] = (),
        box: SecretBox | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self._box = box
        r = self.random
        users = [
            Who(names[i] if i < len(names) else f"{prefix}u{i}", "user", i < 2 or r.random() > 0.2)
            for i in range(6)
        ]
        self.organizations = [Who(f"{prefix}o{i}", "organization", r.random() > 0.1) for i in range(2)]
        owners = [*users, *self.organizations]
        robots = [
            Who(f"{owner.name}+r{i}", "robot", r.random() > 0.1, owner)
            for owner in owners
            for i in range(r.randint(0, 2))
        ]
        self.people = users + robots
        self.teams = [self._team(org, i) for org in self.organizations for i in range(r.randint(0, 3))]
        self.repositories = [self._repository(r.choice(owners), f"app{i}") for i in range(4)]
        db.write(self._insert)

    def _team(self, org: Who, number: int) -> Team:
        r = self.random
        possible = [who for who in self.people if who.kind == "user" or who.owner is org]
        role = r.choice(("member", "member", "creator", "admin"))
        return Team(f"team{number}", org, role, r.sample(possible, r.randint(0, min(4, len(possible)))))

    def _repository(self, owner: Who, name: str) -> Repo:
        r = self.random
        visibility = r.choice(("public", "private", "private"))
        state = r.choice(("NORMAL", "NORMAL", "NORMAL", "READ_ONLY", "MIRROR"))
        row = RepositoryRow(0, str(uuid.uuid4()), 0, owner.name, name, visibility, state, "image")
        repo = Repo(owner, row)
        for who in self.people:
            fits = who is not owner and (who.kind == "user" or who.owner is owner)
            if fits and r.random() < 0.3:
                repo.grants.append((who, r.choice(ROLES)))
        for team in self.teams:
            if team.org is owner and r.random() < 0.6:
                repo.grants.append((team, r.choice(ROLES)))
        return repo

    def _insert(self, tx: Tx) -> None:
        for who in [*self.organizations, *self.people]:
            who.id = self._account(tx, who)
        for team in self.teams:
            team.id = tx.insert(
                tables.Team, uuid=str(uuid.uuid4()), organization=team.org.id, name=team.name, role=team.role
            )
            for member in team.members:
                tx.insert(tables.TeamMember, team=team.id, account=member.id)
        for repo in self.repositories:
            self._insert_repository(tx, repo)

    def _account(self, tx: Tx, who: Who) -> int:
        known = tx.value(tables.Account.select(tables.Account.id).where(tables.Account.name == who.name))
        if known is not None:
            return int(known)
        secret: dict[str, Any] = {}
        if who.kind == "user":
            secret["password_hash"] = _CHEAP
        elif who.kind == "robot" and self._box is not None:
            secret["robot_token"] = self._box.encrypt(PASSWORD)
        # Owners come before their robots.
        return tx.insert(
            tables.Account,
            uuid=str(uuid.uuid4()),
            name=who.name,
            kind=who.kind,
            enabled=int(who.enabled),
            owner=who.owner.id if who.owner else None,
            created_ms=now_ms(),
            **secret,
        )

    def _insert_repository(self, tx: Tx, repo: Repo) -> None:
        row = repo.row
        ident = tx.insert(
            tables.Repository,
            uuid=row.uuid,
            namespace=repo.owner.id,
            name=row.name,
            visibility=row.visibility,
            state=row.state,
            created_ms=now_ms(),
        )
        for whom, role in repo.grants:
            column = "team" if isinstance(whom, Team) else "account"
            tx.insert(tables.Permission, repository=ident, role=role, **{column: whom.id})
        repo.row = RepositoryRow(
            ident, row.uuid, repo.owner.id, row.namespace, row.name, row.visibility, row.state, row.kind
        )

    def grants(self, who: Who, repo: Repo, rules: Rules) -> set[tuple[str, str, str | None]]:
        """(via, role, team) of everything by which somebody can do something."""
        found: set[tuple[str, str, str | None]] = set()
        if who is repo.owner:
            bound = rules.restricted and who.name not in rules.superusers
            found.add(("own_namespace", "read" if bound else "admin", None))
        for whom, role in repo.grants:
            if whom is who:
                found.add(("direct", role, None))
            if isinstance(whom, Team) and who in whom.members:
                found.add(("team", role, whom.name))
        for team in self.teams:
            if team.org is repo.owner and team.role == "admin" and who in team.members:
                found.add(("admin_team", "admin", team.name))
        if repo.row.visibility == "public":
            found.add(("public", "read", None))
        if who.kind == "user" and who.name in rules.superusers and rules.full:
            found.add(("superuser", "admin", None))
        if who.kind == "user" and who.name in rules.readonly:
            found.add(("global_readonly_superuser", "read", None))
        return found

    def role(self, who: Who, repo: Repo, rules: Rules) -> str | None:
        if not who.able or (who.kind == "robot" and not rules.robots):
            return None
        return max((role for _, role, _ in self.grants(who, repo, rules)), key=RANK.__getitem__, default=None)
