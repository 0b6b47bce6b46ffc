"""The lifecycle of a tag and of a manifest, as the API tells it."""

from __future__ import annotations

import re

import pytest
from api_client import ApiMaker, ApiWorld, Caller
from protocol import Repo

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def api(make_api: ApiMaker) -> ApiWorld:
    return make_api(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True)


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    return api.user("boss")


@pytest.fixture
def repo(api: ApiWorld, boss: Caller) -> Repo:
    return api.protocol.repo(api.registry.accounts.principal(api.registry.accounts.get("boss")), "app")


def test_a_tag_says_what_ends_it_and_when_it_is_gone(boss: Caller, repo: Repo) -> None:
    digest, _ = repo.image("v1")
    body = {"method": "creation_date", "value": "3d"}
    ident = boss.post("repository/boss/app/autoprunepolicy/", body).json["uuid"]

    found = boss.get("repository/boss/app/tag/v1/lifecycle").json
    assert found["ends"] == {
        "at": found["ends"]["at"],
        "rule": "prune",
        "text": "an auto-prune policy ends the tag",
        "source": ident,
    }
    assert ISO.fullmatch(found["ends"]["at"])
    assert ISO.fullmatch(found["gone_at"])
    assert [(one["rule"], one["effect"]) for one in found["reasons"]] == [
        ("prune", "end"),
        ("window", "keep"),
    ]
    del found["ends"], found["gone_at"], found["reasons"]
    assert found == {"name": "v1", "manifest_digest": digest, "is_live": True, "pinned_by": None}


def test_a_pinned_tag_says_by_what(boss: Caller, repo: Repo) -> None:
    repo.image("v1")
    ident = boss.post("repository/boss/app/immutabilitypolicy/", {"tagPattern": "^v"}).json["uuid"]

    found = boss.get("repository/boss/app/tag/v1/lifecycle").json
    assert found["pinned_by"] == {
        "rule": "immutable-policy",
        "text": "an immutability policy covers the tag",
        "source": ident,
    }
    assert (found["ends"], found["gone_at"]) == (None, None)


def test_a_manifest_says_what_holds_it(boss: Caller, repo: Repo) -> None:
    digest, _ = repo.image("v1")

    found = boss.get(f"repository/boss/app/manifest/{digest}/lifecycle").json
    tag = {"rule": "tag", "effect": "keep", "text": "a tag names it", "at": None, "source": "v1"}
    assert found == {"manifest_digest": digest, "kept_by": tag, "gone_at": None, "reasons": [tag]}


@pytest.mark.parametrize(
    "path", ["tag/never/lifecycle", "manifest/sha256:00/lifecycle", "manifest/v1/lifecycle"]
)
def test_what_is_not_there_is_404(boss: Caller, repo: Repo, path: str) -> None:
    repo.image("v1")

    result = boss.get(f"repository/boss/app/{path}")
    assert (result.status_code, result.json["error_type"]) == (404, "not_found")


def test_what_was_deleted_by_its_digest_is_told_to_those_who_may_bring_it_back(
    api: ApiWorld, boss: Caller, repo: Repo
) -> None:
    digest, _ = repo.image("v1")
    boss.post("repository/boss/app/changevisibility", {"visibility": "public"})
    path = f"repository/boss/app/manifest/{digest}/lifecycle"
    reader = api.user("reader")
    assert reader.get(path).status_code == 200
    assert repo.delete(f"manifests/{digest}").status_code == 202

    assert boss.get(path).status_code == 200
    assert (reader.get(path).status_code, api.bare.get(path).status_code) == (404, 404)


def test_who_may_not_read_the_repository_is_told_nothing(api: ApiWorld, repo: Repo) -> None:
    repo.image("v1")
    api.registry.repositories.set_visibility(
        api.registry.accounts.principal(api.registry.accounts.get("boss")), repo.path, "private"
    )

    assert api.user("other").get("repository/boss/app/tag/v1/lifecycle").status_code == 403
    assert api.bare.get("repository/boss/app/tag/v1/lifecycle").status_code == 401
