"""Which tags are immutable: by the API's word, by a label, by a policy (FEATURE_IMMUTABLE_TAGS)."""

from __future__ import annotations

from typing import Protocol

from quayframe.data.db import Tx

from .lifecycle import Reason


class Pinned(Protocol):
    """What of a tag's head decides whether it is pinned."""

    @property
    def repository_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def immutable(self) -> bool: ...
    @property
    def immutable_reason(self) -> str | None: ...


class Pins:
    """:param enabled: FEATURE_IMMUTABLE_TAGS; off, no tag is immutable, whatever was said before.
    :param can_expire: FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE."""

    def __init__(self, *, enabled: bool, can_expire: bool = False) -> None:
        self.enabled = enabled
        self.can_expire = can_expire

    def of(self, tx: Tx, head: Pinned) -> Reason | None:
        """What makes this tag immutable; None when it may be changed."""
        if not self.enabled:
            return None
        if head.immutable:
            return Reason("immutable-label" if head.immutable_reason == "label" else "immutable")
        return None
