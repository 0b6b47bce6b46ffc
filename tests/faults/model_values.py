"""What the model of repositories is made of: values in memory, nothing of the product."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HOUR = 3_600_000
DAY = 24 * HOUR
HOLD = HOUR
"""Of pushes by digest, uploads, mounts, as-of answers."""
SUFFIXES = ("sig", "att", "sbom")


class Immutable(Exception):
    """A pinned tag refuses."""


@dataclass(frozen=True)
class Body:
    """A manifest, by what it names. `life`: quay.expires-after, ms."""

    digest: str
    data: bytes
    media_type: str
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str | None = None
    life: int | None = None


@dataclass
class Period:
    name: str
    digest: str
    start: int
    end: int | None
    reason: str | None


@dataclass
class Head:
    name: str
    digest: str
    start: int
    end: int | None
    reason: str | None
    pinned: bool = False


@dataclass
class Row:
    """A manifest that was pushed and not collected. `seen`: its subject has been here."""

    seen: bool
    deleted: bool = False
    holds: dict[str, int] = field(default_factory=dict)


@dataclass
class Link:
    """A blob in a repository; `expires` None = a manifest needs it."""

    expires: int | None
    deleted: bool = False


@dataclass
class Policy:
    """`kind` is immutable, number_of_tags or creation_date (`value`: ms)."""

    uuid: str
    kind: str
    namespace: str
    place: str | None
    value: int = 0
    pattern: str | None = None
    matches: bool = True

    def covers(self, tag: str) -> bool:
        return self.pattern is None or (re.search(self.pattern, tag) is not None) == self.matches


@dataclass
class Place:
    """A repository in one of its lives. `deleted_ms`: in the recycle bin since; `purging`: past it."""

    namespace: str
    name: str
    uuid: str
    born: int
    heads: dict[str, Head] = field(default_factory=dict)
    periods: list[Period] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    deleted_ms: int | None = None
    purging: bool = False

    @property
    def full(self) -> str:
        return f"{self.namespace}/{self.name}"
