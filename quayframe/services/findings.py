"""What a check of the registry finds wrong, and how it is made right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from quayframe.data.db import Tx

KINDS: dict[str, str] = {
    "missing-object": "its bytes are not in storage; the repair forgets the copy, the next push brings it",
    "wrong-size": "its bytes are too many or too few; the repair forgets the copy, the next push brings it",
    "wrong-bytes": "its bytes are not of its digest; the repair forgets the copy, the next push brings it",
    "orphan-object": "no row names the object; the repair puts it in the trash",
    "undeletable": "the object could not be deleted again and again; see to the storage, it is tried further",
    "lost-blob": "no location has its bytes; push it again from where it still is",
    "unlinked-blob": "no repository links it; the repair has it collected",
    "idle-link": "a link that nothing needs has no end; the repair gives it one",
    "fleeting-link": "a link that a manifest needs has an end; the repair takes the end away",
    "missing-link": "a manifest names a blob that its repository does not link; the repair links it",
    "missing-blob": "a manifest names a blob that is not there; if no repair finds it, push the image again",
    "missing-child": "an index lists a manifest that is not there; push it again, or delete the index",
    "wrong-manifest": "the bytes of a manifest are not those of its digest; delete it and push it again",
    "forgotten-manifest": "nothing keeps a manifest and the collector does not know; the repair tells it",
    "missing-period": "a tag has no period in its history for what it is; the repair writes it",
    "endless-period": "a period that is over has no end in the history; the repair ends it",
    "nameless-period": "a period of the release before has no name; the repair fills it in",
    "wrong-sum": "a namespace's sum of sizes is not that of its blobs; the repair corrects it",
}
"""Each kind of finding: what is wrong and its cure."""

Repair = Callable[[Tx], bool]


@dataclass(frozen=True)
class Finding:
    """`what`: the digest, key or tag; `where`: the location, repository or namespace. `repair` looks again,
    under the locks that everybody takes, and tells whether it changed anything; None = nothing is certain
    enough to be done."""

    kind: str
    what: str
    where: str
    repair: Repair | None = field(default=None, compare=False, repr=False)

    @property
    def text(self) -> str:
        return KINDS[self.kind]
