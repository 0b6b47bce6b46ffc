"""Auto-prune: which tags go by which policy; and the rounds in which they go.

One walk decides, for the worker, for the dry run and for the explanation of one tag. It goes through a
repository's live tags from the newest to the oldest (by when they began to name what they name). Signatures
(`sha256-<hex>.sig`) are passed over: they go with what they sign. So are pinned tags, which no policy
ends: they do not count among the newest that stay either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee

from quayframe import events
from quayframe.data.content import Policy as PolicyRow
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Account, Manifest, Repository, Tag
from quayframe.errors import PreconditionFailed, TagImmutable

from .activity import Activity
from .clock import now_ms
from .heads import Heads, subject_of
from .lifecycle import Reason, decide
from .pins import Pins
from .policies import Owner, Policy, read, stored
from .visibility import live

log = logging.getLogger("quayframe.pruning")

_PAGE = 1000
"""Heads that are read at once."""
_BATCH = 25
"""Tags that end in one transaction."""
_MOST_SEEN = 20_000
"""Heads that one page of a dry run looks at."""
_KEEP_S = 5.0
_REPOSITORIES = 500
_EXPLAINED = 100_000
"""Heads that the explanation of one tag looks at, over all policies."""
_ANSWER_S = 2.0
"""How long one answer may match patterns: the owner of a repository writes them."""


@dataclass(frozen=True)
class Place:
    """A repository whose tags are looked at."""

    id: int
    namespace_id: int
    namespace: str
    name: str


@dataclass(frozen=True)
class Victim:
    """A tag that a policy ends. `start_ms`: since when it names its manifest."""

    place: Place
    name: str
    manifest_id: int
    start_ms: int
    digest: str = ""


@dataclass(frozen=True)
class Mark:
    """How far a walk has come: the head last seen in a repository, and how many were counted there.
    `now`: the moment for which the whole walk decides."""

    now: int
    repository_id: int = 0
    start_ms: int | None = None
    name: str = ""
    counted: int = 0


@dataclass
class Effort:
    """How many heads may still be looked at for one answer, and until when (of time.monotonic): anybody who
    reads a repository may ask, and its owner says how many tags and policies there are."""

    left: int = _EXPLAINED
    until: float = field(default_factory=lambda: time.monotonic() + _ANSWER_S)

    def spend(self) -> bool:
        """One more head; False = there is no more to spend."""
        self.left -= 1
        return self.left >= 0 and time.monotonic() < self.until


@dataclass
class _Walk:
    """One repository and one policy."""

    db: Database
    pins: Pins
    policy: Policy
    place: Place
    now: int
    start_ms: int | None = None
    name: str = ""
    counted: int = 0
    seen: int = 0

    def __iter__(self) -> Iterator[tuple[Victim, bool]]:
        """Each tag, and whether it goes."""
        pinned = self.pins.reading(self.db, self.place.id)
        while rows := self._page():
            for name, manifest_id, start_ms, immutable, reason in rows:
                self.start_ms, self.name = start_ms, name
                self.seen += 1
                ends = False
                if subject_of(name) is None and self.policy.covers(name):
                    pin = pinned(name, bool(immutable), reason)
                    if pin is None:
                        self.counted += 1
                    end = self.policy.reason(start_ms, self.counted, self.now)
                    ends = end is not None and _goes(end, pin, self.now)
                yield Victim(self.place, name, manifest_id, start_ms), ends
            if len(rows) < _PAGE:
                return

    def _page(self) -> list[tuple[Any, ...]]:
        where = (Tag.repository == self.place.id) & live(self.now)
        if self.start_ms is not None:
            before = (Tag.start_ms < self.start_ms) | (Tag.name < self.name)
            where &= (Tag.start_ms <= self.start_ms) & before
        elif self.policy.age_ms is not None:
            where &= Tag.start_ms <= self.now - self.policy.age_ms
        columns = (Tag.name, Tag.manifest, Tag.start_ms, Tag.immutable, Tag.immutable_reason)
        query = Tag.select(*columns).where(where).order_by(Tag.start_ms.desc(), Tag.name.desc())
        return self.db.rows(query.limit(_PAGE))


def _goes(end: Reason, pin: Reason | None, now: int) -> bool:
    """Whether a tag goes now by a policy's reason."""
    verdict = decide([end] if pin is None else [end, pin])
    return verdict.ends_ms is not None and verdict.ends_ms <= now


