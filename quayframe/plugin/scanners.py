"""The contract of vulnerability scanners."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .provider import Provider

Severity = Literal["Critical", "High", "Medium", "Low", "Negligible", "Unknown"]


class ScannerUnavailable(Exception):
    """The scanner cannot be asked now, or failed; the same call may succeed later."""


class ScanState(enum.StrEnum):
    QUEUED = "queued"
    """The scanner is at it; `report` will say more later."""
    SCANNED = "scanned"
    FAILED = "failed"
    """It did not work this time; submit again later."""
    UNSUPPORTED = "unsupported"
    """This scanner cannot look into this manifest, ever."""


@dataclass(frozen=True)
class ScanLayer:
    """`url` gives the layer's bytes to whoever sends `headers`; both are valid for a short time."""

    digest: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanTarget:
    """An image: the digest of its manifest, and its layers from the base upward."""

    digest: str
    layers: tuple[ScanLayer, ...]


@dataclass(frozen=True)
class Submission:
    """`scanner_version` changes when the scanner would find something else in the same bytes."""

    state: ScanState
    scanner_version: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Vulnerability:
    """`fixed_by` is a version, "" = no fix is known. `metadata` is shown as it is."""

    name: str
    severity: Severity
    description: str = ""
    link: str = ""
    namespace: str = ""
    fixed_by: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Feature:
    """A package in an image. `added_by` is the digest of the layer that brought it."""

    name: str
    version: str
    added_by: str = ""
    vulnerabilities: tuple[Vulnerability, ...] = ()
    base_scores: tuple[float, ...] = ()
    cve_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScanReport:
    digest: str
    features: tuple[Feature, ...] = ()


@dataclass(frozen=True)
class ScannerCallback:
    """A request of the scanner that says that it knows more. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class VulnerabilityChange:
    """A vulnerability was found in an image that was scanned earlier."""

    digest: str
    vulnerability: Vulnerability


class Scanner(Provider):
    """Looks for known vulnerabilities. Called outside of transactions, from many threads."""

    kind = "scanner"

    @abstractmethod
    def submit(self, target: ScanTarget) -> Submission:
        """Has an image scanned; may be repeated. Raises ScannerUnavailable."""

    @abstractmethod
    def report(self, digest: str) -> ScanReport | None:
        """What is known of an image today; None = not scanned (yet). Raises ScannerUnavailable."""

    def forget(self, digest: str) -> None:
        """The image is gone; the scanner may drop what it keeps. Raises ScannerUnavailable."""
        return

    def changed(self, callback: ScannerCallback) -> Iterator[VulnerabilityChange]:
        """What a callback of the scanner says; nothing where the scanner sends none.

        Raises InvalidCredentials = the callback does not come from the scanner; ScannerUnavailable = to
        be tried again with the same callback.
        """
        return iter(())
