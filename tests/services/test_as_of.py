"""As-of pulls: a tag as it was, what is held for it, and what is not answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from collecting_world import HOUR, WINDOW, World, pass_time
from protocol import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Protocol, Repo, code, sha256

from quayframe.data import tables as t
from quayframe.http.app import create_app
from quayframe.services import as_of
from quayframe.services.clock import now_ms
from quayframe.services.holds import hold


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


@pytest.fixture
def repo(world: World) -> Repo:
    return world.protocol.repo()


def ago(ms: int = 0) -> str:
    """RFC 3339."""
    return (datetime.now(UTC) - timedelta(milliseconds=ms)).isoformat()


def suffix(ms: int) -> str:
    return (datetime.now(UTC) - timedelta(milliseconds=ms)).strftime(".at.%Y%m%dT%H%M%SZ")


def then(repo: Repo, ms: int, tag: str = "v1", **headers: str) -> Any:
    return repo.get(f"manifests/{tag}", params={"as_of": ago(ms)}, headers=headers)


def named(repo: Repo, ms: int, tag: str = "v1") -> str:
    """The digest that the tag had so long ago."""
    answer = then(repo, ms, tag)
    assert answer.status_code == 200, answer.text
    assert sha256(answer.content) == answer.headers["Docker-Content-Digest"]
    return str(answer.headers["Docker-Content-Digest"])


def moved(world: World, repo: Repo) -> tuple[str, str]:
    """v1 named the first of these from 4 hours ago, the second from 2 hours ago on."""
    old, _ = repo.image("v1")
    pass_time(world.db, 2 * HOUR)
    new, _ = repo.image("v1")
    pass_time(world.db, 2 * HOUR)
    return old, new


# -- which moment names what --------------------------------------------------------------------


def test_a_tag_as_it_was_before_it_moved_and_as_it_is(world: World, repo: Repo) -> None:
    old, new = moved(world, repo)

    assert (named(repo, 3 * HOUR), named(repo, HOUR), named(repo, 0)) == (old, new, new)


def test_on_every_database(make_protocol: Callable[..., Protocol], database_uri: str) -> None:
    world = World(make_protocol(DB_URI=database_uri))
    repo = world.protocol.repo()
    old, new = moved(world, repo)
    for ms, digest in ((3 * HOUR, old), (3 * HOUR, old), (HOUR, new)):
        assert named(repo, ms) == digest
    world.later(WINDOW - 2 * HOUR - HOUR // 2)

    # The hold of then has ended: a new one outlives the window, which closes now.
    assert named(repo, WINDOW) == old
    world.later(HOUR * 3 // 4)
    assert code(then(repo, WINDOW + HOUR * 3 // 4)) == "MANIFEST_UNKNOWN"
    assert repo.get(f"manifests/{old}").status_code == 200


def test_a_tag_begins_with_its_first_moment_and_does_not_hold_its_last(world: World, repo: Repo) -> None:
    old, new = moved(world, repo)
    (begun,) = world.db.rows(t.Tag.select(t.Tag.start_ms))[0]
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=begun)
    answers = [
        repo.get("manifests/v1", params={"as_of": (at - timedelta(milliseconds=ms)).isoformat()})
        for ms in (0, 1)
    ]

    assert [answer.headers["Docker-Content-Digest"] for answer in answers] == [new, old]


def test_the_suffix_says_the_same_to_clients_without_a_query(world: World, repo: Repo) -> None:
    old, new = moved(world, repo)

    for ms, digest in ((3 * HOUR, old), (HOUR, new)):
        assert repo.head(f"manifests/v1{suffix(ms)}").headers["Docker-Content-Digest"] == digest


def test_a_deleted_tag_is_answered_for_the_time_when_it_lived(world: World, repo: Repo) -> None:
    digest, _ = repo.image("v1")
    pass_time(world.db, 2 * HOUR)
    repo.delete("manifests/v1")
    pass_time(world.db, 2 * HOUR)

    assert named(repo, 3 * HOUR) == digest
    assert code(then(repo, HOUR)) == "MANIFEST_UNKNOWN"


def test_before_its_first_push_a_tag_named_nothing(repo: Repo) -> None:
    repo.image("v1")

    answer = then(repo, HOUR)
    assert (answer.status_code, code(answer)) == (404, "MANIFEST_UNKNOWN")
    assert "named no manifest then" in answer.text


def test_a_tag_that_never_was(repo: Repo) -> None:
    repo.image("v1")

    assert code(then(repo, 0, "other")) == "MANIFEST_UNKNOWN"
    assert code(repo.get(f"manifests/other{suffix(0)}")) == "MANIFEST_UNKNOWN"


def test_a_live_tag_of_that_very_name_wins(world: World, repo: Repo) -> None:
    moved(world, repo)
    name = f"v1{suffix(3 * HOUR)}"
    literal, _ = repo.image(name)

    assert repo.head(f"manifests/{name}").headers["Docker-Content-Digest"] == literal


def test_a_tag_of_that_very_name_has_a_past_of_its_own(world: World, repo: Repo) -> None:
    name = f"v1{suffix(9 * HOUR)}"
    literal, _ = repo.image(name)
    pass_time(world.db, 2 * HOUR)
    repo.image(name)

    assert named(repo, HOUR, name) == literal


# -- what is not answered -----------------------------------------------------------------------


def test_what_was_deleted_by_digest_is_not_answered(world: World, repo: Repo) -> None:
    old, _ = moved(world, repo)
    # Only what can be seen can be deleted.
    assert named(repo, 3 * HOUR) == old
    assert repo.delete(f"manifests/{old}").status_code == 202

    assert code(then(repo, 3 * HOUR)) == "MANIFEST_UNKNOWN"


def test_what_was_deleted_for_good_is_not_answered_also_in_a_longer_window(
    make_protocol: Callable[..., Protocol],
) -> None:
    world = World(make_protocol(PERMANENTLY_DELETE_TAGS=True, DEFAULT_TAG_EXPIRATION="1d"))
    repo = world.protocol.repo()
    digest, _ = repo.image("v1")
    pass_time(world.db, 3 * 24 * HOUR)
    row = world.protocol.registry.access.repository(*repo.path)
    assert repo.owner is not None
    assert row is not None
    world.protocol.registry.content.tag_edits.purge(repo.owner, row, "v1", digest, alive=True, children=False)
    longer = t.Account.update(removed_tag_expiration_s=30 * 86_400)
    world.db.write(lambda tx: tx.run(longer))

    assert code(then(repo, 50 * HOUR)) == "MANIFEST_UNKNOWN"


def test_after_the_window_of_its_namespace_the_past_is_closed(world: World, repo: Repo) -> None:
    _, new = moved(world, repo)
    assert repo.owner is not None
    chosen = t.Account.update(removed_tag_expiration_s=3600).where(t.Account.name == repo.owner.name)
    world.db.write(lambda tx: tx.run(chosen))

    # The rows are there until the collector comes: it makes no difference.
    assert code(then(repo, 3 * HOUR)) == "MANIFEST_UNKNOWN"
    assert named(repo, HOUR) == new
    world.collect()
    assert code(then(repo, 3 * HOUR)) == "MANIFEST_UNKNOWN"


def test_where_the_collector_was_faster_nothing_is_answered(
    world: World, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(world, repo)

    def late(*arguments: Any) -> None:
        tx, manifest_id = arguments[:2]
        for table, column in ((t.TagInterval, t.TagInterval.manifest), (t.Manifest, t.Manifest.id)):
            tx.run(table.delete().where(column == manifest_id))
        hold(*arguments)

    world.db.write(lambda tx: tx.run(t.ManifestBlob.delete()))
    monkeypatch.setattr(as_of, "hold", late)

    assert code(then(repo, 3 * HOUR)) == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2026-11-25", "2026-13-25T12:00:00Z", "2026-11-25T12:00:00"]
)
def test_a_time_that_is_none_is_refused(repo: Repo, time: str) -> None:
    repo.image("v1")
    answer = repo.get("manifests/v1", params={"as_of": time})

    assert answer.status_code == 400
    assert "RFC 3339" in answer.text


def test_a_moment_to_come_is_refused(repo: Repo) -> None:
    digest, _ = repo.image("v1")

    answer = then(repo, -HOUR)
    assert (answer.status_code, "moment to come" in answer.text) == (400, True)
    # A clock that is a little fast means now.
    assert named(repo, -30_000) == digest


@pytest.mark.parametrize("name", ["v1.at.29991231T000000Z", "v1.at.20261399T000000Z"])
def test_a_suffix_that_says_nothing_of_the_past_is_a_tags_name(repo: Repo, name: str) -> None:
    repo.image("v1")
    assert code(repo.get(f"manifests/{name}")) == "MANIFEST_UNKNOWN"

    digest, _ = repo.image(name)
    assert repo.head(f"manifests/{name}").headers["Docker-Content-Digest"] == digest


def test_a_digest_has_no_past(repo: Repo) -> None:
    digest, _ = repo.image("v1")

    assert then(repo, 0, digest).status_code == 400


def test_who_may_not_pull_learns_nothing(world: World, repo: Repo) -> None:
    moved(world, repo)
    stranger = repo.with_(world.protocol.session())

    assert code(then(stranger, 3 * HOUR)) == "UNAUTHORIZED"
    assert code(stranger.get(f"manifests/v1{suffix(3 * HOUR)}")) == "UNAUTHORIZED"
    assert world.count(t.ManifestHold) == 0


def test_a_public_repository_shows_its_past_to_everybody(world: World, repo: Repo) -> None:
    old, _ = moved(world, repo)
    world.protocol.public(repo)

    assert named(repo.with_(world.protocol.session()), 3 * HOUR) == old


# -- what is answered can be pulled -------------------------------------------------------------


def test_the_answer_of_an_index_can_be_pulled_whole_after_its_window_and_a_collection(
    world: World, repo: Repo
) -> None:
    child, image = repo.image()
    outer, body = repo.index("multi", [image])
    pass_time(world.db, 2 * HOUR)
    repo.image("multi")
    pass_time(world.db, WINDOW - HOUR)
    assert named(repo, WINDOW, "multi") == outer

    # Out of the window now, but for the hold.
    world.later(HOUR // 2 + HOUR // 4)
    for digest in (outer, child):
        assert repo.get(f"manifests/{digest}").status_code == 200
    blob = repo.get(f"manifests/{child}").json()["config"]["digest"]
    assert repo.get(f"blobs/{blob}").status_code == 200
    assert repo.get(f"manifests/{outer}").content == body

    world.later(2 * HOUR)
    for digest in (outer, child):
        assert repo.get(f"manifests/{digest}").status_code == 404
    world.later(2 * HOUR)
    assert repo.get(f"blobs/{blob}").status_code == 404
    assert world.consistent()


def test_a_dead_image_can_be_pulled_by_its_digest_after_the_answer_and_not_before(
    world: World, repo: Repo
) -> None:
    old, _ = moved(world, repo)
    assert repo.get(f"manifests/{old}").status_code == 404

    assert repo.head("manifests/v1", params={"as_of": ago(3 * HOUR)}).status_code == 200
    assert repo.get(f"manifests/{old}").status_code == 200


def test_the_hold_is_an_hour_and_is_written_anew_when_less_than_half_is_left(
    world: World, repo: Repo
) -> None:
    moved(world, repo)

    def until() -> int:
        ((expires, reason),) = world.db.rows(
            t.ManifestHold.select(t.ManifestHold.expires_ms, t.ManifestHold.reason)
        )
        assert reason == "as-of"
        return int(expires)

    named(repo, 3 * HOUR)
    first = until()
    assert 0 < first - now_ms() <= HOUR
    named(repo, 3 * HOUR)
    assert until() == first
    pass_time(world.db, HOUR // 2 + 60_000)
    named(repo, 3 * HOUR)
    assert until() - now_ms() > HOUR - 60_000


def test_a_registry_that_is_read_only_answers_without_a_hold(
    make_protocol: Callable[..., Protocol], world: World, repo: Repo
) -> None:
    old, _ = moved(world, repo)
    database = world.protocol.data / "quayframe.db"
    world.protocol.close()
    readonly = make_protocol(REGISTRY_STATE="readonly", DB_URI=f"sqlite:///{database}")
    asked = repo.with_(
        readonly.as_(
            readonly.registry.accounts.principal(readonly.registry.accounts.get(repo.path.namespace)),
            repo.scope,
        )
    )

    assert named(asked, 3 * HOUR) == old
    assert readonly.registry.db.rows(t.ManifestHold.select(t.ManifestHold.id)) == []


# -- as any pull --------------------------------------------------------------------------------


def test_a_client_that_takes_no_index_gets_the_image_for_linux_on_amd64(world: World, repo: Repo) -> None:
    _, image = repo.image()
    descriptor = {"mediaType": OCI_MANIFEST, "digest": sha256(image), "size": len(image)}
    descriptor["platform"] = {"os": "linux", "architecture": "amd64"}
    outer, _ = repo.index("v1", [], manifests=[descriptor])
    pass_time(world.db, 2 * HOUR)
    repo.image("v1")

    answers = [then(repo, HOUR, Accept=accept) for accept in (OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST)]
    assert [answer.headers["Docker-Content-Digest"] for answer in answers] == [outer, sha256(image), outer]


def test_a_condition_on_what_is_known_already(world: World, repo: Repo) -> None:
    old, new = moved(world, repo)

    assert then(repo, 3 * HOUR, If_None_Match=f'"{new}"').status_code == 200
    answer = repo.get("manifests/v1", params={"as_of": ago(3 * HOUR)}, headers={"If-None-Match": f'"{old}"'})
    assert (answer.status_code, answer.headers["ETag"]) == (304, f'"{old}"')


def test_a_tag_that_is_not_asked_about_its_past_is_pulled_as_ever(world: World, repo: Repo) -> None:
    _, new = moved(world, repo)

    assert repo.head("manifests/v1").headers["Docker-Content-Digest"] == new
    assert world.count(t.ManifestHold) == 0


def test_of_500_versions_the_right_one(world: World, repo: Repo) -> None:
    bodies = [repo.image_body() for _ in range(2)]
    for number in range(500):
        assert repo.put("v1", bodies[number % 2]).status_code == 201
        pass_time(world.db, 60_000)

    for minutes in (1, 2, 250, 499):
        # The push of so many minutes ago was that many from the end.
        assert named(repo, minutes * 60_000 - 30_000) == sha256(bodies[(500 - minutes) % 2])


def test_a_plugin_is_asked_about_the_tag_whose_past_is_pulled(
    world: World, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = moved(world, repo)
    asked: list[tuple[str, str]] = []
    plugins = world.protocol.registry.plugins
    monkeypatch.setattr(plugins, "wants_check", lambda kind: True)
    monkeypatch.setattr(plugins, "check", lambda event, host: asked.append((event.tag, event.digest)))
    world.protocol.app = create_app(world.protocol.registry, log_requests=False)
    assert repo.owner is not None
    observed = repo.with_(world.protocol.as_(repo.owner, repo.scope))

    named(observed, 3 * HOUR)
    observed.head(f"manifests/v1{suffix(3 * HOUR)}")
    assert asked == [("v1", old)] * 2
