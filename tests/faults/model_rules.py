"""The rules of what repositories hold, written down a second time and as plainly as possible: values in
memory, no index, no shortcut, nothing of the product. What may be collected at leisure, the model is told
when it has happened, and says whether it might."""

from __future__ import annotations

import re
from collections import Counter

from model_values import (
    HOLD,
    SUFFIXES,
    Body,
    Head,
    Immutable,
    Link,
    Period,
    Place,
    Policy,
    Row,
)


class Rules:
    """What follows, for one place at `now`. `windows`: by namespace, ms. `did` counts what is rare."""

    def __init__(self, bodies: dict[str, Body], did: Counter[str]) -> None:
        self.bodies = bodies
        self._did = did
        self.windows: dict[str, int] = {}
        self.policies: list[Policy] = []
        self.now = 0

    # -- what is so -----------------------------------------------------------------------------

    def live(self, head: Head) -> bool:
        return head.end is None or head.end > self.now

    def live_heads(self, place: Place) -> list[Head]:
        return [head for _, head in sorted(place.heads.items()) if self.live(head)]

    def window(self, place: Place) -> int:
        return self.windows[place.namespace]

    def in_window(self, place: Place, period: Period) -> bool:
        return period.end is None or period.end > self.now - self.window(place)

    def pinned(self, place: Place, name: str, said: bool) -> bool:
        return said or any(
            policy.kind == "immutable" and policy.covers(name) for policy in self.policies_of(place)
        )

    def policies_of(self, place: Place) -> list[Policy]:
        return [
            policy
            for policy in self.policies
            if policy.namespace == place.namespace and policy.place in (None, place.uuid)
        ]

    def parents(self, place: Place, digest: str) -> list[str]:
        return [one for one in place.rows if digest in self.bodies[one].children]

    def visible(self, place: Place, digest: str) -> bool:
        """Reached from a live tag, index, subject or hold, and not deleted by digest."""
        row = place.rows.get(digest)
        if row is None or row.deleted:
            return False
        if any(until > self.now for until in row.holds.values()):
            return True
        if any(head.digest == digest for head in self.live_heads(place)):
            return True
        subject = self.bodies[digest].subject
        if subject is not None and not row.seen:
            return True
        if any(self.visible(place, parent) for parent in self.parents(place, digest)):
            return True
        return subject is not None and self.visible(place, subject)

    def held(self, place: Place, digest: str) -> bool:
        """What the collector must leave: reached from a period within the window, or from a hold."""
        row = place.rows.get(digest)
        if row is None or place.purging:
            return False
        if any(until > self.now for until in row.holds.values()):
            return True
        if any(p.digest == digest and self.in_window(place, p) for p in place.periods):
            return True
        if any(self.held(place, parent) for parent in self.parents(place, digest)):
            return True
        subject = self.bodies[digest].subject
        if subject is None or row.deleted:
            return False
        return self.held(place, subject) or (not row.seen and subject not in place.rows)

    def needed(self, place: Place, blob: str) -> bool:
        return any(blob in self.bodies[digest].blobs for digest in place.rows)

    def blob_visible(self, place: Place, blob: str) -> bool:
        link = place.links.get(blob)
        return link is not None and not link.deleted and (link.expires is None or link.expires > self.now)

    def then(self, place: Place, name: str, at: int) -> str | None:
        """What the tag was at a moment, while history holds it and nobody has deleted it by digest."""
        then = [
            period
            for period in place.periods
            if period.name == name
            and period.start <= at
            and (period.end is None or period.end > at)
            and self.in_window(place, period)
            and period.reason != "purged"
        ]
        if not then:
            return None
        digest = max(then, key=lambda period: period.start).digest
        return None if place.rows[digest].deleted else digest

    # -- what is done ---------------------------------------------------------------------------

    def link(self, place: Place, blob: str) -> None:
        """An upload that ended, or a mount."""
        old = place.links.get(blob)
        if old is not None and not old.deleted and old.expires is None:
            return
        if old is not None and self.needed(place, blob):
            place.links[blob] = Link(None)
            return
        before = old.expires if old is not None and old.expires is not None else 0
        place.links[blob] = Link(max(self.now + HOLD, before))

    def asked(self, place: Place, blob: str) -> None:
        """A HEAD by somebody who may push."""
        link = place.links[blob]
        if link.expires is not None and link.expires - self.now <= HOLD // 2:
            link.expires = self.now + HOLD

    def unlink(self, place: Place, blob: str) -> None:
        """DELETE of a blob. Raises Immutable where a pinned tag needs it."""
        self.refuse(place, [one for one in place.rows if blob in self.bodies[one].blobs])
        link = place.links[blob]
        link.deleted = True
        if not self.needed(place, blob):
            link.expires = self.now

    def can_push(self, place: Place, body: Body) -> bool:
        return all(self.blob_visible(place, blob) for blob in body.blobs) and all(
            self.visible(place, child) for child in body.children
        )

    def push(self, place: Place, body: Body, tags: list[str]) -> None:
        row = place.rows.get(body.digest)
        if row is None:
            place.rows[body.digest] = Row(seen=body.subject in place.rows)
        else:
            row.deleted = False
            row.seen = row.seen and body.subject in place.rows
        for blob in body.blobs:
            place.links[blob].expires = None
        for other, its in place.rows.items():
            if self.bodies[other].subject == body.digest:
                its.seen = True
        for tag in sorted(set(tags)):
            self.name(place, tag, body.digest, life=body.life)
        if not tags:
            self.hold(place, body.digest, "push")

    def hold(self, place: Place, digest: str, reason: str) -> None:
        holds = place.rows[digest].holds
        holds[reason] = max(holds.get(reason, 0), self.now + HOLD)

    def answered(self, place: Place, digest: str) -> None:
        """An as-of answer."""
        if place.rows[digest].holds.get("as-of", 0) < self.now + HOLD // 2:
            self.hold(place, digest, "as-of")

    def name(self, place: Place, name: str, digest: str, *, life: int | None = None) -> None:
        head = place.heads.get(name)
        before = head if head is not None and self.live(head) else None
        if before is not None and self.pinned(place, name, before.pinned):
            if before.digest == digest:
                return
            raise Immutable(name)
        start = self.now if head is None else max(self.now, head.start + 1)
        end = None if life is None or self.pinned(place, name, False) else start + life
        reason = None if end is None else "label"
        if before is not None:
            self._close(place, before, start, "moved")
        place.heads[name] = Head(name, digest, start, end, reason)
        place.periods.append(Period(name, digest, start, end, reason))
        for follower in followers(digest):
            its = place.heads.get(follower)
            if its is None or its.reason != "subject" or self.live(its):
                continue
            if not place.rows[its.digest].deleted:
                self._did["signatures brought back"] += 1
                self.name(place, follower, its.digest, life=self.bodies[its.digest].life)
        if before is not None and before.digest != digest:
            self.follow(place, before.digest)

    def end(self, place: Place, name: str, by: str, at: int | None = None) -> None:
        head = place.heads[name]
        if self.pinned(place, name, head.pinned):
            raise Immutable(name)
        head.end, head.reason = self.now if at is None else at, by
        self._close(place, head, head.end, by)
        self.follow(place, head.digest)

    def date(self, place: Place, name: str, end: int | None) -> None:
        """A live tag's expiration, in place."""
        head = place.heads[name]
        head.end, head.reason = end, None if end is None else "expiration"
        for period in place.periods:
            if period.name == name and period.start == head.start:
                period.end, period.reason = head.end, head.reason

    def follow(self, place: Place, digest: str) -> None:
        """Signature tags end with the last tag of what they sign."""
        if any(head.digest == digest for head in self.live_heads(place)):
            return
        for follower in followers(digest):
            its = place.heads.get(follower)
            if its is not None and self.live(its) and not self.pinned(place, follower, its.pinned):
                self._did["signatures followed"] += 1
                self.end(place, follower, "subject")

    def delete(self, place: Place, digest: str) -> None:
        """DELETE of a manifest by digest."""
        names = [head.name for head in self.live_heads(place) if head.digest == digest]
        for name in names:
            if self.pinned(place, name, place.heads[name].pinned):
                raise Immutable(name)
        for name in names:
            if self.live(place.heads[name]):
                self.end(place, name, "manifest")
        self.refuse(place, [digest])
        row = place.rows[digest]
        row.deleted = True
        row.holds.clear()

    def refuse(self, place: Place, digests: list[str]) -> None:
        """Raises Immutable where a pinned tag names one of these, or an index above it."""
        met: set[str] = set()
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest not in met:
                met.add(digest)
                todo += self.parents(place, digest)
        for head in self.live_heads(place):
            if head.digest in met and self.pinned(place, head.name, head.pinned):
                raise Immutable(head.name)

    def prune(self, place: Place, policy: Policy) -> None:
        """One policy over one place."""
        counted = 0
        for head in sorted(self.live_heads(place), key=lambda head: (head.start, head.name), reverse=True):
            if is_follower(head.name) or not policy.covers(head.name):
                continue
            if self.pinned(place, head.name, head.pinned):
                continue
            counted += 1
            old = policy.kind == "creation_date" and head.start <= self.now - policy.value
            if old or (policy.kind == "number_of_tags" and counted > policy.value):
                self.end(place, head.name, f"prune:{policy.uuid}")

    def below(self, digest: str) -> set[str]:
        """What an index lists, at any depth."""
        children = self.bodies[digest].children
        return {*children, *(below for child in children for below in self.below(child))}

    def revive(self, place: Place, digest: str) -> None:
        """A restore brings back whatever was deleted of a manifest."""
        for one in {digest} | self.below(digest):
            place.rows[one].deleted = False
            for blob in self.bodies[one].blobs:
                if place.links[blob].deleted:
                    place.links[blob] = Link(None)

    def purge(self, place: Place, name: str, children: bool) -> None:
        """A live tag is deleted permanently."""
        digest = place.heads[name].digest
        self.end(place, name, "purged", self.now - self.window(place))
        self._let_go(place, digest, children)

    def purge_past(self, place: Place, name: str, digest: str, children: bool) -> bool:
        """So are the dead periods of a tag at a manifest; whether there were any."""
        if not self._forget(place, name, {digest}):
            return False
        self._let_go(place, digest, children)
        return True

    def _forget(self, place: Place, name: str, digests: set[str]) -> bool:
        past = self.now - self.window(place)
        dead = [
            period
            for period in place.periods
            if period.name == name
            and period.digest in digests
            and period.end is not None
            and past < period.end <= self.now
        ]
        for period in dead:
            period.end, period.reason = past, "purged"
        head = place.heads.get(name)
        if dead and head is not None and head.digest in digests and not self.live(head):
            head.end, head.reason = past, "purged"
            self._close(place, head, past, "purged")
        return bool(dead)

    def _let_go(self, place: Place, digest: str, children: bool) -> None:
        """Ends holds of answers about the past; with `children` every hold of what an index lists, and what
        tags were at that."""
        listed = self.below(digest) if children else set()
        for name in list(place.heads):
            self._forget(place, name, listed)
        for one in {digest} | listed:
            holds = place.rows[one].holds
            ended = holds if one in listed else {"as-of"} & set(holds)
            holds.update({reason: min(holds[reason], self.now) for reason in ended})

    @staticmethod
    def _close(place: Place, head: Head, end: int, by: str) -> None:
        for period in place.periods:
            if (period.name, period.start) == (head.name, head.start):
                period.end, period.reason = end, by


def followers(digest: str) -> list[str]:
    return sorted(f"{digest.replace(':', '-')}.{suffix}" for suffix in SUFFIXES)


def is_follower(name: str) -> bool:
    return re.fullmatch(r"sha256-[0-9a-f]{64}\.(sig|att|sbom)", name) is not None
