"""The rules about tags: ended, made, moved, restored, dated, pinned over the API, pulled as they were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from model_machine import BODIES, NAMES, Machine
from model_values import DAY, HOUR, Place
from model_world import CLIENTS, NAMESPACES

MINUTE = 60_000
who = st.sampled_from(CLIENTS)
# Most happens in one place.
where = st.sampled_from((*NAMESPACES, *[NAMESPACES[0]] * 2))
pick = st.integers(0, 11)
"""Which of what there is."""
manifest = st.sampled_from([name for name, digest in NAMES.items() if digest in BODIES])
there_is_a_place = precondition(lambda self: self.places)


class TagActs(Machine):
    """All that may happen to tags, beside a push."""

    def place_of(self, namespace: str) -> Place:
        return self.places.get(namespace) or next(iter(self.places.values()))

    def tag_of(self, place: Place, pick: int) -> str:
        """One that lives, rather than one that lived, rather than one that never was."""
        live = [head.name for head in self.model.live_heads(place)]
        found = [*live, *live, *sorted(place.heads), "new"]
        return found[pick % len(found)]

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick)
    def delete_a_tag(self, actor: str, namespace: str, pick: int) -> None:
        self.begin()
        place = self.place_of(namespace)
        self.delete_tag(actor, place.namespace, self.tag_of(place, pick))

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick)
    def delete_a_tag_by_the_api(self, actor: str, namespace: str, pick: int) -> None:
        self.begin()
        place = self.place_of(namespace)
        name = self.tag_of(place, pick)
        answer = self.world.api(actor, "DELETE", self.tag_path(place.namespace, name))
        if self.live_tag(place.namespace, name) is None:
            assert answer.status_code == 404, answer.text
            return
        done = self.trying(place, lambda tried: self.model.end(tried, name, "deleted"))
        assert answer.status_code == (204 if done else 409), answer.text

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, manifest=manifest)
    def point_a_tag(self, actor: str, namespace: str, pick: int, manifest: str) -> None:
        """Made or moved, to what was not deleted."""
        self.begin()
        place = self.place_of(namespace)
        self.point(actor, place, self.tag_of(place, pick), NAMES[manifest], False)

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, other=st.booleans())
    def restore_a_tag(self, actor: str, namespace: str, pick: int, other: bool) -> None:
        """What a tag was, or what another was."""
        self.begin()
        place = self.place_of(namespace)
        if place.periods:
            period = place.periods[-1 - pick % len(place.periods)]
            name = self.tag_of(place, pick) if other else period.name
            self.point(actor, place, name, period.digest, True)

    def point(self, actor: str, place: Place, name: str, digest: str, back: bool) -> None:
        path, body = self.tag_path(place.namespace, name), {"manifest_digest": digest}
        if back:
            answer = self.world.api(actor, "POST", f"{path}/restore", body, 200, 404, 409)
        else:
            answer = self.world.api(actor, "PUT", path, body, 201, 404, 409)
        row = place.rows.get(digest)
        if row is None or (row.deleted and not back):
            assert answer.status_code == 404, answer.text
            return
        if answer.status_code == 404:
            # A window that has passed is over, whether the collector has come by or not.
            assert not self.model.held(place, digest), f"{digest} is held, and not restored"
            return

        def act(tried: Place) -> None:
            if back:
                self.model.revive(tried, digest)
            self.model.name(tried, name, digest, life=BODIES[digest].life)

        assert self.trying(place, act) == (answer.status_code != 409), answer.text
        self.did["restored" if back else "pointed"] += 1

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, alive=st.booleans(), children=st.booleans())
    def delete_a_tag_permanently(
        self, actor: str, namespace: str, pick: int, alive: bool, children: bool
    ) -> None:
        self.begin()
        place = self.place_of(namespace)
        name = self.tag_of(place, pick)
        mine = [period.digest for period in place.periods if period.name == name]
        body: dict[str, Any] = {"is_alive": alive, "include_submanifests": children}
        digest = mine[pick % len(mine)] if mine else "sha256:" + "1" * 64
        body |= {} if alive else {"manifest_digest": digest}
        answer = self.world.api(actor, "POST", f"{self.tag_path(place.namespace, name)}/expire", body)
        if alive and self.live_tag(place.namespace, name) is not None:
            done = self.trying(place, lambda tried: self.model.purge(tried, name, children))
            assert answer.status_code == (200 if done else 409), answer.text
        elif alive:
            assert answer.status_code == 404, answer.text
        else:
            found = self.model.purge_past(place, name, digest, children)
            assert answer.status_code == (200 if found else 404), answer.text

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, ms=st.sampled_from((None, MINUTE, 2 * HOUR, 3 * DAY)))
    def date_a_tag(self, actor: str, namespace: str, pick: int, ms: int | None) -> None:
        self.begin()
        place = self.place_of(namespace)
        name = self.tag_of(place, pick)
        wanted = None if ms is None else (self.clock.now + ms) // 1000
        answer = self.world.api(actor, "PUT", self.tag_path(place.namespace, name), {"expiration": wanted})
        head = self.live_tag(place.namespace, name)
        if head is None:
            assert answer.status_code == 404, answer.text
        elif self.model.pinned(place, name, head.pinned):
            assert answer.status_code == 400, answer.text
        else:
            assert answer.status_code == 201, answer.text
            end = None if wanted is None else head.start + max(wanted * 1000 - head.start, HOUR)
            self.model.date(place, name, end)

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, pinned=st.booleans())
    def pin_a_tag(self, actor: str, namespace: str, pick: int, pinned: bool) -> None:
        self.begin()
        place = self.place_of(namespace)
        name = self.tag_of(place, pick)
        answer = self.world.api(actor, "PUT", self.tag_path(place.namespace, name), {"immutable": pinned})
        head = self.live_tag(place.namespace, name)
        if head is None:
            assert answer.status_code == 404, answer.text
        elif not pinned and self.model.pinned(place, name, False):
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 201, answer.text
            if pinned and head.end is not None:
                self.model.date(place, name, None)
            head.pinned = pinned

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick, by_name=st.booleans(), at=st.sampled_from((-1, 0, 1, 2)))
    def pull_as_of(self, actor: str, namespace: str, pick: int, by_name: bool, at: int) -> None:
        """At the edges of a period, by query or by a name, which says whole seconds."""
        self.begin()
        place = self.place_of(namespace)
        if not place.periods:
            return
        period = place.periods[-1 - pick % len(place.periods)]
        edge = period.end if at > 0 and period.end is not None else period.start
        moment = min(edge + at % 2 - 1, self.clock.now)
        if by_name:
            moment -= moment % 1000
        then = datetime.fromtimestamp(moment // 1000, UTC)
        path = f"{period.name}.at.{then:%Y%m%dT%H%M%SZ}"
        if not by_name:
            path = f"{period.name}?as_of={then:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03}Z"
        answer = self.world.v2(actor, "GET", f"{place.namespace}/r", f"manifests/{path}")
        digest = self.model.then(place, period.name, moment)
        if digest is None:
            assert answer.status_code == 404, f"{path} was nothing then: {answer.text}"
            return
        assert answer.status_code == 200, f"{path} was {digest} then: {answer.text}"
        assert answer.content == BODIES[digest].data
        self.model.answered(place, digest)
        self.did["answered as of"] += 1
