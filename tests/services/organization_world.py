"""Organizations with their people for tests of services: everything is made as the registry makes it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.data.tenancy import TeamInvite
from quayframe.services.access import Access
from quayframe.services.activity import Activity
from quayframe.services.clock import now_ms
from quayframe.services.crypto import SecretBox
from quayframe.services.invites import Invites
from quayframe.services.jobs import Jobs
from quayframe.services.mail import Mail, MailOptions
from quayframe.services.members import Members
from quayframe.services.organizations import Organizations
from quayframe.services.principal import Principal
from quayframe.services.prototypes import Prototypes
from quayframe.services.teams import Teams

WAIT_S = 40


class OrganizationWorld:
    """Services on one database, and the organization `org` whose admin is `boss`.

    :param invite: whether outsiders are invited instead of added.
    """

    def __init__(self, db: Database, *, invite: bool = False, full_superusers: bool = False) -> None:
        self.db = db
        self.box = SecretBox("a key")
        self.access = Access(db, superusers_full=full_superusers)
        here = (db, self.access, Activity(db))
        self.mail = Mail(Jobs(db), self.box, MailOptions("localhost"), on=invite)
        self.invites = Invites(*here, self.box, self.mail, required=invite)
        self.organizations = Organizations(*here, tag_expirations=(0, 86400), tag_expiration_s=86400)
        self.members = Members(*here)
        self.teams = Teams(*here, self.invites)
        self.prototypes = Prototypes(*here)
        self.boss = self.account("boss")
        self.organizations.create(self.boss, "org")
        org = self.access.namespace("org")
        assert org is not None
        self.org = org

    def insert(self, table: Any, **values: Any) -> int:
        return self.db.write(lambda tx: tx.insert(table, **values))

    def account(self, name: str, kind: str = "user", *, superuser: bool = False, **more: Any) -> Principal:
        uuid = secrets.token_hex(8)
        row = {"uuid": uuid, "name": name, "kind": kind, "created_ms": now_ms(), **more}
        return Principal(kind, self.insert(tables.Account, **row), uuid, name, superuser=superuser)

    def robot(self, name: str) -> Principal:
        return self.account(f"org+{name}", "robot", owner=self.org.id)

    def admin(self, name: str) -> Principal:
        """A further admin of the organization."""
        made = self.account(name)
        self.join("owners", made)
        return made

    def join(self, team: str, who: Principal) -> None:
        """Puts somebody into a team, past every rule."""
        where = (tables.Team.organization == self.org.id) & (tables.Team.name == team)
        found = self.db.value(tables.Team.select(tables.Team.id).where(where))
        self.insert(tables.TeamMember, team=found, account=who.account_id)

    def repository(self, name: str, *, deleted: bool = False, owner: int | None = None) -> int:
        return self.insert(
            tables.Repository,
            uuid=secrets.token_hex(8),
            namespace=owner or self.org.id,
            name=name,
            visibility="private",
            created_ms=1,
            deleted_ms=1 if deleted else None,
        )

    def grant(self, repository: int, role: str, who: Principal) -> None:
        self.insert(tables.Permission, repository=repository, role=role, account=who.account_id)

    def epoch(self, who: Principal) -> int:
        query = tables.Account.select(tables.Account.auth_epoch).where(tables.Account.id == who.account_id)
        return int(self.db.value(query))

    def people(self, team: str) -> list[str]:
        return [person.name for person in self.teams.members(self.boss_of_all, "org", team).people]

    @property
    def boss_of_all(self) -> Principal:
        """Somebody who may read everything."""
        return Principal("user", 0, "none", "auditor", readonly_superuser=True)

    def codes(self) -> list[str]:
        """The codes of all open invitations, in the order of making."""
        rows = self.db.rows(TeamInvite.select(TeamInvite.code).order_by(TeamInvite.id))
        return [self.box.decrypt(code) or "" for (code,) in rows]

    def mails(self) -> list[tuple[str, str]]:
        """The mails that wait: (address, text)."""
        rows = self.db.rows(tables.Job.select(tables.Job.payload).where(tables.Job.kind == "mail"))
        composed = [self.mail.compose(json.loads(payload)) for (payload,) in rows]
        return [(str(mail["To"]), mail.as_string()) for mail in composed]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The events of these kinds, without the fields that are null."""
        row = tables.EventRow
        rows = self.db.rows(row.select(row.kind, row.data).where(row.kind.in_(kinds)).order_by(row.id))
        return [
            {"kind": kind} | {key: value for key, value in json.loads(data).items() if value is not None}
            for kind, data in rows
        ]


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each gave, or raised, when all ran at the same time."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result(WAIT_S) for done in [pool.submit(run, work) for work in works]]
