"""Small values that many answers show: avatars and dates."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import formatdate

from typing_extensions import TypedDict

COLORS = (
    "#969696", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896",
    "#9467bd", "#c5b0d5", "#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7",
    "#bcbd22", "#1f77b4", "#17becf", "#9edae5", "#393b79", "#5254a3", "#6b6ecf", "#9c9ede",
    "#9ecae1", "#31a354", "#b5cf6b", "#a1d99b", "#8c6d31", "#ad494a", "#e7ba52", "#a55194",
)  # fmt: skip


class Avatar(TypedDict):
    name: str
    hash: str
    color: str
    kind: str


def avatar(name: str, kind: str, seed: str | None, *, gravatar: bool = False) -> Avatar:
    """The picture of an account, team or application.

    :param kind: user, org, team, robot or app.
    :param seed: what the hash is of: the stored e-mail of an account, the name of a team.
    :param gravatar: AVATAR_KIND is gravatar, whose hash is another one.
    """
    text = (seed or name).strip().lower().encode()
    digest = hashlib.md5(text, usedforsecurity=False) if gravatar else hashlib.sha256(text)
    marked = digest.hexdigest()
    return {"name": name, "hash": marked, "color": COLORS[int(marked[:2], 16) % len(COLORS)], "kind": kind}


LAST_MS = 253_402_300_799_000
"""The last second of the year 9999: what a label put behind it is shown there."""


def rfc2822(ms: int | None) -> str | None:
    """`Wed, 25 Nov 2026 00:00:00 -0000`; null for null."""
    return None if ms is None else formatdate(min(ms, LAST_MS) / 1000, usegmt=False)


def rfc2822_gmt(ms: int | None) -> str | None:
    """`Wed, 25 Nov 2026 00:00:00 GMT`; null for null."""
    return None if ms is None else formatdate(ms / 1000, usegmt=True)


def iso(ms: int | None) -> str | None:
    """`2026-11-25T00:00:00.000000Z`; null for null."""
    if ms is None:
        return None
    return datetime.fromtimestamp(min(ms, LAST_MS) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
