"""The rules of the state machine: each is one act of a client, of time, or of a collector."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from model_machine import BLOBS, BODIES, NAMES, real
from model_rules import followers
from model_tags import MINUTE, TagActs, manifest, pick, there_is_a_place, where, who
from model_values import DAY, HOUR, Policy
from model_world import NAMESPACES, Stepped

PLAIN_TAGS = ("a", "b", "c")
SIGNED = ("image1.sig", "both.sig", "about-image1.att")
"""Stand for the tags `sha256-<hex>.sig` of these."""
WINDOWS = (0, DAY, 7 * DAY)
SPANS = (1, 1000, MINUTE, 31 * MINUTE, 2 * HOUR, DAY, 2 * DAY, 8 * DAY)
METHODS = (("number_of_tags", 1), ("number_of_tags", 2), ("creation_date", "3d"))

tag = st.sampled_from((*PLAIN_TAGS, *SIGNED))
tags = st.lists(tag, max_size=3, unique=True)
blob = st.sampled_from([name for name, digest in NAMES.items() if digest in BLOBS])
way = st.sampled_from(("upload", "head", "head", "mount"))


class Contents(TagActs):
    """All that may happen."""

    @initialize(pushes=st.lists(st.tuples(where, manifest, tags), max_size=5))
    def something_is_there(self, pushes: list[tuple[str, str, list[str]]]) -> None:
        for namespace, pushed, named in pushes:
            self.push("alice", namespace, pushed, named, "head", False)

    # -- blobs --------------------------------------------------------------------------------

    @rule(actor=who, namespace=where, blob=blob, way=st.sampled_from(("upload", "head", "mount")))
    def bring_a_blob(self, actor: str, namespace: str, blob: str, way: str) -> None:
        self.begin()
        self.deliver(actor, namespace, NAMES[blob], way)

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick)
    def delete_a_blob(self, actor: str, namespace: str, pick: int) -> None:
        self.begin()
        place = self.place_of(namespace)
        digests = [*sorted(place.links), next(iter(BLOBS))]
        digest = digests[pick % len(digests)]
        there = self.model.blob_visible(place, digest)
        answer = self.world.v2(actor, "DELETE", self.full(place.namespace), f"blobs/{digest}")
        if not there:
            assert answer.status_code == 404, answer.text
            return
        done = self.trying(place, lambda tried: self.model.unlink(tried, digest))
        assert answer.status_code == (202 if done else 409), answer.text

    # -- manifests ----------------------------------------------------------------------------

    @rule(actor=who, namespace=where, manifest=manifest, tags=tags, way=way, by_digest=st.booleans())
    def push_one(
        self, actor: str, namespace: str, manifest: str, tags: list[str], way: str, by_digest: bool
    ) -> None:
        self.push(actor, namespace, manifest, tags, way, by_digest)

    @rule(actor=who, namespace=where, manifest=manifest, tag=tag, way=way)
    def push_a_tag(self, actor: str, namespace: str, manifest: str, tag: str, way: str) -> None:
        self.push(actor, namespace, manifest, [tag], way, False)

    def push(
        self, actor: str, namespace: str, manifest: str, tags: list[str], way: str, by_digest: bool
    ) -> None:
        """As a client does: blobs, then what the manifest lists, by digest, then itself."""
        self.begin()
        named = [real(tag) for tag in tags]
        self.push_whole(actor, namespace, BODIES[NAMES[manifest]], named, way, by_digest)

    @there_is_a_place
    @rule(actor=who, namespace=where, manifest=manifest, pick=pick)
    def sign(self, actor: str, namespace: str, manifest: str, pick: int) -> None:
        """A tag that is about the manifest that another one names, and ends with it."""
        self.begin()
        place = self.place_of(namespace)
        live = self.model.live_heads(place)
        if live:
            name = followers(live[pick % len(live)].digest)[pick % 2]
            self.push_whole(actor, place.namespace, BODIES[NAMES[manifest]], [name], "head", False)

    @rule(actor=who, namespace=where, manifest=manifest, tags=tags)
    def push_the_manifest_alone(self, actor: str, namespace: str, manifest: str, tags: list[str]) -> None:
        """Without asking whether its parts are there."""
        self.begin()
        self.put(actor, namespace, BODIES[NAMES[manifest]], [real(tag) for tag in tags], False)

    @there_is_a_place
    @rule(actor=who, namespace=where, pick=pick)
    def delete_a_manifest(self, actor: str, namespace: str, pick: int) -> None:
        self.begin()
        place = self.place_of(namespace)
        digests = [*sorted(place.rows), next(iter(BODIES))]
        self.delete_manifest(actor, place.namespace, digests[pick % len(digests)])

    # -- namespaces, repositories, policies ---------------------------------------------------

    @rule(namespace=where, window=st.sampled_from(WINDOWS))
    def choose_a_window(self, namespace: str, window: int) -> None:
        self.begin()
        self.world.api("alice", "PUT", f"organization/{namespace}", {"tag_expiration_s": window // 1000}, 200)
        self.model.windows[namespace] = window

    # Alone from the second on, as it takes all that was built up.
    @precondition(lambda self: len(self.places) > 1)
    @rule(actor=who, namespace=st.sampled_from(NAMESPACES))
    def delete_the_repository(self, actor: str, namespace: str) -> None:
        self.begin()
        self.world.api(actor, "DELETE", f"repository/{self.full(namespace)}", None, 204)
        place = self.places.pop(namespace)
        place.deleted_ms = self.clock.now
        self.bin.append(place)
        self.world.renew()

    @precondition(lambda self: self.bin)
    @rule(actor=who, data=st.data())
    def undelete_a_repository(self, actor: str, data: st.DataObject) -> None:
        self.begin()
        self.undelete(actor, self.bin[data.draw(st.integers(0, len(self.bin) - 1))])

    @rule(namespace=where, ms=st.sampled_from((1, HOUR, DAY - HOUR, 6 * DAY)))
    def delete_an_organization_and_undelete_it(self, namespace: str, ms: int) -> None:
        """In its window, with a collection in between."""
        self.begin()
        if ms >= self.model.windows[namespace]:
            return
        self.world.api("alice", "DELETE", f"organization/{namespace}", None, 204)
        place = self.places.pop(namespace, None)
        if place is not None:
            place.deleted_ms = self.clock.now
            self.bin.append(place)
        self.pass_(ms)
        self.collect()
        listed = self.world.api("alice", "GET", "recyclebin/organizations", None, 200).json()
        (uuid,) = [one["uuid"] for one in listed["organizations"] if one["name"] == namespace]
        self.world.api("alice", "POST", f"recyclebin/organizations/{uuid}/undelete", None, 200)
        if place is not None:
            self.bin.remove(place)
            place.deleted_ms = None
            self.places[namespace] = place
        self.world.renew()
        self.did["organizations undeleted"] += 1

    @rule(
        namespace=where, own=st.booleans(), pattern=st.sampled_from((None, "^[ab]$", "c")),
        method=st.sampled_from(METHODS),
        matches=st.booleans(),
    )  # fmt: skip
    def make_a_prune_policy(
        self, namespace: str, own: bool, pattern: str | None, method: tuple[str, Any], matches: bool
    ) -> None:
        self.begin()
        kind, value = method
        body = {"method": kind, "value": value, "tagPattern": pattern, "tagPatternMatches": matches}
        self.make_policy(
            "autoprunepolicy", body, namespace, own,
            Policy("", kind, namespace, None, 3 * DAY if value == "3d" else value, pattern, matches),
        )  # fmt: skip

    @rule(namespace=where, own=st.booleans(), pattern=st.sampled_from(("^a$", "sig$")))
    def make_an_immutability_policy(self, namespace: str, own: bool, pattern: str) -> None:
        self.begin()
        policy = Policy("", "immutable", namespace, None, 0, pattern)
        self.make_policy("immutabilitypolicy", {"tagPattern": pattern}, namespace, own, policy)

    def make_policy(self, path: str, body: Any, namespace: str, own: bool, policy: Policy) -> None:
        if own:
            if namespace not in self.places:
                return
            policy.place = self.places[namespace].uuid
        base = f"repository/{self.full(namespace)}" if own else f"organization/{namespace}"
        answer = self.world.api("alice", "POST", f"{base}/{path}/", body, 201, 400)
        if answer.status_code == 201:
            policy.uuid = answer.json()["uuid"]
            self.model.policies.append(policy)

    @precondition(lambda self: self.model.policies)
    @rule(data=st.data())
    def delete_a_policy(self, data: st.DataObject) -> None:
        self.begin()
        self.delete_policy(data.draw(st.integers(0, len(self.model.policies) - 1)))

    @rule()
    def prune(self) -> None:
        self.begin()
        self.world.registry.content.pruning.round(lambda: True)
        for policy in self.model.policies:
            if policy.kind != "immutable":
                for place in self.places.values():
                    if policy in self.model.policies_of(place):
                        self.model.prune(place, policy)

    # -- time and collectors ------------------------------------------------------------------

    @rule(ms=st.sampled_from(SPANS))
    def time_passes(self, ms: int) -> None:
        self.begin()
        self.pass_(ms)

    @rule(ms=st.sampled_from((2, 1500, 10_000)))
    def the_clock_is_put_back(self, ms: int) -> None:
        self.begin()
        self.pass_(-ms)

    @rule(which=st.integers(0, 1), steps=st.integers(1, 6))
    def a_collector_goes_on(self, which: int, steps: int) -> None:
        self.begin()
        collector = self.collectors[which]
        if collector is None:
            collector = self.collectors[which] = Stepped(
                self.world.db, self.world.registry.content.garbage.round
            )
        for _ in range(steps):
            if not collector.step():
                self.collectors[which] = None
                break
        self.collected()

    @rule(which=st.integers(0, 1))
    def a_collector_is_stopped(self, which: int) -> None:
        self.begin()
        collector = self.collectors[which]
        if collector is not None:
            collector.abandon()
            self.collectors[which] = None
            self.collected()

    @rule(ms=st.sampled_from(SPANS))
    def time_passes_and_all_is_collected(self, ms: int) -> None:
        self.begin()
        self.pass_(ms)
        self.collect()

    @rule()
    def collect_all(self) -> None:
        self.begin()
        self.collect()

    @rule()
    def empty_the_trash(self) -> None:
        self.begin()
        self.world.registry.collector.empty_trash()
