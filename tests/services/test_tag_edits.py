"""Changes of tags over the API, on each database, and where several act at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from protocol import Protocol, Repo

from quayframe.data.tables import EventRow, Tag, TagInterval
from quayframe.errors import Denied, InsufficientScope, NotFound, NotSignedIn, TagImmutable
from quayframe.events import ChangeTagExpiration, Event
from quayframe.services.clock import now_ms
from quayframe.services.principal import ANONYMOUS
from quayframe.services.tag_edits import Change, TagEdits
from quayframe.services.tag_history import Wanted

DAY_S = 86_400


class World:
    """A repository with two images."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.registry = protocol.registry
        self.db = self.registry.db
        self.me = protocol.user()
        self.repo: Repo = protocol.repo(self.me, "app")
        self.first, _ = self.repo.image("v1")
        self.second, _ = self.repo.image("v2")
        row = self.registry.access.repository(*self.repo.path)
        assert row is not None
        self.row = row

    @property
    def edits(self) -> TagEdits:
        return self.registry.content.tag_edits

    def change(self, tag: str, change: Change) -> None:
        self.edits.change(self.me, self.row, tag, change)

    def history(self, tag: str) -> list[tuple[str, bool, bool]]:
        """(digest, whether it has an end, whether it was brought back), the latest first."""
        found, _ = self.registry.content.tag_history.page(self.row.id, Wanted(name=tag), 1, 100)
        return [(one.digest, one.end_ms is not None, one.reversion) for one in found]

    def kinds(self) -> list[str]:
        rows = self.db.rows(EventRow.select(EventRow.kind).order_by(EventRow.id))
        return [str(kind) for (kind,) in rows if "tag" in kind]


@pytest.fixture
def world(make_protocol: Callable[..., Protocol], database_uri: str) -> World:
    return World(
        make_protocol(PERMANENTLY_DELETE_TAGS=True, FEATURE_IMMUTABLE_TAGS=True, DB_URI=database_uri)
    )


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """What they raised, having begun together."""
    found: list[Exception] = []
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        gate.wait(30)
        try:
            act()
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_a_tags_whole_life_is_in_its_history_and_in_the_log(world: World) -> None:
    soon = now_ms() / 1000 + 2 * DAY_S
    world.change("tag", Change(digest=world.first))
    world.change("tag", Change(digest=world.second, expiration=soon))
    world.change("tag", Change(immutable=True))
    with pytest.raises(TagImmutable):
        world.edits.delete(world.me, world.row, "tag")
    world.change("tag", Change(immutable=False))
    world.edits.restore(world.me, world.row, "tag", world.first)
    world.edits.delete(world.me, world.row, "tag")
    world.edits.purge(world.me, world.row, "tag", world.second, alive=False, children=True)

    assert world.history("tag") == [
        (world.first, True, True),
        (world.second, True, False),
        (world.first, True, False),
    ]
    assert world.kinds() == [
        "create_tag", "move_tag", "change_tag_expiration", "change_tag_immutability",
        "change_tag_immutability", "revert_tag", "delete_tag", "permanently_delete_tag",
    ]  # fmt: skip


def test_what_was_purged_goes_with_the_next_collection_and_the_rest_can_be_restored(world: World) -> None:
    world.edits.purge(world.me, world.row, "v1", None, alive=True, children=False)
    with pytest.raises(NotFound):
        world.edits.restore(world.me, world.row, "v1", world.first)
    while world.registry.content.garbage.round():
        pass
    assert world.history("v1") == []
    with pytest.raises(NotFound):
        world.edits.restore(world.me, world.row, "v1", world.first)
    world.edits.restore(world.me, world.row, "v1", world.second)
    assert world.history("v1") == [(world.second, False, True)]


def test_of_many_who_move_a_tag_each_has_its_period_and_one_is_the_last(world: World) -> None:
    def mover(digest: str) -> Callable[[], None]:
        def move() -> None:
            for _ in range(5):
                world.change("tag", Change(digest=digest))

        return move

    assert at_once(mover(world.first), mover(world.second), mover(world.first)) == []
    history = world.history("tag")
    assert len(history) == 15
    assert [ended for _, ended, _ in history] == [False] + [True] * 14
    head = (Tag.repository == world.row.id) & (Tag.name == "tag")
    (start, end), *_ = world.db.rows(Tag.select(Tag.start_ms, Tag.end_ms).where(head))
    starts = [
        row[0]
        for row in world.db.rows(TagInterval.select(TagInterval.start_ms).where(TagInterval.name == "tag"))
    ]
    assert (start, end) == (max(starts), None)
    assert len(set(starts)) == 15


def test_restores_deletions_pushes_and_collections_at_once_lose_nothing_that_is_live(world: World) -> None:
    def swing() -> None:
        for _ in range(5):
            world.edits.restore(world.me, world.row, "v1", world.first)
            world.edits.delete(world.me, world.row, "v1")

    def push() -> None:
        for _ in range(5):
            world.repo.image("v1")

    def collect() -> None:
        for _ in range(5):
            world.registry.content.garbage.round()

    # Between a restore and its deletion another one may have pushed, or deleted.
    faults = at_once(swing, swing, push, collect)
    assert [one for one in faults if not isinstance(one, NotFound)] == []
    world.edits.restore(world.me, world.row, "v1", world.first)
    assert world.repo.get("manifests/v1").status_code == 200
    assert [ended for _, ended, _ in world.history("v1")].count(False) == 1


def test_who_may_not_write_changes_nothing(world: World) -> None:
    before = world.history("v1")
    for principal in (ANONYMOUS, world.protocol.user("stranger")):
        for act in (
            lambda who: world.edits.change(who, world.row, "v1", Change(digest=world.second)),
            lambda who: world.edits.delete(who, world.row, "v1"),
            lambda who: world.edits.restore(who, world.row, "v1", world.second),
            lambda who: world.edits.purge(who, world.row, "v1", None, alive=True, children=True),
        ):
            with pytest.raises((NotSignedIn, InsufficientScope, Denied)):
                act(principal)  # type: ignore[no-untyped-call]
    assert world.history("v1") == before


@pytest.mark.parametrize("days", [None, 2])
def test_plugins_are_asked_about_each_change_of_an_end(
    make_protocol: Callable[..., Protocol], monkeypatch: pytest.MonkeyPatch, days: int | None
) -> None:
    """Also about one that takes the end away."""
    asked = None if days is None else now_ms() / 1000 + days * DAY_S
    world = World(make_protocol())
    world.change("v1", Change(expiration=now_ms() / 1000 + DAY_S))
    before = world.history("v1")

    def refuse(event: Event) -> None:
        assert isinstance(event, ChangeTagExpiration)
        assert event.expiration_date == (None if asked is None else int(asked))
        raise Denied("no")

    monkeypatch.setattr(world.edits, "_check", refuse)
    with pytest.raises(Denied):
        world.change("v1", Change(expiration=asked))
    assert world.history("v1") == before
