"""E-mail addresses of users: no two of them have the same."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from quayframe.data.db import Tx
from quayframe.data.tables import Account, Lease
from quayframe.errors import InvalidRequest
from quayframe.oci import names

TAKEN = "E-mail address already used"
LONGEST = 255


class EmailInvalid(InvalidRequest):
    """Not an address that an account may have."""


class EmailTaken(InvalidRequest):
    message = TAKEN


def check(email: str | None, *, mailing: bool, blacklist: Iterable[str] = ()) -> None:
    """Whether an account may have this address, whoever else has it.

    :param mailing: FEATURE_MAILING: there must be one, and it must have the form of one; without it any
        text will do.
    :param blacklist: domains (and what is below them) that are refused.
    Raises EmailInvalid."""
    if mailing and (email is None or not names.is_email(email) or not email.isprintable()):
        raise EmailInvalid(f"Invalid email address: {ascii(email)[:300] if email else None}")
    if email is None:
        return
    if not email or len(email) > LONGEST or not email.isprintable():
        raise EmailInvalid("Invalid email address")
    domain = f".{email.rpartition('@')[2].lower().rstrip('.')}"
    if any(domain.endswith(f".{bad.lower().strip('.')}") for bad in blacklist):
        raise EmailInvalid("Accounts with an address of this domain cannot be made here")


def take(tx: Tx, email: str | None, account_id: int | None = None) -> str:
    """The address to store: a random uuid for none.

    Of two transactions that take one address at the same time the second waits for the first.
    Raises EmailTaken when another user has it."""
    if email is None:
        return str(uuid.uuid4())
    mark = f"email:{hashlib.sha256(email.encode()).hexdigest()}"
    tx.insert_absent(Lease, name=mark, token="", until_ms=0)
    tx.run(Lease.delete().where(Lease.name == mark))
    where = (Account.email == email) & (Account.kind == "user") & Account.deleted_ms.is_null()
    if account_id is not None:
        where &= Account.id != account_id
    if tx.one(Account.select(Account.id).where(where)) is not None:
        raise EmailTaken()
    return email
