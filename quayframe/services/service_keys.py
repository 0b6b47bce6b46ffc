"""Service keys as superusers keep them: made, approved, changed, taken away. `keys` signs and verifies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import ServiceKey
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, Refused

from .activity import Activity
from .clock import now_ms
from .keys import generate
from .principal import Principal
from .superusers import Superusers, UserItem

_is_service = re.compile(r"[a-z0-9_]{1,255}").fullmatch
_is_name = re.compile(r"[\s a-zA-Z0-9\-_:/]{0,255}").fullmatch
_LATEST_S = 253_402_300_799
"""The end of the year 9999: no date that is shown lies behind it."""
_COLUMNS = (
    ServiceKey.kid, ServiceKey.service, ServiceKey.name, ServiceKey.jwk, ServiceKey.metadata,
    ServiceKey.created_ms, ServiceKey.expires_ms, ServiceKey.approved_ms, ServiceKey.approval_type,
    ServiceKey.approver, ServiceKey.notes,
)  # fmt: skip


@dataclass(frozen=True)
class Approval:
    """`type` is SUPERUSER, AUTOMATIC (of this registry's own keys) or KEY_ROTATION."""

    type: str
    approved_ms: int
    approver: UserItem | None
    notes: str


@dataclass(frozen=True)
class Key:
    """A public key. `approval` is None for one that nobody may use yet."""

    kid: str
    service: str
    name: str | None
    jwk: dict[str, Any]
    metadata: dict[str, Any]
    created_ms: int
    expires_ms: int | None
    approval: Approval | None


@dataclass(frozen=True)
class NewKey:
    """A key with its private half, which is shown once and kept nowhere. Both in PEM."""

    kid: str
    service: str
    name: str
    public_pem: str
    private_pem: str


class ServiceKeys:
    def __init__(self, db: Database, users: Superusers, activity: Activity) -> None:
        self._db = db
        self._users = users
        self._activity = activity

    def all(self) -> list[Key]:
        """In the order of making."""
        return self._keys(self._db.rows(ServiceKey.select(*_COLUMNS).order_by(ServiceKey.id)))

    def get(self, kid: str) -> Key:
        """Raises NotFound."""
        rows = self._db.rows(ServiceKey.select(*_COLUMNS).where(ServiceKey.kid == kid))
        if not rows:
            raise NotFound("Not Found")
        return self._keys(rows)[0]

    def _keys(self, rows: list[tuple[Any, ...]]) -> list[Key]:
        approvers = self._users.by_id({row[9] for row in rows if row[9] is not None})
        found = []
        for kid, service, name, jwk, metadata, created, expires, approved, kind, approver, notes in rows:
            approval = None
            if approved is not None:
                approval = Approval(kind or "AUTOMATIC", approved, approvers.get(approver), notes or "")
            more = json.loads(metadata) if metadata else {}
            found.append(Key(kid, service, name, json.loads(jwk), more, created, expires, approval))
        return found

    # -- changes ------------------------------------------------------------------------------

    def create(
        self,
        principal: Principal,
        service: str,
        *,
        expiration_s: float | None,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
        notes: str = "",
    ) -> NewKey:
        """Makes a key, approved at once.

        :param expiration_s: seconds since the epoch; None = never.
        Raises InsufficientScope, Refused for the service, InvalidRequest for the rest."""
        _superuser(principal)
        if not _is_service(service):
            raise Refused("the name of a service must match ^[a-z0-9_]+$ and have at most 255 characters")
        _check_name(name)
        expires = _expires(expiration_s, "Expiration date cannot be in the past")
        key = generate()
        now = now_ms()
        own = {"created_by": "Quay Superuser Panel", "creator": principal.name, "ip": principal.ip}
        about = _about(key.kid, service, name, expires)
        row = {
            "kid": key.kid,
            "service": service,
            "name": name,
            "jwk": json.dumps(key.jwk),
            "created_ms": now,
            "expires_ms": expires,
            "approved_ms": now,
            "approver": principal.account_id,
            "approval_type": "SUPERUSER",
            "notes": notes,
            "metadata": json.dumps({**(metadata or {}), **own}),
        }

        def work(tx: Tx) -> None:
            tx.insert(ServiceKey, **row)
            self._record(tx, principal, events.ServiceKeyCreate(**principal.by(), **about))
            self._record(tx, principal, events.ServiceKeyApprove(**principal.by(), **about))

        self._db.write(work)
        public = key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return NewKey(key.kid, service, name, public.decode(), private.decode())

    def change(self, principal: Principal, kid: str, values: Mapping[str, Any]) -> Key:
        """Changes what `values` holds of name, metadata (merged into what is there) and expiration
        (seconds since the epoch, or None), and returns the new state.

        Raises InsufficientScope, NotFound, InvalidRequest."""
        _superuser(principal)
        if "name" in values:
            _check_name(values["name"])
        expires = _expires(values.get("expiration"), "Cannot have an expiration date in the past")

        def work(tx: Tx) -> None:
            row = self._lock(tx, kid)
            name, changed = row[2], {}
            if "name" in values:
                changed["name"] = name = values["name"]
            if "metadata" in values:
                stored = json.loads(row[4]) if row[4] else {}
                changed["metadata"] = json.dumps({**stored, **values["metadata"]})
            if "expiration" in values:
                changed["expires_ms"] = expires
            if not changed:
                return
            tx.run(ServiceKey.update(**changed).where(ServiceKey.kid == kid))
            about = _about(kid, row[1], name, changed.get("expires_ms", row[6]))
            if "expires_ms" in changed:
                self._record(tx, principal, events.ServiceKeyExtend(**principal.by(), **about))
            if changed.keys() - {"expires_ms"}:
                self._record(tx, principal, events.ServiceKeyModify(**principal.by(), **about))

        self._db.write(work)
        return self.get(kid)

    def approve(self, principal: Principal, kid: str, notes: str = "") -> None:
        """Lets a key be used; one that is approved already stays as it is. Raises InsufficientScope,
        NotFound."""
        _superuser(principal)

        def work(tx: Tx) -> None:
            row = self._lock(tx, kid)
            if row[7] is not None:
                return
            tx.run(
                ServiceKey.update(
                    approved_ms=now_ms(),
                    approver=principal.account_id,
                    approval_type="SUPERUSER",
                    notes=notes,
                ).where(ServiceKey.kid == kid)
            )
            about = _about(kid, row[1], row[2], row[6])
            self._record(tx, principal, events.ServiceKeyApprove(**principal.by(), **about))

        self._db.write(work)

    def delete(self, principal: Principal, kid: str) -> None:
        """Takes a key away: what it signed is refused. Raises InsufficientScope, NotFound."""
        _superuser(principal)

        def work(tx: Tx) -> None:
            row = self._lock(tx, kid)
            tx.run(ServiceKey.delete().where(ServiceKey.kid == kid))
            about = _about(kid, row[1], row[2], row[6])
            self._record(tx, principal, events.ServiceKeyDelete(**principal.by(), **about))

        self._db.write(work)

    @staticmethod
    def _lock(tx: Tx, kid: str) -> tuple[Any, ...]:
        rows = tx.lock(ServiceKey.select(*_COLUMNS).where(ServiceKey.kid == kid))
        if not rows:
            raise NotFound("Not Found")
        return rows[0]

    def _record(self, tx: Tx, principal: Principal, event: events.Event) -> None:
        self._activity.record(tx, event, performer_id=principal.account_id)


def _superuser(principal: Principal) -> None:
    if not principal.superuser:
        raise InsufficientScope()


def _about(kid: str, service: str, name: str | None, expires_ms: int | None) -> dict[str, Any]:
    date = None if expires_ms is None else expires_ms // 1000
    return {"kid": kid, "service": service, "name": name, "expiration_date": date}


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise InvalidRequest("the name of a key has at most 255 of letters, digits, white space and - _ : /")


def _expires(seconds: float | None, past: str) -> int | None:
    """Milliseconds, of a time that is still to come. Raises InvalidRequest."""
    if seconds is None:
        return None
    if not seconds < _LATEST_S:
        raise InvalidRequest("the expiration date is out of range")
    if seconds * 1000 <= now_ms():
        raise InvalidRequest(past)
    return int(seconds * 1000)
