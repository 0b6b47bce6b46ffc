"""When a tag goes, by which rule, and what holds it: the answer is what then happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policy_world import DAY, HOUR, PolicyWorld
from protocol import Protocol, sha256

from quayframe.data.db import Tx
from quayframe.data.tables import Account, Tag, TagInterval
from quayframe.errors import NotFound
from quayframe.services.clock import now_ms
from quayframe.services.lifecycle import Reason
from quayframe.services.lifecycles import TagLife
from quayframe.services.policies import immutable, prune

WINDOW = 14 * DAY


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> PolicyWorld:
    return PolicyWorld(make_protocol(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True))


def life(world: PolicyWorld, name: str) -> TagLife:
    return world.content.lifecycles.of_tag(world.row(), name)


def started(world: PolicyWorld, name: str) -> int:
    return int(world.db.value(Tag.select(Tag.start_ms).where(Tag.name == name)))


def date(world: PolicyWorld, name: str, until: int) -> None:
    def work(tx: Tx) -> None:
        head = world.content.heads.find(tx, world.row().id, name)
        assert head is not None
        world.content.heads.date(tx, head, until, "expiration")

    world.db.write(work)


def test_a_tag_of_which_nothing_is_said_stays(world: PolicyWorld) -> None:
    world.tag("v1")
    found = life(world, "v1")

    assert (found.is_live, found.pinned_by, found.ends, found.gone_ms) == (True, None, None, None)
    assert found.digest == world.digest_of("v1")
    assert found.reasons == [Reason("tag", None, "v1")]


def test_an_expiration_ends_it_and_the_window_follows(world: PolicyWorld) -> None:
    world.tag("v1")
    until = now_ms() + HOUR
    date(world, "v1", until)
    found = life(world, "v1")

    assert found.ends is not None
    assert (found.ends.rule, found.ends.at_ms, found.gone_ms) == ("expiration", until, until + WINDOW)


def test_the_window_is_the_namespaces(world: PolicyWorld) -> None:
    world.tag("v1")
    until = now_ms() + HOUR
    date(world, "v1", until)
    mine = Account.id == world.me.account_id
    world.db.write(lambda tx: tx.run(Account.update(removed_tag_expiration_s=86_400).where(mine)))

    assert life(world, "v1").gone_ms == until + DAY


def test_an_age_gives_the_moment_and_the_earliest_of_several_counts(world: PolicyWorld) -> None:
    world.tag("v1", age_ms=DAY)
    world.add(world.space, prune("creation_date", "1w"))
    ident = world.add(world.app, prune("creation_date", "2d", "^v"))
    found = life(world, "v1")

    assert found.ends == Reason("prune", started(world, "v1") + 2 * DAY, ident)
    assert [reason.rule for reason in found.reasons] == ["prune", "prune", "window"]


def test_a_tag_behind_the_newest_goes_now_and_one_of_the_newest_does_not(world: PolicyWorld) -> None:
    world.tags("a", "b", "c")
    ident = world.add(world.app, prune("number_of_tags", 2))
    before = now_ms()
    ends = life(world, "a").ends

    assert ends is not None
    assert (ends.rule, ends.source) == ("prune", ident)
    assert before <= (ends.at_ms or 0) <= now_ms()
    assert life(world, "b").ends is None
    world.round()
    assert world.live() == {"b", "c"}


@pytest.mark.parametrize("name", ["a", "b", "c", "d", "e"])
def test_the_explanation_agrees_with_the_worker(world: PolicyWorld, name: str) -> None:
    world.tags("a", "b", "c", "d", "e")
    world.add(world.app, immutable("^d$"))
    world.add(world.app, prune("number_of_tags", 1, "^[acd]$"))
    world.add(world.app, prune("number_of_tags", 3))
    found = life(world, name)

    world.round()
    assert (found.ends is None) == (name in world.live())


def test_a_pin_outweighs_policies(world: PolicyWorld) -> None:
    world.tags("a", "b", "c")
    world.add(world.app, prune("number_of_tags", 1))
    ident = world.add(world.app, immutable("^a$"))
    found = life(world, "a")

    assert found.pinned_by == Reason("immutable-policy", None, ident)
    assert (found.ends, found.gone_ms) == (None, None)


def test_an_end_that_was_there_before_the_pin_is_told(world: PolicyWorld) -> None:
    """The tag will not be served any more from then on, so nobody is told otherwise."""
    world.tag("v1")
    until = now_ms() + HOUR
    date(world, "v1", until)
    world.add(world.app, immutable("^v1$"))
    found = life(world, "v1")

    assert found.pinned_by is not None
    assert found.ends is not None
    assert found.ends.at_ms == until


def test_a_dead_tag_says_what_ended_it_and_until_when_it_can_come_back(world: PolicyWorld) -> None:
    world.tags("a", "b")
    ident = world.add(world.app, prune("number_of_tags", 1))
    world.round()
    ended = int(world.db.value(Tag.select(Tag.end_ms).where(Tag.name == "a")))
    found = life(world, "a")

    assert not found.is_live
    assert found.ends is not None
    assert (found.ends.rule, found.ends.at_ms, found.ends.source) == ("prune", ended, ident)
    assert found.gone_ms == ended + WINDOW


def test_of_a_tag_beyond_its_window_or_never_there_nothing_is_said(world: PolicyWorld) -> None:
    world.tag("v1")
    world.end("v1")
    old = now_ms() - WINDOW - 1
    world.db.write(lambda tx: tx.run(Tag.update(end_ms=old).where(Tag.name == "v1")))
    for name in ("v1", "never"):
        with pytest.raises(NotFound):
            life(world, name)


def test_another_tag_an_index_a_subject_and_a_hold_keep_the_manifest(world: PolicyWorld) -> None:
    digest, body = world.repo.image("v1")
    world.repo.put("also", body)
    index, _ = world.repo.index("list", [body])
    world.end("v1")
    world.end("also")
    found = life(world, "v1")
    assert Reason("index", None, index) in found.reasons
    assert found.gone_ms is None

    world.end("list")
    found = life(world, "v1")
    ended = int(world.db.value(Tag.select(Tag.end_ms).where(Tag.name == "list")))
    assert Reason("index", ended + WINDOW, index) in found.reasons
    assert found.gone_ms == ended + WINDOW

    world.repo.put(digest, body)
    assert "hold" in {reason.rule for reason in life(world, "v1").reasons}


def test_a_referrer_is_kept_by_its_subject_and_by_itself_where_that_never_came(world: PolicyWorld) -> None:
    subject, body = world.repo.image("v1")
    mine, _ = world.repo.referrer(body)
    lonely, _ = world.repo.referrer(sha256(b"never here"))
    of = world.content.lifecycles.of_manifest

    about = of(world.row(), mine)
    assert (about.gone_ms, about.kept_by) == (None, Reason("referrer", None, subject))
    assert of(world.row(), lonely).kept_by == Reason("alone", None, sha256(b"never here"))
    world.end("v1")
    ended = int(world.db.value(Tag.select(Tag.end_ms).where(Tag.name == "v1")))
    assert of(world.row(), mine).gone_ms == ended + WINDOW
    with pytest.raises(NotFound):
        of(world.row(), sha256(b"nothing"))


def test_a_signature_goes_with_the_last_tag_of_what_it_signs(world: PolicyWorld) -> None:
    digest, body = world.repo.image("v1")
    world.repo.put("also", body)
    mark = f"{digest.replace(':', '-')}.sig"
    world.repo.image(mark)
    early, late = now_ms() + HOUR, now_ms() + 2 * HOUR
    date(world, "v1", early)
    assert life(world, mark).ends is None

    date(world, "also", late)
    assert life(world, mark).ends == Reason("subject", late, digest)


def test_signatures_of_each_other_are_explained_too(world: PolicyWorld) -> None:
    first, body = world.repo.image()
    second, other = world.repo.image()
    world.repo.put(f"{second.replace(':', '-')}.sig", body)
    world.repo.put(f"{first.replace(':', '-')}.sig", other)

    assert life(world, f"{first.replace(':', '-')}.sig").ends is None


def test_no_policy_is_told_where_none_is_followed(make_protocol: Callable[..., Protocol]) -> None:
    world = PolicyWorld(make_protocol())
    world.tags("a", "b")
    world.add(world.app, prune("number_of_tags", 1))

    assert life(world, "a").ends is None


def test_rows_of_the_release_before_are_explained(world: PolicyWorld) -> None:
    """They say no reason, and their intervals no name."""
    world.tag("v1")
    world.end("v1")
    world.db.write(lambda tx: tx.run(Tag.update(end_reason=None)))
    world.db.write(lambda tx: tx.run(TagInterval.update(end_reason=None, name=None)))
    found = life(world, "v1")

    assert found.ends is not None
    assert found.ends.rule == "deleted"
