"""Collection as a whole: what repositories hold, and deleted repositories and namespaces."""

from __future__ import annotations

from quayframe.errors import Unavailable

from .collecting import Counts, Go
from .collection import Collection
from .purging import Purging


class Garbage:
    """:param enabled: FEATURE_GARBAGE_COLLECTION; off, only deleted repositories and namespaces go.
    :param halted: why nothing is taken away at present; None = it is."""

    def __init__(
        self, collection: Collection, purging: Purging, *, enabled: bool = True, halted: str | None = None
    ) -> None:
        self._collection = collection
        self._purging = purging
        self._enabled = enabled
        self.halted = halted

    def round(self, go: Go = lambda: True) -> Counts:
        """Takes away what can go now; nothing = all is done. Any number of rounds may run at once.

        :param go: asked between two transactions; False = stop here.
        Raises Unavailable while collection is halted."""
        if self.halted is not None:
            raise Unavailable(f"nothing is collected: {self.halted}")
        # Signatures end with what they sign, whether or not anything is collected.
        self._collection.follow(go)
        total = self._collection.round(go) if self._enabled else Counts()
        return total + self._purging.round(go)
