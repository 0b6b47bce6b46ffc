"""An organization that has everything, and what every table holds."""

from __future__ import annotations

import json
import uuid
from typing import Any

from people_world import person
from protocol import Protocol, Repo

from quayframe.data.db import Database
from quayframe.data.table import Table
from quayframe.data.tables import Account, EventRow, Repository, Subscription, Team
from quayframe.data.tenancy import OauthApplication, OauthAssignment, OauthCode, TeamInvite
from quayframe.oci.names import RepositoryName
from quayframe.registry import Registry
from quayframe.services.access import RepositoryRow
from quayframe.services.applications import Details
from quayframe.services.clock import now_ms
from quayframe.services.policies import Owner, immutable, prune
from quayframe.services.principal import SYSTEM, Principal

CONFIG: dict[str, Any] = {
    "FEATURE_MAILING": False,
    "FEATURE_AUTO_PRUNE": True,
    "FEATURE_IMMUTABLE_TAGS": True,
    "SUPER_USERS": ["root"],
}
RISES = {"account": {"auth_epoch"}}
"""What deletion raises and undelete leaves: tokens from before stay refused."""
GROWS = {"event"}
"""What was done is written down."""

Dump = dict[str, list[dict[str, Any]]]


def dump(db: Database) -> Dump:
    """Every row of every table, but for RISES and GROWS."""
    found: Dump = {}
    for table in Table.__subclasses__():
        meta: Any = vars(table)["_meta"]
        if meta.table_name in GROWS:
            continue
        left_out = RISES.get(meta.table_name, set())
        fields = [field for field in meta.sorted_fields if field.name not in left_out]
        rows = db.rows(table.select(*fields).order_by(table.id))
        found[meta.table_name] = [dict(zip((f.name for f in fields), row, strict=True)) for row in rows]
    return found


def difference(before: Dump, after: Dump) -> Dump:
    """Rows that are not in both."""
    found = {
        name: [row for row in [*before[name], *after[name]] if (row in before[name]) != (row in after[name])]
        for name in before
    }
    return {name: rows for name, rows in found.items() if rows}


class BinWorld:
    """The organization `acme`, whose admin is `boss`; `ann` is in its team `dev`, `bob` only has a role on
    `acme/r0`. Its robot is `acme+bot`; `root` is a superuser."""

    def __init__(self, protocol: Protocol, repositories: int = 2) -> None:
        self.protocol = protocol
        self.registry: Registry = protocol.registry
        self.db = self.registry.db
        self.bin = self.registry.content.recycle_bin
        self.people = {name: person(self.registry, name) for name in ("boss", "ann", "bob", "root")}
        self.boss = self.people["boss"]
        tenancy = self.registry.tenancy
        tenancy.organizations.create(SYSTEM, "acme", admin="boss")
        tenancy.teams.put(SYSTEM, "acme", "dev", "creator", "they write")
        tenancy.teams.add_member(SYSTEM, "acme", "dev", "ann")
        self.token = tenancy.robots.create(SYSTEM, "acme", "bot", description="it builds").token or ""
        tenancy.prototypes.create(SYSTEM, "acme", "read", "team", "dev")
        for number in range(repositories):
            self.fill(f"r{number}")
        self._organize()

    # -- making ---------------------------------------------------------------------------------

    def repo(self, name: str, who: Principal | None = None) -> Repo:
        """The repository of acme over a fresh token of this principal (the admin)."""
        accounts = self.registry.accounts
        principal = accounts.principal(accounts.get((who or self.boss).name))
        session = self.protocol.as_(principal, f"repository:acme/{name}:push,pull")
        return Repo(session, f"acme/{name}", "http://registry.test", principal)

    def fill(self, name: str) -> None:
        """A repository with a moved tag, a deleted one, an index, roles, a label, a policy, a star, a
        notification."""
        repo = self.repo(name)
        repo.image("v1")
        _, body = repo.image("v1", annotations={"stage": "test"})
        repo.image("old")
        repo.index("multi", [body])
        assert repo.delete("manifests/old").status_code == 202
        row, content = self.row(name), self.registry.content
        permissions = self.registry.tenancy.permissions
        permissions.set_team(SYSTEM, row, "dev", "write")
        permissions.set_user(SYSTEM, row, "acme+bot", "write")
        permissions.set_user(SYSTEM, row, "bob", "read")
        content.policies.create(self.boss, content.policies.owner(row), prune("number_of_tags", 500))
        self.registry.tenancy.stars.add(self.people["bob"], repo.path)
        self.insert(Subscription, uuid=str(uuid.uuid4()), repository=row.id, kind="repo_push")

    def _organize(self) -> None:
        """What an organization has beside its repositories."""
        tenancy, policies = self.registry.tenancy, self.registry.content.policies
        acme = self.registry.access.namespace("acme")
        assert acme is not None
        policies.create(self.boss, Owner(acme), immutable("^release-"))
        said = Details("app", redirect_uri="https://app.test/")
        self.client_id = tenancy.applications.create(self.boss, "acme", said).client_id
        _, self.oauth_token = tenancy.application_tokens.create(
            self.boss, "acme", self.client_id, name="ci", scope="repo:read", life_s=None
        )
        application = self.db.value(OauthApplication.select(OauthApplication.id))
        offer = {"application": application, "account": self.people["bob"].account_id, "scope": "repo:read"}
        offer["redirect_uri"] = "https://app.test/"
        self.insert(OauthCode, **offer, lookup="code", expires_ms=now_ms() + 3_600_000)
        self.insert(OauthAssignment, **offer, uuid=str(uuid.uuid4()), response_type="token")
        team = self.db.value(Team.select(Team.id).where(Team.name == "dev"))
        invited = {"lookup": "invitation", "code": "sealed", "email": "eve@mail.test"}
        self.insert(TeamInvite, **invited, team=team, created_ms=now_ms())

    def insert(self, table: type[Table], **values: Any) -> int:
        return int(self.db.write(lambda tx: tx.insert(table, **values)))

    # -- asking ---------------------------------------------------------------------------------

    def row(self, name: str) -> RepositoryRow:
        found = self.registry.access.repository("acme", name)
        assert found is not None
        return found

    def delete(self, name: str | None = None) -> str:
        """Deletes a repository of acme, or all of acme; its uuid."""
        if name is None:
            self.registry.tenancy.organizations.delete(self.boss, "acme")
            return self.bin.organizations(SYSTEM)[0][0].uuid
        ident = self.row(name).uuid
        self.registry.repositories.delete(self.boss, RepositoryName("acme", name))
        return ident

    def names(self) -> set[str]:
        """The live repositories of all."""
        rows = self.db.rows(
            Repository.select(Account.name, Repository.name)
            .join(Account, on=(Account.id == Repository.namespace))
            .where(Repository.deleted_ms.is_null())
        )
        return {f"{namespace}/{name}" for namespace, name in rows}

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        query = EventRow.select(EventRow.data).where(EventRow.kind.in_(kinds)).order_by(EventRow.id)
        return [json.loads(data) for (data,) in self.db.rows(query)]
