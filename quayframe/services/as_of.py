"""As-of pulls: what a tag was at a moment in the past, while its history goes back so far."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import peewee

from quayframe.data.db import Database
from quayframe.data.tables import Account, Manifest, ManifestHold, Repository, Tag, TagInterval
from quayframe.errors import InvalidRequest, ManifestUnknown
from quayframe.oci.names import RepositoryName

from .clock import now_ms
from .collecting import window_ms
from .gate import Gate
from .holds import hold
from .pulls import Pulled, Pulls
from .tokens import BearerToken

HOLD_MS = 3_600_000
"""So long what was answered can be pulled by its digest, with all that it lists and its blobs."""
FAST_CLOCK_MS = 60_000
"""A moment that is ahead by no more than this is a client's fast clock, and means now."""

REASON = "as-of"
_SUFFIXED = re.compile(r"(.+)\.at\.([0-9]{8}T[0-9]{6}Z)")
# A `+` that a client left as it is in a query arrives as a space.
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"(?:[Zz]|([+ -])([0-9]{2}):([0-9]{2}))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def moment(text: str) -> int:
    """An RFC 3339 time in ms since the epoch, finer parts cut off. Raises InvalidRequest."""
    found = _RFC_3339.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        date, minute, second, part, sign, hours, minutes = found.groups()
        # A leap second is the one after the 59th.
        leap = second == "60"
        whole = datetime.fromisoformat(f"{date}T{minute}:{'59' if leap else second}+00:00")
        if hours is not None and not (int(hours) < 24 and int(minutes) < 60):
            raise ValueError
    except ValueError:
        raise InvalidRequest("as_of is a time of RFC 3339, such as 2026-11-25T12:00:00Z") from None
    at = (whole - _EPOCH) // _MILLISECOND + 1000 * leap + int(float(part or 0) * 1000)
    away = (int(hours or 0) * 60 + int(minutes or 0)) * 60_000
    return at + away if sign == "-" else at - away


def split(reference: str) -> tuple[str, int] | None:
    """The tag and the moment (ms) of `<tag>.at.<YYYYMMDDTHHMMSSZ>`. None for a reference that says nothing of
    the past, as one of a moment to come: it is a tag's name, for which a client may ask before it pushes."""
    found = _SUFFIXED.fullmatch(reference)
    if found is None:
        return None
    try:
        at = datetime.strptime(found[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    ms = (at - _EPOCH) // _MILLISECOND
    return (found[1], ms) if ms <= now_ms() + FAST_CLOCK_MS else None


class AsOf:
    """:param window_s: DEFAULT_TAG_EXPIRATION, of namespaces that chose none.
    :param readonly: REGISTRY_STATE readonly: nothing is written, and nothing is collected either."""

    def __init__(self, db: Database, gate: Gate, pulls: Pulls, *, window_s: int, readonly: bool) -> None:
        self._db = db
        self._gate = gate
        self._pulls = pulls
        self._window_s = window_s
        self._readonly = readonly

    def pull(
        self, token: BearerToken | None, name: RepositoryName, tag: str, at: int, accept: str | None
    ) -> Pulled:
        """What the tag named at `at` (ms). For a client that accepts no index, the image for linux/amd64 in
        it. What is answered stays for an hour at the least.

        Raises Unauthorized, NameUnknown; InvalidRequest for a moment to come; ManifestUnknown where the tag
        named nothing then, its history does not go back so far, or what it named was deleted by digest."""
        allowed = self._gate.pass_(token, name, "pull")
        assert allowed.repository_id is not None
        now = now_ms()
        if at > now + FAST_CLOCK_MS:
            raise InvalidRequest("as_of is a moment to come: what a tag will be is not known")
        row = self._db.one(self._period(allowed.repository_id, tag, min(at, now), now))
        if row is None or row[4] is not None:
            raise ManifestUnknown(f"tag {tag} named no manifest then, or its history does not go back so far")
        manifest_id, digest, media_type, body, _, held = row
        if not self._readonly and (held is None or held < now + HOLD_MS // 2):
            self._db.write(lambda tx: hold(tx, manifest_id, REASON, now + HOLD_MS))
        found = Pulled(digest, media_type, bytes(body), manifest_id)
        return self._pulls.fitting(allowed.repository_id, found, accept)

    def _period(self, repository_id: int, tag: str, at: int, now: int) -> Any:
        """The manifest of the period that holds `at`, and until when it is held for such an answer."""
        end = peewee.fn.COALESCE(TagInterval.end_ms, 2**62)
        held = (ManifestHold.manifest == Manifest.id) & (ManifestHold.reason == REASON)
        # What was deleted for good stays so, also where the window has become longer since.
        purged = peewee.fn.COALESCE(TagInterval.end_reason, "") == "purged"
        return (
            TagInterval.select(
                Manifest.id, Manifest.digest, Manifest.media_type, Manifest.body, Manifest.deleted_ms,
                ManifestHold.expires_ms,
            )
            .join(Tag, on=(Tag.id == TagInterval.tag))
            .join(Repository, on=(Repository.id == Tag.repository))
            .join(Account, on=(Account.id == Repository.namespace))
            .join(Manifest, on=(Manifest.id == TagInterval.manifest))
            .join(ManifestHold, peewee.JOIN.LEFT_OUTER, on=held)
            .where((Tag.repository == repository_id) & (Tag.name == tag) & (TagInterval.start_ms <= at))
            .where((end > at) & (end > now - window_ms(self._window_s)) & ~purged)
            .order_by(TagInterval.start_ms.desc())
            .limit(1)
        )  # fmt: skip
