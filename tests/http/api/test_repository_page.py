"""One repository over the API: what is told of it, to whom."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from api_client import ApiWorld, Caller
from api_faults import MISSING, kind
from protocol import Repo, sha256
from repository_world import grant, owner

from quayframe.data.tables import EventRow, Repository, Tag
from quayframe.services.clock import now_ms

DAY_MS = 86_400_000


@pytest.fixture
def ann(api: ApiWorld) -> Caller:
    return owner(api)


def test_a_repository_is_shown(ann: Caller) -> None:
    shown = ann.get("repository/ann/app").json
    token = shown.pop("status_token")

    assert str(uuid.UUID(token)) == token
    assert shown == {
        "namespace": "ann",
        "name": "app",
        "kind": "image",
        "description": "",
        "is_public": False,
        "is_organization": False,
        "is_starred": False,
        "trust_enabled": False,
        "tag_expiration_s": 1209600,
        "is_free_account": True,
        "state": "NORMAL",
        "tags": {},
        "can_write": True,
        "can_admin": True,
    }


def test_a_public_repository_is_shown_to_nobody_in_particular(api: ApiWorld, ann: Caller) -> None:
    shown = api.anonymous.get("repository/ann/open").json

    assert (shown["status_token"], shown["is_starred"]) == ("", False)
    assert (shown["can_write"], shown["can_admin"]) == (False, False)
    assert ann.get("repository/ann/open").json["status_token"] == ""


def test_the_badge_of_a_private_repository_stays_the_same(api: ApiWorld, ann: Caller) -> None:
    api.user("admin")
    grant(api, "admin", "ann/app", "write")
    token = ann.get("repository/ann/app").json["status_token"]

    assert api.admin.get("repository/ann/app").json["status_token"] == token
    ann.post("repository/ann/app/changevisibility", {"visibility": "public"})
    ann.post("repository/ann/app/changevisibility", {"visibility": "private"})
    assert ann.get("repository/ann/app").json["status_token"] == token


def test_a_repository_from_before_badges_gets_its_token_when_it_is_needed(api: ApiWorld, ann: Caller) -> None:
    api.registry.db.write(lambda tx: tx.run(Repository.update(badge_token=None)))
    token = ann.get("repository/ann/app").json["status_token"]

    assert str(uuid.UUID(token)) == token
    assert ann.get("repository/ann/app").json["status_token"] == token


@pytest.fixture
def pushed(api: ApiWorld) -> tuple[Caller, Repo]:
    principal = api.protocol.user("ann")
    return api.session("ann"), api.protocol.repo(principal, "app")


def test_a_repository_made_by_a_push_is_private_and_without_description(pushed: tuple[Caller, Repo]) -> None:
    ann, repo = pushed
    repo.image("latest")
    shown = ann.get("repository/ann/app", params={"includeTags": "false"}).json

    assert "tags" not in shown
    assert (shown["description"], shown["is_public"], shown["state"]) == (None, False, "NORMAL")
    assert (shown["kind"], shown["can_write"], shown["can_admin"]) == ("image", True, True)


def test_tags_are_keyed_by_their_names_the_latest_first(pushed: tuple[Caller, Repo]) -> None:
    ann, repo = pushed
    digest, body = repo.image("one")
    repo.index("all", [body])
    repo.image("gone")
    repo.delete("manifests/gone")
    tags = ann.get("repository/ann/app").json["tags"]

    assert list(tags) == ["all", "one"]
    assert set(tags["one"]) == {"name", "size", "last_modified", "manifest_digest"}
    assert tags["one"]["manifest_digest"] == digest == sha256(body)
    assert tags["one"]["size"] == 100
    assert tags["all"]["size"] is None
    assert tags["one"]["last_modified"].endswith("-0000")


def test_a_tag_that_will_expire_says_when(api: ApiWorld, pushed: tuple[Caller, Repo]) -> None:
    ann, repo = pushed
    repo.image("one")
    later = now_ms() + 60_000
    api.registry.db.write(lambda tx: tx.run(Tag.update(end_ms=later)))

    assert ann.get("repository/ann/app").json["tags"]["one"]["expiration"].endswith("-0000")


def test_statistics_cover_ninety_one_days_until_yesterday(api: ApiWorld, ann: Caller) -> None:
    today = now_ms() // DAY_MS * DAY_MS
    row = api.registry.access.repository("ann", "app")
    assert row is not None

    def work(tx: Any) -> None:
        for days, count in ((0, 5), (1, 2), (3, 1), (91, 4), (92, 9)):
            for _ in range(count):
                tx.insert(
                    EventRow, kind="pull_repo", at_ms=today - days * DAY_MS + 1, repository=row.id, data="{}"
                )

    api.registry.db.write(work)
    stats = ann.get("repository/ann/app", params={"includeStats": "true"}).json["stats"]

    assert len(stats) == 91
    counts = [entry["count"] for entry in stats]
    assert (counts[0], counts[1], counts[2], counts[90], sum(counts)) == (2, 0, 1, 4, 7)
    assert stats[0]["date"] == time.strftime("%Y-%m-%d", time.gmtime(today // 1000 - 3600))
    asked = {"namespace": "ann", "popularity": "true"}
    assert ann.get("repository", params=asked).json["repositories"][0]["popularity"] == 3.0


@pytest.mark.parametrize("path", ["ann/nothing", "nowhere/app", "ann/No"])
def test_what_is_missing_is_told_to_who_administers_the_namespace(
    api: ApiWorld, ann: Caller, path: str
) -> None:
    told = MISSING if path == "ann/nothing" else (403, "insufficient_scope")
    assert kind(ann.get(f"repository/{path}")) == told
    assert kind(api.user("bob").get(f"repository/{path}")) == (403, "insufficient_scope")
    assert kind(api.anonymous.get(f"repository/{path}")) == (401, "invalid_token")
    assert kind(api.admin.get("repository/ann/nothing")) == (403, "insufficient_scope")