class Pruning:
    """:param enabled: FEATURE_AUTO_PRUNE, on a registry that can be written.
    :param default: DEFAULT_NAMESPACE_AUTOPRUNE_POLICY, which holds in every namespace beside its own."""

    def __init__(
        self,
        db: Database,
        heads: Heads,
        pins: Pins,
        activity: Activity,
        *,
        enabled: bool,
        default: Policy | None = None,
    ) -> None:
        self._db = db
        self._heads = heads
        self._pins = pins
        self._activity = activity
        self.enabled = enabled
        self.default = default

    # -- asking -------------------------------------------------------------------------------

    def victims(
        self, owner: Owner, policy: Policy, limit: int, mark: Mark | None = None
    ) -> tuple[list[Victim], Mark | None]:
        """At most `limit` tags that the policy would end now, stored or not, by repository; and where the
        next page goes on, None after the last. A page may have fewer, even none, with more to come."""
        mark = mark or Mark(now_ms())
        found: list[Victim] = []
        seen, until = 0, time.monotonic() + _ANSWER_S
        for place in self._places(policy, _of_owner(owner), mark.now, mark.repository_id):
            walk = _Walk(self._db, self._pins, policy, place, mark.now)
            if place.id == mark.repository_id:
                walk.start_ms, walk.name, walk.counted = mark.start_ms, mark.name, mark.counted
            for victim, ends in walk:
                if ends:
                    found.append(victim)
                enough = len(found) == limit or seen + walk.seen >= _MOST_SEEN
                if enough or time.monotonic() > until:
                    here = Mark(mark.now, place.id, walk.start_ms, walk.name, walk.counted)
                    return self._with_digests(found), here
            seen += walk.seen
        return self._with_digests(found), None

    def reasons(self, place: Place, name: str, start_ms: int, effort: Effort | None = None) -> list[Reason]:
        """How the policies that hold in a repository end a live tag that is not pinned: creation_date at a
        moment, number_of_tags now, where there are enough newer ones; without a moment where to count them
        would take more than `effort`."""
        if not self.enabled or subject_of(name) is not None:
            return []
        effort = effort or Effort()
        now = now_ms()
        here = (PolicyRow.namespace == place.namespace_id) & (PolicyRow.kind == "prune")
        here &= PolicyRow.repository.is_null() | (PolicyRow.repository == place.id)
        policies = [read(row) for row in self._db.rows(stored(here))]
        found = []
        for policy in policies + ([self.default] if self.default else []):
            if not policy.covers(name):
                continue
            if policy.age_ms is not None:
                found.append(policy.reason(start_ms, 0, now))
            else:
                found.append(self._by_number(place, policy, name, start_ms, now, effort))
        return [reason for reason in found if reason is not None]

    def _by_number(
        self, place: Place, policy: Policy, name: str, start_ms: int, now: int, effort: Effort
    ) -> Reason | None:
        if effort.left <= 0:
            return Reason("prune", None, policy.uuid)
        walk = _Walk(self._db, self._pins, policy, place, now)
        for victim, ends in walk:
            if not effort.spend():
                return Reason("prune", None, policy.uuid)
            # All that is older than the first that goes, goes as well.
            if ends and (victim.start_ms, victim.name) >= (start_ms, name):
                return policy.reason(start_ms, walk.counted, now)
            if (victim.start_ms, victim.name) <= (start_ms, name):
                return None
        return None

    def _with_digests(self, victims: list[Victim]) -> list[Victim]:
        ids = [victim.manifest_id for victim in victims]
        rows = self._db.rows(Manifest.select(Manifest.id, Manifest.digest).where(Manifest.id.in_(ids)))
        digests: dict[int, str] = dict(rows)
        return [
            Victim(one.place, one.name, one.manifest_id, one.start_ms, digests.get(one.manifest_id, ""))
            for one in victims
        ]

    # -- acting -------------------------------------------------------------------------------

    def round(self, go_on: Callable[[], bool]) -> int:
        """Ends what every policy says must go now; returns how many tags that were.

        :param go_on: asked every few seconds; False ends the round: the next one finds the rest.
        Raises Unavailable."""
        if not self.enabled:
            return 0
        ended, asked = 0, time.monotonic()
        for policy, where in self._rules():
            for place in self._places(policy, where, now_ms()):
                batch: list[Victim] = []
                for victim, ends in _Walk(self._db, self._pins, policy, place, now_ms()):
                    if ends:
                        batch.append(victim)
                    if len(batch) == _BATCH:
                        ended += self._end(policy, place, batch)
                        batch = []
                    if time.monotonic() - asked > _KEEP_S:
                        if not go_on():
                            return ended
                        asked = time.monotonic()
                ended += self._end(policy, place, batch)
        return ended

    def _rules(self) -> Iterator[tuple[Policy, Any]]:
        """Every policy, with the condition on the repositories in which it holds."""
        last = 0
        while True:
            where = (PolicyRow.kind == "prune") & (PolicyRow.id > last)
            columns = (PolicyRow.id, PolicyRow.namespace, PolicyRow.repository)
            rows = self._db.rows(stored(where).select_extend(*columns).limit(_REPOSITORIES))
            for *said, last, namespace, repository in rows:  # noqa: B007 - goes on behind the last one
                here = Repository.namespace == namespace
                yield read(tuple(said)), here if repository is None else Repository.id == repository
            if len(rows) < _REPOSITORIES:
                break
        if self.default is not None:
            yield self.default, peewee.SQL("1 = 1")

    def _places(self, policy: Policy, where: Any, now: int, first: int = 0) -> Iterator[Place]:
        """The repositories, from id `first` on, that have tags for the policy to look at."""
        normal = Repository.deleted_ms.is_null() & (Repository.state == "NORMAL")
        alive = Account.deleted_ms.is_null() & (Account.enabled == 1)
        columns = (Repository.id, Repository.namespace, Account.name, Repository.name)
        while True:
            rows = self._db.rows(
                Repository.select(*columns)
                .join(Account, on=(Account.id == Repository.namespace))
                .where(where & normal & alive & (Repository.id >= first))
                .order_by(Repository.id)
                .limit(_REPOSITORIES)
            )
            wanted = self._wanted(policy, [row[0] for row in rows], now)
            yield from (Place(*row) for row in rows if row[0] in wanted)
            if len(rows) < _REPOSITORIES:
                return
            first = int(rows[-1][0]) + 1

    def _wanted(self, policy: Policy, repositories: Sequence[int], now: int) -> set[int]:
        """Of these, those with old tags, or with more tags than the policy leaves."""
        query = Tag.select(Tag.repository).where(Tag.repository.in_(repositories) & live(now))
        if policy.age_ms is not None:
            query = query.where(Tag.start_ms <= now - policy.age_ms).distinct()
        else:
            many = peewee.fn.COUNT(Tag.id) > int(policy.value or 0)
            query = query.group_by(Tag.repository).having(many)
        return {ident for (ident,) in self._db.rows(query)}

    def _end(self, policy: Policy, place: Place, batch: Sequence[Victim]) -> int:
        """Ends tags, each if it still is what the walk saw; how many that were."""
        if not batch:
            return 0
        since = {victim.name: victim.start_ms for victim in batch}

        def work(tx: Tx) -> int:
            if not _still(tx, policy, place):
                return 0
            found = [self._heads.find(tx, place.id, name) for name in sorted(since)]
            newest = self._newest(policy, place)
            heads = [
                head
                for head in found
                if head is not None
                and head.start_ms == since[head.name]
                and (newest is None or (head.start_ms, head.name) <= newest)
                and head.is_live(now_ms())
                and self._pins.of(tx, head) is None
            ]
            self._heads.end(tx, heads, f"prune:{policy.uuid or 'default'}")
            for head in heads:
                digest = tx.value(Manifest.select(Manifest.digest).where(Manifest.id == head.manifest_id))
                event = events.AutopruneTagDelete(
                    namespace=place.namespace,
                    repository=place.name,
                    tag=head.name,
                    digest=digest,
                    policy=policy.uuid or "default",
                )
                self._activity.record(tx, event, namespace_id=place.namespace_id, repository_id=place.id)
            return len(heads)

        try:
            return self._db.write(work)
        except (PreconditionFailed, TagImmutable) as error:
            # Somebody was faster; the next round sees what there is then.
            log.info("prune %s/%s: %s", place.namespace, place.name, error)
            return 0

    def _newest(self, policy: Policy, place: Place) -> tuple[int, str] | None:
        """In the transaction: (start, name) of the newest tag that a policy by number ends now. Newer ones
        may have gone since the walk, and what was one too many is not."""
        if policy.age_ms is not None:
            return None
        walk = _Walk(self._db, self._pins, policy, place, now_ms())
        return next(((one.start_ms, one.name) for one, ends in walk if ends), (0, ""))


def _of_owner(owner: Owner) -> Any:
    if owner.repository is not None:
        return Repository.id == owner.repository.id
    return Repository.namespace == owner.namespace.id


def _still(tx: Tx, policy: Policy, place: Place) -> bool:
    """Whether the policy says what it said, and the repository is there. Whoever changes the policy waits,
    and whoever pushes: a manifest that gets another tag now keeps its signatures."""
    there = (Repository.id == place.id) & Repository.deleted_ms.is_null() & (Repository.state == "NORMAL")
    if not tx.in_turn(Repository.select(Repository.id).where(there)):
        return False
    if policy.uuid is None:
        return True
    rows = tx.share(stored(PolicyRow.uuid == policy.uuid))
    return [read(row) for row in rows] == [policy]
