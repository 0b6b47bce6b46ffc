"""The state machine of what repositories hold: its world and its model, the parts of its acts, and what has
to be so after each. The acts are in `model_acts`."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from model_pool import pool
from model_rules import Rules
from model_values import DAY, HOUR, Body, Head, Immutable, Place
from model_watch import Watch
from model_world import CLIENTS, NAMESPACES, Clock, ModelWorld, Stepped
from protocol import HOST

POOL = pool()
BLOBS, BODIES, NAMES = POOL.blobs, POOL.bodies, POOL.names


class Machine(RuleBasedStateMachine):
    """`steps` counts the acts of all runs, `did` what came of them; `config` makes a configuration for each.

    `places` are the repositories that are there, by namespace, `bin` those that were deleted."""

    steps: ClassVar[int] = 0
    did: ClassVar[Counter[str]] = Counter()
    config: ClassVar[Callable[[], dict[str, Any]]] = staticmethod(dict)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.start()
        self.folder = Path(tempfile.mkdtemp(prefix="quayframe-model-"))
        self.world = ModelWorld(self.folder, self.clock, type(self).config())
        self.model = Rules(BODIES, type(self).did)
        self.model.windows = dict.fromkeys(NAMESPACES, 14 * DAY)
        self.places: dict[str, Place] = {}
        self.bin: list[Place] = []
        self.collectors: list[Stepped | None] = [None, None]
        self.watch = Watch(self.world, self.model, BLOBS, type(self).did)
        self.model.now = self.clock.now
        self.sound = True

    def teardown(self) -> None:
        try:
            if self.sound:
                self.finish()
        finally:
            for collector in self.collectors:
                if collector is not None:
                    collector.abandon()
            self.world.close()
            self.clock.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- parts --------------------------------------------------------------------------------

    def begin(self) -> None:
        type(self).steps += 1
        self.sound = False
        self.pass_(1)

    def pass_(self, ms: int) -> None:
        self.clock.now += ms
        self.model.now = self.clock.now

    def full(self, namespace: str) -> str:
        return f"{namespace}/r"

    def ensure(self, namespace: str) -> Place:
        """The place of a namespace's repository, after a request that may have made it."""
        if namespace not in self.places:
            uuid = self.world.place(namespace, "r")
            assert uuid is not None
            self.places[namespace] = Place(namespace, "r", uuid, self.clock.now)
            self.world.renew()
        return self.places[namespace]

    def trying(self, place: Place, act: Callable[[Place], None]) -> bool:
        """Does it to the place, wholly or not at all; whether it was not refused by a pin."""
        tried = copy.deepcopy(place)
        try:
            act(tried)
        except Immutable:
            self.did["refused by a pin"] += 1
            return False
        self.places[place.namespace] = tried
        return True

    # -- acts that others are made of ---------------------------------------------------------

    def deliver(self, actor: str, namespace: str, blob: str, way: str) -> None:
        """Brings a blob as clients do: always, only where HEAD does not find it, or by a mount."""
        repo = self.full(namespace)
        if way == "head":
            answer = self.world.v2(actor, "HEAD", repo, f"blobs/{blob}")
            there = namespace in self.places and self.model.blob_visible(self.places[namespace], blob)
            assert (answer.status_code == 200) == there, f"HEAD of {blob}: {answer.status_code}"
            if there:
                self.model.asked(self.places[namespace], blob)
                return
        if way == "mount":
            other = next(name for name in NAMESPACES if name != namespace)
            source = f"blobs/uploads/?mount={blob}&from={self.full(other)}"
            answer = self.world.v2(actor, "POST", repo, source)
            there = other in self.places and self.model.blob_visible(self.places[other], blob)
            assert answer.status_code == (201 if there else 202), answer.text
            if answer.status_code == 201:
                self.model.link(self.ensure(namespace), blob)
                return
            self.ensure(namespace)
            # It was an upload then, which nobody goes on with.
            self.world.v2(
                actor, "DELETE", repo, answer.headers["Location"].partition(f"{HOST}/v2/{repo}/")[2]
            )
        answer = self.world.v2(actor, "POST", repo, f"blobs/uploads/?digest={blob}", BLOBS[blob])
        assert answer.status_code == 201, answer.text
        self.model.link(self.ensure(namespace), blob)

    def put(self, actor: str, namespace: str, body: Body, tags: list[str], by_digest: bool) -> None:
        """One PUT of a manifest, and what must come of it."""
        place = self.places.get(namespace)
        able = place is not None and self.model.can_push(place, body)
        reference, more = (body.digest, tags) if by_digest or not tags else (tags[0], tags[1:])
        query = "&".join(f"tag={name}" for name in more)
        answer = self.world.v2(
            actor, "PUT", self.full(namespace), f"manifests/{reference}?{query}", body.data,
            Content_Type=body.media_type,
        )  # fmt: skip
        if not able:
            assert answer.status_code == 400, answer.text
            if self.world.place(namespace, "r") is not None:
                self.ensure(namespace)
            return
        assert place is not None
        done = self.trying(place, lambda tried: self.model.push(tried, body, tags))
        assert answer.status_code == (201 if done else 409), answer.text

    def push_whole(
        self, actor: str, namespace: str, body: Body, tags: list[str], way: str, by_digest: bool
    ) -> None:
        for blob in body.blobs:
            self.deliver(actor, namespace, blob, way)
        for child in body.children:
            there = namespace in self.places and self.model.visible(self.places[namespace], child)
            if not there:
                self.push_whole(actor, namespace, BODIES[child], [], way, True)
        self.put(actor, namespace, body, tags, by_digest)

    def delete_tag(self, actor: str, namespace: str, name: str) -> None:
        place = self.places.get(namespace)
        if place is None:
            return
        head = place.heads.get(name)
        answer = self.world.v2(actor, "DELETE", self.full(namespace), f"manifests/{name}")
        if head is None or not self.model.live(head):
            assert answer.status_code == 404, answer.text
            return
        done = self.trying(place, lambda tried: self.model.end(tried, name, "deleted"))
        assert answer.status_code == (202 if done else 409), f"{answer.status_code} {answer.text}"

    def delete_manifest(self, actor: str, namespace: str, digest: str) -> None:
        place = self.places.get(namespace)
        if place is None:
            return
        there = self.model.visible(place, digest)
        answer = self.world.v2(actor, "DELETE", self.full(namespace), f"manifests/{digest}")
        if not there:
            assert answer.status_code == 404, answer.text
            return
        done = self.trying(place, lambda tried: self.model.delete(tried, digest))
        assert answer.status_code == (202 if done else 409), f"{answer.status_code} {answer.text}"

    def tag_path(self, namespace: str, name: str) -> str:
        return f"repository/{self.full(namespace)}/tag/{name}"

    def live_tag(self, namespace: str, name: str) -> Head | None:
        place = self.places.get(namespace)
        head = place.heads.get(name) if place is not None else None
        return head if head is not None and self.model.live(head) else None

    def delete_policy(self, at: int) -> None:
        policy = self.model.policies[at]
        path = "immutabilitypolicy" if policy.kind == "immutable" else "autoprunepolicy"
        place = self.places.get(policy.namespace)
        if policy.place is None:
            base = f"organization/{policy.namespace}"
        elif place is not None and place.uuid == policy.place:
            base = f"repository/{self.full(policy.namespace)}"
        else:
            return
        self.world.api("alice", "DELETE", f"{base}/{path}/{policy.uuid}", None, 200)
        del self.model.policies[at]

    def collect(self) -> None:
        while self.world.registry.content.garbage.round():
            pass
        while self.world.registry.collector.empty_trash():
            pass
        self.collected()
        if all(collector is None for collector in self.collectors):
            self.watch.nothing_left_over([*self.places.values(), *self.bin])

    def collected(self) -> None:
        """The collector was at work: what it took away it might, and the model forgets that."""
        self.bin = self.watch.forget([*self.places.values(), *self.bin], self.bin)

    def undelete(self, actor: str, place: Place) -> None:
        path = f"recyclebin/repositories/{place.uuid}/undelete"
        answer = self.world.api(actor, "POST", path, None, 200, 404, 409)
        if answer.status_code == 404:
            assert self.watch.due(place), f"{place.full} is in its window, and does not come back"
        elif place.namespace in self.places:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 200, answer.text
            self.bin.remove(place)
            place.deleted_ms = None
            self.places[place.namespace] = place
            self.world.renew()
            self.did["undeleted"] += 1

    # -- what must be so ----------------------------------------------------------------------

    @invariant()
    def all_is_there(self) -> None:
        for namespace in NAMESPACES:
            actor = CLIENTS[type(self).steps % 2]
            self.watch.served(actor, namespace, self.places.get(namespace))
        self.watch.kept([*self.places.values(), *self.bin])
        self.sound = True

    def finish(self) -> None:
        """All is deleted, and all windows close: nothing is left."""
        for number in reversed(range(len(self.model.policies))):
            self.delete_policy(number)
        for namespace in list(self.places):
            for name in sorted(self.places[namespace].heads):
                self.end_tag(namespace, name)
            for digest in BODIES:
                if self.model.visible(self.places[namespace], digest):
                    self.delete_manifest("alice", namespace, digest)
        # More than the longest window, then what links last for, then what the clock was put back by.
        for ms in (15 * DAY, 2 * HOUR, HOUR):
            self.pass_(ms)
            for which in range(2):
                while (collector := self.collectors[which]) is not None:
                    if not collector.step():
                        self.collectors[which] = None
            self.collected()
            self.collect()
        assert self.world.left() == []

    def end_tag(self, namespace: str, name: str) -> None:
        head = self.live_tag(namespace, name)
        if head is not None and head.pinned:
            self.world.api("alice", "PUT", self.tag_path(namespace, name), {"immutable": False}, 201)
            head.pinned = False
        if head is not None:
            self.delete_tag("alice", namespace, name)


def real(tag: str) -> str:
    """A tag as the registry knows it."""
    subject, dot, suffix = tag.partition(".")
    return f"{NAMES[subject].replace(':', '-')}.{suffix}" if dot else tag


def names(tags: list[str]) -> list[str]:
    return [real(tag) for tag in tags]
