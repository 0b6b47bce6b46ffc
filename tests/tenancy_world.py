"""A registry full of people for tests that ask who may do what: organizations with everything that one can
have, written as rows, so that no service under test had a hand in it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from api_client import PASSWORD, ApiWorld, Caller
from protocol import OCI_CONFIG, OCI_MANIFEST, Protocol, descriptor, manifest, sha256

from quayframe.data.content import Label, Policy
from quayframe.data.table import Table
from quayframe.data.tables import (
    Account,
    LoginLink,
    Manifest,
    Permission,
    Repository,
    ServiceKey,
    Tag,
    TagInterval,
    Team,
    TeamMember,
    Token,
)
from quayframe.data.tenancy import (
    GlobalMessage,
    OauthApplication,
    OauthAssignment,
    Prototype,
    Star,
    TeamInvite,
)
from quayframe.services.clock import now_ms
from quayframe.services.crypto import new_token
from quayframe.services.passwords import hash_password

CONFIG: dict[str, Any] = {
    "SUPER_USERS": ["superuser"],
    "GLOBAL_READONLY_SUPER_USERS": ["readonly"],
    "FEATURE_MAILING": True,
    "FEATURE_REQUIRE_TEAM_INVITE": True,
    "FEATURE_SUPERUSER_CONFIGDUMP": True,
    "FEATURE_ASSIGN_OAUTH_TOKEN": True,
    "FEATURE_APP_SPECIFIC_TOKENS": True,
    "FEATURE_DIRECT_LOGIN": True,
    "FEATURE_AUTO_PRUNE": True,
    "FEATURE_IMMUTABLE_TAGS": True,
    "FEATURE_IMAGE_PULL_STATS": True,
    "PERMANENTLY_DELETE_TAGS": True,
}
USERS = ("reader", "writer", "admin", "other", "member", "creator", "orgadmin", "superuser", "readonly")
FILLERS = ("victim", "newcomer", "deputy", "rival-boss")
_VOLATILE_TABLES = {"ended_session", "login_failure", "lease"}
_VOLATILE_COLUMNS = {"last_accessed_ms"}

_hash: list[str] = []


class World(ApiWorld):
    """`mine[user]` are the ids of what a user owns, `of[organization]` those of what is an organization's;
    what is private to somebody says so: `private words of NAME`."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(Protocol(folder, {**CONFIG, **config}))
        self.box = self.registry.tenancy.ground.box
        self.account: dict[str, int] = {}
        self.mine: dict[str, dict[str, str]] = {}
        self.of: dict[str, dict[str, str]] = {}
        self.facts: dict[str, str] = {}
        for name in (*USERS, *FILLERS):
            self._add_user(name)
        self._add_organization("acme", "orgadmin")
        self._add_organization("rival", "rival-boss")
        self._add_deleted_organization("fallen", "orgadmin")
        for name in (*USERS, *FILLERS):
            self._add_belongings(name)
        self._add_registry_wide()

    def close(self) -> None:
        self.protocol.close()

    # -- people ---------------------------------------------------------------------------------

    def signed_in(self, name: str) -> Caller:
        """A session of its own, so that a sign-out by one test is not another's."""
        return self.session(name)

    def signed_in_long_ago(self, name: str) -> Caller:
        """A session that lasts, but is not fresh."""
        begun = self.registry.tenancy.sessions.begin(self.registry.accounts.get(name))
        return self._holding(replace(begun, fresh_s=begun.fresh_s - 86_400))

    def _insert(self, table: type[Table], **values: Any) -> int:
        return int(self.registry.db.write(lambda tx: tx.insert(table, **values)))

    def _add_user(self, name: str) -> None:
        if not _hash:
            _hash.append(hash_password(PASSWORD))
        self.account[name] = self._account(name, "user", email=f"{name}@mail.test", password_hash=_hash[0])

    def _account(self, name: str, kind: str, **values: Any) -> int:
        row = {"uuid": str(uuid.uuid4()), "name": name, "kind": kind, "created_ms": now_ms()}
        return self._insert(Account, **row, **values)

    def _robot(self, owner: str, short: str) -> int:
        """A robot with a description and an identity elsewhere that name its owner."""
        name = f"{owner}+{short}"
        self.facts[f"{name} token"] = token = new_token(64)
        self.account[name] = self._account(
            name,
            "robot",
            owner=self.account[owner],
            email=str(uuid.uuid4()),
            robot_token=self.box.encrypt(token),
            description=f"private words of {owner}",
            federation=json.dumps([{"issuer": f"https://{owner}.issuer.test", "subject": short}]),
        )
        return self.account[name]

    # -- an organization ------------------------------------------------------------------------

    def _add_organization(self, org: str, boss: str) -> None:
        """Teams owners, crew (role member), makers (creator), guests (member) and one whose name no other
        organization has; repositories `app` (private, with an image) and `pub`; a robot, an application
        with a token, a default permission, an invitation; policies of it and of `app`."""
        self.account[org] = organization = self._account(org, "organization", email=f"{org}@mail.test")
        ours = org == "acme"
        self._team(org, "owners", "admin", [boss, "deputy"] if ours else [boss])
        self._team(org, "crew", "member", ["member"] if ours else [])
        self._team(org, "makers", "creator", ["creator"] if ours else [])
        self._team(org, f"{org}-alone", "member", [])
        guests = self._team(org, "guests", "member", ["victim"] if ours else ["rival-boss"])
        app = self._repository(org, "app", "private")
        self._repository(org, "pub", "public")
        robot = self._robot(org, "bot")
        for role, name in (("read", "reader"), ("write", "writer"), ("admin", "admin")):
            if ours:
                self._insert(Permission, repository=app, account=self.account[name], role=role)
        self._insert(Permission, repository=app, team=guests, role="read")
        self._insert(Permission, repository=app, account=robot, role="write")
        found = {"application": self._application(org), "prototype": str(uuid.uuid4())}
        row = {"uuid": found["prototype"], "organization": organization}
        self._insert(Prototype, **row, delegate_team=guests, role="read")
        application = self.account[f"{org} application"]
        found["app_token"] = self._token(boss, "oauth", application=application, scope="repo:read")
        found |= self._content(org, app)
        found |= {"prune": self._policy(org, "prune"), "pin": self._policy(org, "immutable")}
        found |= {
            "app prune": self._policy(org, "prune", app),
            "app pin": self._policy(org, "immutable", app),
        }
        found["deleted repository"] = self._deleted_repository(org)
        found["email_invite"] = f"someone-of-{org}@mail.test"
        found["email_code"] = self._invite(guests, boss, email=found["email_invite"])
        self.of[org] = found

    def _deleted_repository(self, org: str) -> str:
        """The uuid of a repository in the recycle bin, on which who has a role on `app` has the same."""
        gone = self._repository(org, f"{org}-gone", "private")
        values = {"deleted_name": "gone", "deleted_state": "NORMAL", "deleted_ms": now_ms()}
        values |= {"name": str(uuid.uuid4()).upper(), "state": "MARKED_FOR_DELETION"}
        db = self.registry.db
        db.write(lambda tx: tx.run(Repository.update(**values).where(Repository.id == gone)))
        if org == "acme":
            for role, name in (("read", "reader"), ("write", "writer"), ("admin", "admin")):
                self._insert(Permission, repository=gone, account=self.account[name], role=role)
        return str(db.value(Repository.select(Repository.uuid).where(Repository.id == gone)))

    def _add_deleted_organization(self, org: str, boss: str) -> None:
        """An organization in the recycle bin, with a team of admins and a robot."""
        self.account[org] = self._account(org, "organization", email=f"{org}@mail.test")
        self._team(org, "owners", "admin", [boss])
        self._robot(org, "bot")
        gone = Account.id.in_([self.account[org], self.account[f"{org}+bot"]])
        db = self.registry.db
        db.write(lambda tx: tx.run(Account.update(deleted_ms=now_ms()).where(gone)))
        ident = str(db.value(Account.select(Account.uuid).where(Account.id == self.account[org])))
        self.facts["deleted organization"] = ident
        self.of[org] = {"uuid": ident}

    def _policy(self, owner: str, kind: str, repository: int | None = None) -> str:
        """The uuid of a policy that covers no tag here."""
        ident = str(uuid.uuid4())
        says = {"method": "number_of_tags", "value": "5"} if kind == "prune" else {}
        self._insert(
            Policy,
            uuid=ident,
            kind=kind,
            namespace=self.account[owner],
            repository=repository,
            pattern=f"private words of {owner}",
            fingerprint=ident,
            created_ms=now_ms(),
            **says,
        )
        return ident

    def _team(self, org: str, name: str, role: str, members: Sequence[str]) -> int:
        row = {"uuid": str(uuid.uuid4()), "organization": self.account[org], "name": name, "role": role}
        team = self._insert(Team, **row, description=f"private words of {org}")
        for member in members:
            self._insert(TeamMember, team=team, account=self.account[member])
        self.account[f"{org}/{name}"] = team
        return team

    def _repository(self, namespace: str, name: str, visibility: str) -> int:
        row = {"uuid": str(uuid.uuid4()), "namespace": self.account[namespace], "name": name}
        words = f"private words of {namespace}" if visibility == "private" else "for everybody"
        made = self._insert(Repository, **row, visibility=visibility, description=words, created_ms=now_ms())
        self.account[f"{namespace}/{name}"] = made
        return made

    def _content(self, org: str, repository: int) -> dict[str, str]:
        """An image with the tag `v1`, a label of its own and one that was added, and a signature of it."""
        config = (OCI_CONFIG, sha256(org.encode()), len(org))
        body = manifest(config, [], annotations={"owner": org})
        row = {"repository": repository, "media_type": OCI_MANIFEST, "created_ms": now_ms()}
        image = self._insert(Manifest, **row, digest=sha256(body), body=body, size=len(body))
        about = manifest(config, [], subject=descriptor(OCI_MANIFEST, sha256(body), len(body)))
        subject = {"subject": sha256(body), "subject_seen": 1, "artifact_type": f"private/{org}"}
        self._insert(Manifest, **row, **subject, digest=sha256(about), body=about, size=len(about))
        start = {"repository": repository, "manifest": image, "name": "v1", "start_ms": now_ms()}
        self._insert(TagInterval, **start, tag=self._insert(Tag, **start))
        found = {"manifest": sha256(body)}
        for source in ("manifest", "api"):
            found["label"] = str(uuid.uuid4())
            self._insert(
                Label,
                uuid=found["label"],
                repository=repository,
                manifest=image,
                label_key="owner",
                value=f"private words of {org}",
                media_type="text/plain",
                source=source,
                created_ms=now_ms(),
            )
        return found

    def _application(self, org: str) -> str:
        client_id = new_token(20)
        self.account[f"{org} application"] = self._insert(
            OauthApplication,
            client_id=client_id,
            organization=self.account[org],
            name=f"{org} application",
            description="",
            application_uri="https://app.test/",
            redirect_uri="https://app.test/back",
            secret=self.box.encrypt(f"{org}-client-secret"),
            created_ms=now_ms(),
        )
        return client_id

    def _token(self, user: str, kind: str, **values: Any) -> str:
        """The uuid of a new token of this user."""
        ident, secret = str(uuid.uuid4()), new_token(40)
        self.facts[f"{ident} secret"] = secret
        self._insert(
            Token,
            uuid=ident,
            kind=kind,
            account=self.account[user],
            creator=self.account[user],
            title=f"private words of {user}",
            lookup=self.box.lookup(secret),
            secret=self.box.encrypt(secret) if kind == "app" else None,
            created_ms=now_ms(),
            expires_ms=now_ms() + 3_600_000,
            **values,
        )
        return ident

    def _invite(self, team: int, inviter: str, **whom: Any) -> str:
        code = f"urn:teaminvite:{uuid.uuid4()}"
        self._insert(
            TeamInvite,
            lookup=self.box.lookup(code),
            code=self.box.encrypt(code),
            team=team,
            inviter=self.account[inviter],
            created_ms=now_ms(),
            **whom,
        )
        return code

    # -- what each user has ---------------------------------------------------------------------

    def _add_belongings(self, name: str) -> None:
        """An app token, a grant and an offered token of acme's application, a robot, an invitation to a
        team of acme, a star, a repository, an auto-prune policy, an identity elsewhere."""
        application = self.account["acme application"]
        mine = {
            "me": name,
            "apptoken": self._token(name, "app"),
            "grant": self._token(name, "oauth", application=application, scope="repo:read"),
            "assignment": str(uuid.uuid4()),
            "own prune": self._policy(name, "prune"),
        }
        self._insert(
            OauthAssignment,
            uuid=mine["assignment"],
            application=application,
            account=self.account[name],
            redirect_uri="https://app.test/back",
            scope="repo:read",
            response_type="token",
        )
        self._robot(name, "bot")
        self._repository(name, "own", "private")
        if name != "rival-boss":
            team = self.account["acme/makers" if name == "victim" else "acme/guests"]
            mine["invite"] = self._invite(team, "orgadmin", account=self.account[name])
        self._insert(
            Star,
            account=self.account[name],
            repository=self.account["acme/pub"],
            created_ms=now_ms(),
        )
        self._insert(LoginLink, account=self.account[name], provider="github", subject=f"github-{name}")
        self.mine[name] = mine

    def _add_registry_wide(self) -> None:
        self.facts["message"] = str(uuid.uuid4())
        self._insert(
            GlobalMessage,
            uuid=self.facts["message"],
            content="hello",
            media_type="text/plain",
            severity="info",
            created_ms=now_ms(),
        )
        for name, approved in (("kid", now_ms()), ("unapproved", None)):
            self.facts[name] = f"{name}-of-a-service"
            jwk = {"kty": "RSA", "n": "vQ", "e": "AQAB", "kid": self.facts[name]}
            self._insert(
                ServiceKey,
                kid=self.facts[name],
                service="builder",
                name=name,
                jwk=json.dumps(jwk),
                created_ms=now_ms(),
                expires_ms=now_ms() + 3_600_000,
                approved_ms=approved,
                approval_type="SUPERUSER" if approved else None,
                approver=self.account["superuser"] if approved else None,
                notes="",
                metadata="{}",
            )

    # -- what is there --------------------------------------------------------------------------

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, but for what a look at it changes: sessions' ends, counted log-in
        failures, times of last use."""
        found = {}
        for table in Table.__subclasses__():
            meta: Any = vars(table)["_meta"]
            if meta.table_name in _VOLATILE_TABLES:
                continue
            fields = [field for field in meta.sorted_fields if field.column_name not in _VOLATILE_COLUMNS]
            query = table.select(*fields).order_by(table.id)
            found[meta.table_name] = [tuple(row) for row in self.registry.db.rows(query)]
        return found
