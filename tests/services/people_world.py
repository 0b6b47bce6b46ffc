"""What tests of people's accounts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import Protocol

from quayframe.data.tables import Account, EventRow
from quayframe.data.tenancy import Confirmation
from quayframe.registry import Registry
from quayframe.services.principal import SYSTEM, Principal

PASSWORD = "correct-horse"
Make = Callable[..., Protocol]


def person(registry: Registry, name: str, email: str | None = None) -> Principal:
    """A user with an address and no password: few tests need to hash one."""
    account = registry.accounts.create_user(SYSTEM, name, None, email or f"{name}@mail.test")
    return registry.accounts.principal(account)


def column(registry: Registry, name: str, field: Any) -> Any:
    return registry.db.value(Account.select(field).where(Account.name == name))


def kinds(registry: Registry) -> list[str]:
    """The kinds of all events so far."""
    return [kind for (kind,) in registry.db.rows(EventRow.select(EventRow.kind).order_by(EventRow.id))]


def forget_pause(registry: Registry) -> None:
    """As if the last mail had been sent long ago."""
    registry.db.write(lambda tx: tx.run(Confirmation.update(created_ms=0)))
