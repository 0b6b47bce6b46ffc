"""What has to be so after every step, asked over the protocol and of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from model_rules import Rules
from model_values import HOLD, Place
from model_world import ModelWorld


class Watch:
    """`did` counts what collectors took away."""

    def __init__(self, world: ModelWorld, rules: Rules, blobs: dict[str, bytes], did: Counter[str]) -> None:
        self._did = did
        self._world = world
        self._rules = rules
        self._blobs = blobs

    # -- over the protocol ----------------------------------------------------------------------

    def served(self, actor: str, namespace: str, place: Place | None) -> None:
        """What is visible has the right bytes; what is not is 404."""
        repo = f"{namespace}/r"
        if place is None:
            answer = self._world.v2(actor, "GET", repo, "tags/list")
            assert answer.status_code == 404, f"{repo} is deleted, and lists tags: {answer.status_code}"
            return
        rules = self._rules
        live = {head.name: head.digest for head in rules.live_heads(place)}
        answer = self._world.v2(actor, "GET", repo, "tags/list")
        assert answer.status_code == 200, f"{repo} is lost: {answer.text}"
        listed = answer.json()["tags"]
        assert listed == sorted(live), f"{repo} lists {listed}, not {sorted(live)}"
        for name in place.heads:
            body = None
            if name in live and not place.rows[live[name]].deleted:
                body = rules.bodies[live[name]].data
            self._served(actor, f"{repo}:{name}", repo, f"manifests/{name}", body)
        for digest, known in rules.bodies.items():
            body = known.data if rules.visible(place, digest) else None
            self._served(actor, f"{repo}@{digest}", repo, f"manifests/{digest}", body)
        for blob, data in self._blobs.items():
            body = data if rules.blob_visible(place, blob) else None
            self._served(actor, f"blob {repo}@{blob}", repo, f"blobs/{blob}", body)

    def _served(self, actor: str, what: str, repo: str, path: str, body: bytes | None) -> None:
        answer = self._world.v2(actor, "GET", repo, path)
        if body is None:
            assert answer.status_code == 404, f"{what} is served: {answer.status_code}"
        else:
            assert answer.status_code == 200, f"{what} is lost: {answer.status_code} {answer.text}"
            assert answer.content == body, f"{what} has other bytes"

    # -- in the rows ----------------------------------------------------------------------------

    def kept(self, places: Iterable[Place]) -> None:
        """What a tag within its window reaches is in rows and bytes, whether it is visible or not."""
        there = self._world.places()
        stored = self._world.stored()
        for place in places:
            if place.purging or self.due(place):
                continue
            assert place.uuid in there, f"{place.full} has gone before its window ended"
            ident = there[place.uuid][0]
            manifests, links = self._world.manifests(ident), self._world.links(ident)
            for digest in place.rows:
                if not self._rules.held(place, digest):
                    continue
                assert digest in manifests, f"manifest {place.full}@{digest} is held, and gone"
                for blob in self._rules.bodies[digest].blobs:
                    assert blob in links, f"{place.full} needs {blob}, and has no link to it"
                    assert blob in stored, f"{place.full} needs {blob}, and its bytes are gone"

    def nothing_left_over(self, places: Iterable[Place]) -> None:
        """After a whole collection: only what is held is there."""
        rules = self._rules
        linked = set()
        for place in places:
            assert not self.due(place), f"{place.full} is still there after its window"
            for digest in place.rows:
                assert rules.held(place, digest), f"manifest {place.full}@{digest} is left over"
            for period in place.periods:
                assert rules.in_window(place, period), f"{place.full}: {period} is left over"
            for blob, link in place.links.items():
                kept = rules.needed(place, blob) or (link.expires is not None and link.expires > rules.now)
                assert kept, f"the link of {place.full} to {blob} is left over"
                linked.add(blob)
        stored = self._world.stored()
        assert set(stored) == linked, f"blobs are left over: {set(stored) - linked}"
        # What was put there before the clock went back waits for its moment.
        left = self._world.files() - set(stored.values()) - self._world.waiting()
        assert not left, f"objects are left over: {left}"
        wrong = self._world.fsck()
        assert not wrong, f"fsck: {wrong}"

    # -- after a collector ----------------------------------------------------------------------

    def forget(self, places: Iterable[Place], deleted: list[Place]) -> list[Place]:
        """Takes from the model what the collector took away, and tells where it must not; returns those of
        `deleted` that are there yet."""
        there = self._world.places()
        left = []
        for place in places:
            if place.uuid not in there:
                assert self.due(place), f"{place.full} was taken away before its window ended"
                self._did["repositories collected"] += 1
                continue
            ident, deleted_ms = there[place.uuid]
            if deleted_ms != place.deleted_ms:
                assert self.due(place), f"{place.full} is going before its window ended"
                place.purging = True
            if place.purging:
                left.append(place)
                continue
            if place in deleted:
                left.append(place)
            self._tags(place, ident)
            self._holds(place, ident)
            self._manifests(place, ident)
            self._links(place, ident)
        return left

    def due(self, place: Place) -> bool:
        """Whether a deleted repository may be taken away."""
        return place.deleted_ms is not None and (
            place.purging or place.deleted_ms <= self._rules.now - self._rules.window(place)
        )

    def _tags(self, place: Place, ident: int) -> None:
        rules = self._rules
        heads, periods = self._world.heads(ident), self._world.periods(ident)
        for head in rules.live_heads(place):
            # Signatures follow what ended by itself.
            found = heads.get(head.name)
            if found is not None and found[3] == "subject" and found[2] == rules.now:
                self._followed(place, head.name)
        kept = []
        for period in place.periods:
            if (period.name, period.start) in periods:
                found_digest, end = periods[period.name, period.start]
                assert found_digest == period.digest
                assert end == period.end, f"{place.full}: {period} ends at {end}"
                kept.append(period)
            else:
                assert not rules.in_window(place, period), f"{place.full}: {period} was forgotten too early"
        assert len(periods) == len(kept), f"{place.full} has periods that nobody knows: {periods}"
        place.periods = kept
        for name, head in list(place.heads.items()):
            if name not in heads:
                assert not rules.live(head), f"the head of {place.full}:{name} is gone"
                assert all(p.name != name for p in kept), f"the head of {place.full}:{name} is gone"
                del place.heads[name]
                continue
            digest, start, end, _ = heads[name]
            if not rules.live(head):
                # It is what its newest period says, as the manifest of before may go.
                head.digest, head.start = digest, start
            assert (start, end) == (head.start, head.end), f"{place.full}:{name} is {start}-{end}, not {head}"
            assert head.digest == digest

    def _followed(self, place: Place, name: str) -> None:
        digest = name.rpartition(".")[0].replace("-", ":", 1)
        tagged = [head for head in self._rules.live_heads(place) if head.digest == digest]
        assert not tagged, f"{place.full}:{name} ended, and its subject has a tag"
        self._rules.end(place, name, "subject")
        self._did["signatures followed later"] += 1

    def _holds(self, place: Place, ident: int) -> None:
        """One that has ended does not begin again when the clock goes back."""
        there = self._world.holds(ident)
        for digest, row in place.rows.items():
            for reason, until in list(row.holds.items()):
                if (digest, reason) not in there:
                    assert until <= self._rules.now, f"{place.full}@{digest} has lost its hold ({reason})"
                    del row.holds[reason]
                else:
                    assert there[digest, reason] == until

    def _manifests(self, place: Place, ident: int) -> None:
        there = self._world.manifests(ident)
        assert there <= place.rows.keys(), f"{place.full} has manifests that nobody pushed"
        gone = place.rows.keys() - there
        for digest in gone:
            assert not self._rules.held(place, digest), f"{place.full}@{digest} was held, and taken away"
        blobs = {blob for digest in gone for blob in self._rules.bodies[digest].blobs}
        for digest in gone:
            del place.rows[digest]
        self._did["manifests collected"] += len(gone)
        for blob in blobs:
            link = place.links[blob]
            if link.expires is None and not self._rules.needed(place, blob):
                link.expires = self._rules.now + (0 if link.deleted else HOLD)

    def _links(self, place: Place, ident: int) -> None:
        there = self._world.links(ident)
        for blob, link in list(place.links.items()):
            if blob not in there:
                due = link.expires is not None and link.expires <= self._rules.now
                assert due, f"{place.full} has lost its link to {blob} ({link})"
                assert not self._rules.needed(place, blob), f"{place.full} needs {blob}"
                del place.links[blob]
                self._did["links collected"] += 1
                continue
            expires, deleted = there[blob]
            assert deleted == link.deleted
            if expires is None and self._rules.needed(place, blob):
                link.expires = None
            assert expires == link.expires, f"{place.full}: link to {blob} until {expires}, not {link}"
        assert there.keys() == place.links.keys()
