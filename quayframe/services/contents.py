"""The services of what repositories hold, wired: one field and one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quayframe.config import Settings
from quayframe.data.db import Database
from quayframe.events import Event

from .access import Access
from .accounts import Accounts
from .activity import Activity
from .blobs import Blobs
from .gate import Gate
from .heads import Heads
from .jobs import Jobs
from .pins import Pins
from .repositories import Repositories
from .storage import Storage
from .tags import Tags
from .uploads import Uploads


@dataclass(frozen=True)
class ContentGround:
    """What these services stand on."""

    settings: Settings
    db: Database
    accounts: Accounts
    access: Access
    activity: Activity
    gate: Gate
    repositories: Repositories
    blobs: Blobs
    uploads: Uploads
    storage: Storage
    jobs: Jobs
    check: Callable[[Event], None]


@dataclass(frozen=True)
class Content:
    """One service per noun."""

    pins: Pins
    heads: Heads
    tags: Tags


def build(ground: ContentGround) -> Content:
    s = ground.settings
    pins = Pins(enabled=s.FEATURE_IMMUTABLE_TAGS, can_expire=s.FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE)
    heads = Heads(pins)
    return Content(
        pins=pins,
        heads=heads,
        tags=Tags(ground.db, ground.activity, ground.check, heads),
    )
