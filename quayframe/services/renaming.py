"""A user or an organization gets another name."""

from __future__ import annotations

import peewee

from quayframe.data.db import Tx
from quayframe.data.tables import Account
from quayframe.errors import NameInvalid, Refused
from quayframe.oci import names


def rename(tx: Tx, account_id: int, old: str, new: str) -> None:
    """Renames an account and its robots (`old+x` becomes `new+x`), in the caller's transaction. Their
    tokens, which say the old names, are refused from now on; browser sessions go on.

    Raises Refused for a name that no account may have, or that somebody has or had."""
    try:
        names.check_namespace(new, what="username")
    except NameInvalid as error:
        raise Refused(error.text) from None
    tx.lock(Account.select(Account.id).where(Account.id == account_id))
    robots = tx.lock(
        Account.select(Account.id, Account.name).where(Account.owner == account_id).order_by(Account.id)
    )
    changes = [(account_id, new), *((ident, new + name.removeprefix(old)) for ident, name in robots)]
    if max(len(name) for _, name in changes) > names.MAXIMUM_LENGTH:
        raise Refused(f"Invalid username {new}: with it the names of robots would be too long")
    if tx.one(Account.select(Account.id).where(Account.name == new)) is not None:
        raise Refused(_taken(new))
    try:
        for ident, name in changes:
            change = Account.update(name=name, auth_epoch=Account.auth_epoch + 1)
            tx.run(change.where(Account.id == ident))
    except peewee.IntegrityError as error:
        raise Refused(_taken(new)) from error


def _taken(name: str) -> str:
    return f"Username has already been taken by user cannot be reused: {name}"
