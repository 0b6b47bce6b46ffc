"""Labels that act on a tag when it is set: `quay.expires-after` and `quay.immutable`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quayframe.data.db import Tx

from .pins import Pins

EXPIRES_AFTER = "quay.expires-after"
IMMUTABLE = "quay.immutable"
ACTING = (EXPIRES_AFTER, IMMUTABLE)

# In SQL: each push of a tag asks it.
_SAID = "SELECT label_key, value FROM label WHERE manifest_id = ? AND label_key IN (?, ?)"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LONGEST_S = 1000 * _SECONDS["y"]
_match = re.compile(r"([0-9]{1,12})([smhdwy])").fullmatch


@dataclass(frozen=True)
class Terms:
    """With what a tag begins. `end_ms`: its end, by the rule `end_reason`. `immutable`: by label."""

    end_ms: int | None = None
    end_reason: str | None = None
    immutable: bool = False
    reversion: bool = False
    """The history says that this brought an earlier manifest back."""


PLAIN = Terms()


def parse(text: str) -> int | None:
    """Seconds of `<int><unit>`, unit one of s m h d w y (365 days).

    None for anything else, and where it says nothing: for no time at all, and beyond a thousand years."""
    found = _match(text)
    if found is None:
        return None
    seconds = int(found[1]) * _SECONDS[found[2]]
    return seconds if 0 < seconds <= _LONGEST_S else None


def terms_of(tx: Tx, manifest_id: int, now: int, pins: Pins) -> Terms:
    """With what a tag begins that is set at this manifest at `now` (ms), by the manifest's labels.

    Of several ends the first. An immutable tag has none, unless FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE."""
    rows = tx.db.sql_rows(_SAID, (manifest_id, *ACTING))
    if not rows:
        return PLAIN
    immutable = pins.enabled and any(key == IMMUTABLE and is_true(value) for key, value in rows)
    lives = [life for key, value in rows if key == EXPIRES_AFTER and (life := parse(value)) is not None]
    if not lives or (immutable and not pins.can_expire):
        return Terms(immutable=immutable)
    return Terms(end_ms=now + min(lives) * 1000, end_reason="label", immutable=immutable)


def is_true(value: str) -> bool:
    return value.strip().lower() == "true"
