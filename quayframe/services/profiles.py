"""Users as they and others see them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.errors import NotFound

from .access import Access, NamespaceRow
from .principal import Principal

METADATA = ("given_name", "family_name", "company", "location")
_COLUMNS = (
    "name", "uuid", "email", "verified", "password_hash", "invoice_email", "invoice_email_address",
    "removed_tag_expiration_s", "prompts", *METADATA,
)  # fmt: skip

# Every page of the console begins with these: plain SQL, since building a query costs more than running it.
_FIND = (
    f"SELECT id, {', '.join(_COLUMNS)} FROM account"  # noqa: S608 - names of columns
    " WHERE name = ? AND kind = 'user' AND deleted_ms IS NULL"
)
_LOGINS = "SELECT provider, subject, metadata FROM login_link WHERE account_id = ? ORDER BY id"
_NAMESPACE = "a.id, a.name, a.kind, a.enabled, a.email, a.uuid"
_MINE = (
    f"SELECT {_NAMESPACE}, t.role FROM team_member m JOIN team t ON t.id = m.team_id"  # noqa: S608
    " JOIN account a ON a.id = t.organization_id WHERE m.account_id = ? AND a.deleted_ms IS NULL"
)
_PUBLIC = (
    f"SELECT {_NAMESPACE} FROM account a WHERE a.name IN ({{marks}})"  # noqa: S608
    " AND a.kind <> 'robot' AND a.deleted_ms IS NULL"
)


@dataclass(frozen=True)
class Login:
    """An identity at a log-in service; `metadata` is what the service said of it."""

    service: str
    subject: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Membership:
    """An organization among a user's own, or one of PUBLIC_NAMESPACES; `seed` is its avatar's."""

    name: str
    seed: str
    can_create_repo: bool
    is_admin: bool
    public: bool


@dataclass(frozen=True)
class Profile:
    """A user. `details` and `logins` are only for who administers the account, `organizations` for who
    may read it; else they are None.

    `details` has email, verified, invoice_email, invoice_email_address, tag_expiration_s, prompts,
    given_name, family_name, company, location, has_password_set, can_create_repo."""

    name: str
    seed: str
    details: dict[str, Any] | None = None
    logins: tuple[Login, ...] = ()
    organizations: tuple[Membership, ...] | None = None


class Profiles:
    def __init__(self, settings: Settings, db: Database, access: Access) -> None:
        self._s = settings
        self._db = db
        self._access = access

    def profile(self, principal: Principal, name: str) -> Profile:
        """What this principal may know of a user. Raises NotFound."""
        row = self._db.sql_one(_FIND, (name,))
        if row is None:
            raise NotFound()
        ident, found = int(row[0]), dict(zip(_COLUMNS, row[1:], strict=True))
        seed = found["email"] or found["uuid"]
        own = ident == principal.account_id and principal.kind == "user"
        if not own or not (principal.may("user:read") or principal.may("user:admin")):
            return Profile(name, seed)
        organizations = self._organizations(principal)
        if not principal.may("user:admin"):
            return Profile(name, seed, organizations=organizations)
        return Profile(name, seed, self._details(principal, ident, found), self._logins(ident), organizations)

    def _details(self, principal: Principal, ident: int, found: Mapping[str, Any]) -> dict[str, Any]:
        window = found["removed_tag_expiration_s"]
        return {
            "email": found["email"] or found["uuid"],
            "verified": bool(found["verified"]),
            "invoice_email": bool(found["invoice_email"]),
            "invoice_email_address": found["invoice_email_address"],
            "tag_expiration_s": int(self._s.DEFAULT_TAG_EXPIRATION if window is None else window),
            "prompts": prompts_of(found["prompts"]),
            "has_password_set": found["password_hash"] is not None
            or self._s.AUTHENTICATION_TYPE != "Database",
            "can_create_repo": self._access.may_create_in(
                principal, NamespaceRow(ident, principal.name, "user", True)
            ),
            **{key: found[key] for key in METADATA},
        }

    def _logins(self, ident: int) -> tuple[Login, ...]:
        rows = self._db.sql_rows(_LOGINS, (ident,))
        return tuple(Login(service, subject, json.loads(text or "{}")) for service, subject, text in rows)

    def _organizations(self, principal: Principal) -> tuple[Membership, ...]:
        """The principal's own, and those that everybody sees among them, each once, by name."""
        roles: dict[int, list[str]] = {}
        rows: dict[int, tuple[Any, ...]] = {}
        for *row, role in self._db.sql_rows(_MINE, (principal.account_id,)):
            rows[row[0]] = tuple(row)
            roles.setdefault(row[0], []).append(role)
        public = tuple(self._s.PUBLIC_NAMESPACES)
        if public:
            marks = ", ".join("?" * len(public))
            rows |= {row[0]: row for row in self._db.sql_rows(_PUBLIC.format(marks=marks), public)}
        return tuple(
            self._membership(
                principal,
                NamespaceRow(ident, name, kind, bool(enabled)),
                email or uuid,
                roles.get(ident, ()),
            )
            for ident, name, kind, enabled, email, uuid in sorted(rows.values(), key=lambda row: row[1])
        )

    def _membership(
        self, principal: Principal, namespace: NamespaceRow, seed: str, roles: Collection[str]
    ) -> Membership:
        role = self._access.team_role_among(principal, namespace, roles)
        own = namespace.id == principal.account_id and self._access.is_restricted(principal)
        return Membership(
            namespace.name,
            seed,
            role in ("creator", "admin") and not own,
            role == "admin",
            namespace.name in self._s.PUBLIC_NAMESPACES,
        )


def prompts_of(text: str | None) -> list[str]:
    """What a user is still asked for, from the column."""
    return list(json.loads(text)) if text else []
