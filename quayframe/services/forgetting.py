"""What goes when an account goes: every row that refers to it as somebody who was given something."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from quayframe.data.db import Tx
from quayframe.data.tables import LoginLink, Permission, Repository, TeamMember, Token
from quayframe.data.tenancy import (
    Confirmation,
    OauthAssignment,
    OauthCode,
    Prototype,
    Star,
    TeamInvite,
)

GOES: tuple[Any, ...] = (
    Confirmation.account,
    LoginLink.account,
    OauthAssignment.account,
    OauthCode.account,
    Permission.account,
    Prototype.activating,
    Prototype.delegate_account,
    Star.account,
    TeamInvite.account,
    TeamMember.account,
    Token.account,
)
"""Columns whose rows mean nothing without their account. A default permission that one account's
repositories were to have would be everybody's with null: it goes too."""

STAYS: tuple[Any, ...] = (Repository.creator,)
"""Columns whose rows stay, with null."""


def forget(tx: Tx, accounts: Collection[int]) -> None:
    """Takes away all that these accounts were granted, and all that is theirs as persons. What they own
    (repositories, teams, robots, applications) is not touched: robots own nothing."""
    ids = list(accounts)
    for column in GOES:
        tx.run(column.model.delete().where(column.in_(ids)))
    for column in STAYS:
        tx.run(column.model.update({column: None}).where(column.in_(ids)))


def end_codes(tx: Tx, account_id: int) -> None:
    """Ends the codes by which an account's address changes or its password is recovered: whoever asked for
    them, or reads the mail they went to, may be the one against whom the password or the address was
    changed. The code that confirms a new account's own address stays."""
    mine = (Confirmation.account == account_id) & (Confirmation.kind != "confirm")
    tx.run(Confirmation.delete().where(mine))
