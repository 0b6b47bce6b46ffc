"""What the back end needs of the service, whichever of its two interfaces speaks to it.

Every method makes one request and raises `Refused` when that fails; nobody tries again in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from quayframe.plugin.storage import UrlRequest

TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Found:
    """An object as the service describes it. `changed_ms`: since the epoch, by the service's clock."""

    name: str
    size: int
    generation: str
    changed_ms: int
    metadata: dict[str, str] = field(default_factory=dict)


class Wire(Protocol):
    """One bucket. `name` is an object's whole name, storage path and all."""

    def insert(self, name: str, data: bytes, metadata: dict[str, str], generation: str | None = None) -> None:
        """Makes the object. `generation`: only when the object there has this one, "0" = there is none;
        otherwise Refused with status 412."""

    def session(self, name: str) -> str:
        """The URL of a resumable upload of the object `name`."""

    def send(self, session: str, data: bytes, content_range: str) -> int | None:
        """Sends bytes to a resumable upload; how many the service has by now, None = the object is done."""

    def compose(self, name: str, sources: Sequence[str], metadata: dict[str, str]) -> None:
        """Makes the object of up to 32 others, one after the other, unless there is one (412)."""

    def head(self, name: str) -> Found:
        """Refused with status 404 where it is missing."""

    def get(self, name: str, generation: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""

    def delete(self, name: str) -> None:
        """Refused with status 404 where it is missing."""

    def page(self, prefix: str, token: str | None) -> tuple[list[Found], str | None]:
        """Some of the objects whose names begin with `prefix`, and where the next page begins. Their
        metadata may be missing."""

    def url(self, name: str, request: UrlRequest, disposition: str | None) -> str:
        """A signed URL of the object."""
