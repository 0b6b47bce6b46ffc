"""Collection as a whole: what repositories hold, and deleted repositories and namespaces."""

from __future__ import annotations

from quayframe.errors import Unavailable

from .collecting import Counts, Go
from .collection import Collection
from .purging import Purging


class Garbage:
    """:param collection: None with FEATURE_GARBAGE_COLLECTION off.
    :param halted: why nothing is taken away at present; None = it is."""

    def __init__(self, collection: Collection | None, purging: Purging, halted: str | None) -> None:
        self._collection = collection
        self._purging = purging
        self.halted = halted

    def round(self, go: Go = lambda: True) -> Counts:
        """Takes away what can go now; nothing = all is done. Any number of rounds may run at once.

        :param go: asked between two transactions; False = stop here.
        Raises Unavailable while collection is halted."""
        if self.halted is not None:
            raise Unavailable(f"nothing is collected: {self.halted}")
        total = self._collection.round(go) if self._collection is not None else Counts()
        return total + self._purging.round(go)
