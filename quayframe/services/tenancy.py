"""The services of people and what they own, wired: one field and one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.events import Event

from .access import Access
from .accounts import Accounts
from .activity import Activity
from .crypto import SecretBox
from .jobs import Jobs
from .repositories import Repositories
from .sessions import Sessions


@dataclass(frozen=True)
class Ground:
    """What every one of these services stands on."""

    settings: Settings
    db: Database
    accounts: Accounts
    access: Access
    activity: Activity
    repositories: Repositories
    jobs: Jobs
    box: SecretBox
    check: Callable[[Event], None]


@dataclass(frozen=True)
class Tenancy:
    """One field per noun."""

    ground: Ground
    sessions: Sessions


def build(ground: Ground) -> Tenancy:
    s, db, accounts = ground.settings, ground.db, ground.accounts
    assert s.SECRET_KEY is not None
    secret = s.SECRET_KEY.get_secret_value()
    return Tenancy(
        ground=ground,
        sessions=Sessions(db, accounts, secret, int(s.SESSION_TIMEOUT)),
    )
