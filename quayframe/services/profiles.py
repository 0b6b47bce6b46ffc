"""Users as they and others see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.data.tables import Account as Row
from quayframe.data.tables import LoginLink, Team, TeamMember
from quayframe.errors import NotFound

from .access import Access, NamespaceRow
from .principal import Principal

METADATA = ("given_name", "family_name", "company", "location")
_COLUMNS = (
    "name", "uuid", "email", "verified", "password_hash", "invoice_email", "invoice_email_address",
    "removed_tag_expiration_s", "prompts", *METADATA,
)  # fmt: skip


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
        columns = [getattr(Row, column) for column in ("id", *_COLUMNS)]
        where = (Row.name == name) & (Row.kind == "user") & Row.deleted_ms.is_null()
        row = self._db.one(Row.select(*columns).where(where))
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
        rows = self._db.rows(
            LoginLink.select(LoginLink.provider, LoginLink.subject, LoginLink.metadata)
            .where(LoginLink.account == ident)
            .order_by(LoginLink.id)
        )
        return tuple(Login(service, subject, json.loads(text or "{}")) for service, subject, text in rows)

    def _organizations(self, principal: Principal) -> tuple[Membership, ...]:
        """The principal's own, then those that everybody sees among them, each once."""
        mine = (
            Team.select(Team.organization)
            .join(TeamMember, on=(TeamMember.team == Team.id))
            .where(TeamMember.account == principal.account_id)
        )
        public = tuple(self._s.PUBLIC_NAMESPACES)
        where = (
            Row.id.in_(mine) | (Row.name.in_(public) & (Row.kind != "robot")) if public else Row.id.in_(mine)
        )
        rows = self._db.rows(
            Row.select(Row.id, Row.name, Row.kind, Row.enabled, Row.email, Row.uuid)
            .where(where & Row.deleted_ms.is_null())
            .order_by(Row.name)
        )
        return tuple(
            self._membership(principal, NamespaceRow(ident, name, kind, bool(enabled)), email or uuid)
            for ident, name, kind, enabled, email, uuid in rows
        )

    def _membership(self, principal: Principal, namespace: NamespaceRow, seed: str) -> Membership:
        role = self._access.team_role(principal, namespace)
        return Membership(
            namespace.name,
            seed,
            self._access.may_create_in(principal, namespace),
            role == "admin",
            namespace.name in self._s.PUBLIC_NAMESPACES,
        )


def prompts_of(text: str | None) -> list[str]:
    """What a user is still asked for, from the column."""
    return list(json.loads(text)) if text else []
