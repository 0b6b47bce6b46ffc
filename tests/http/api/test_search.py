"""Search and entities: what is found, by whom, and in which shape."""

from __future__ import annotations

import time
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller
from api_faults import kind
from repository_world import create, grant, owner

REPOSITORY = {"kind", "title", "namespace", "name", "description", "is_public", "score", "href"}


@pytest.fixture
def ann(api: ApiWorld) -> Caller:
    return owner(api)


def found(caller: Caller, query: str) -> list[str]:
    result = caller.get("find/repositories", params={"query": query})
    assert result.status_code == 200, result.text
    return [f"{r['namespace']['name']}/{r['name']}" for r in result.json["results"]]


def everything(caller: Caller, query: str) -> list[dict[str, Any]]:
    result = caller.get("find/all", params={"query": query})
    assert result.status_code == 200, result.text
    results: list[dict[str, Any]] = result.json["results"]
    return results


def names(results: list[dict[str, Any]], kind: str) -> list[str]:
    return [one["name"] for one in results if one["kind"] == kind]


def entities(caller: Caller, prefix: str, **asked: str) -> list[dict[str, Any]]:
    result = caller.get(f"entities/{prefix}", params=asked)
    assert result.status_code == 200, result.text
    results: list[dict[str, Any]] = result.json["results"]
    return results


# -- repositories -------------------------------------------------------------------------------------


def test_a_repository_that_was_found(ann: Caller) -> None:
    for path in ("find/repositories", "find/all"):
        hit = ann.get(path, params={"query": "open"}).json["results"][0]
        namespace = hit["namespace"]

        assert set(hit) == REPOSITORY
        assert (hit["kind"], hit["title"], hit["name"]) == ("repository", "repo", "open")
        assert (hit["is_public"], hit["href"]) == (True, "/repository/ann/open")
        assert isinstance(hit["score"], float)
        assert set(namespace) == {"kind", "title", "name", "avatar", "score", "href"}
        assert (namespace["kind"], namespace["title"], namespace["score"]) == ("user", "user", 1)
        assert (namespace["href"], namespace["avatar"]["kind"]) == ("/user/ann", "user")


def test_the_namespace_of_an_organizations_repository(api: ApiWorld) -> None:
    boss = api.user("boss")
    boss.post("organization/", {"name": "org", "email": "org@example.com"})
    create(boss, namespace="org")
    namespace = boss.get("find/repositories", params={"query": "app"}).json["results"][0]["namespace"]

    assert (namespace["kind"], namespace["title"], namespace["href"]) == (
        "organization",
        "org",
        "/organization/org",
    )
    assert namespace["avatar"]["kind"] == "org"


def test_only_what_may_be_seen_is_found(api: ApiWorld, ann: Caller) -> None:
    bob = api.user("bob")

    assert found(ann, "") == ["ann/app", "ann/open"]
    assert found(bob, "") == found(api.anonymous, "") == ["ann/open"]
    grant(api, "bob", "ann/app", "read")
    assert found(bob, "app") == ["ann/app"]
    assert found(api.oauth("ann", "user:admin"), "") == ["ann/open"]
    assert names(everything(api.anonymous, "app"), "repository") == []


def test_the_nearest_comes_first(ann: Caller) -> None:
    for name in ("my-app", "app-server", "zzz"):
        create(ann, name)
    ann.put("repository/ann/zzz", {"description": "has an App in it"})

    assert found(ann, "app") == ["ann/app", "ann/app-server", "ann/my-app", "ann/zzz"]
    assert found(ann, "ann/app") == ["ann/app", "ann/app-server", "ann/my-app"]
    assert found(ann, "APP")[0] == "ann/app"


@pytest.mark.parametrize("query", ["%", "_", "\\", "'", "a%p", "[a]", "é" * 300, "x" * 3000, "*"])
def test_no_character_is_a_wildcard(ann: Caller, query: str) -> None:
    assert found(ann, query) == []
    assert entities(ann, "a%25") == []
    assert entities(ann, "_nn") == []


def test_results_come_in_pages_that_count_from_one(make_api: ApiMaker) -> None:
    api = make_api(SEARCH_RESULTS_PER_PAGE=2, SEARCH_MAX_RESULT_PAGE_COUNT=2)
    ann = api.user("ann")
    for number in range(6):
        create(ann, f"r{number}")
    pages = [
        ann.get("find/repositories", params={"query": "r", "page": p}).json for p in ("1", "2", "3", "0")
    ]
    shown = [[r["name"] for r in page.pop("results")] for page in pages]

    assert shown == [["r0", "r1"], ["r2", "r3"], ["r2", "r3"], ["r0", "r1"]]
    assert pages[0] == {"has_additional": True, "page": 1, "page_size": 2, "start_index": 0}
    # Further pages there are none.
    assert pages[1] == pages[2] == {"has_additional": False, "page": 2, "page_size": 2, "start_index": 2}
    assert ann.get("find/repositories", params={"page": "x"}).status_code == 400
    assert ann.get("find/repositories", params={"page": "9" * 30}).status_code == 200


def test_use_is_told_to_who_asks(api: ApiWorld) -> None:
    principal = api.protocol.user("ann")
    api.protocol.repo(principal, "app").image("latest")
    ann = api.session("ann")
    ann.post("user/starred", {"namespace": "ann", "repository": "app"})
    (hit,) = ann.get("find/repositories", params={"query": "app", "includeUsage": "true"}).json["results"]

    assert set(hit) == REPOSITORY | {"last_modified", "stars", "popularity"}
    assert (hit["stars"], hit["popularity"]) == (1, 0.0)
    assert abs(hit["last_modified"] - time.time()) < 60


# -- everything ---------------------------------------------------------------------------------------


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of `acme`, with team, robots and a repository, all with acme in their names."""
    boss = api.user("boss")
    boss.post("organization/", {"name": "acme", "email": "acme@example.com"})
    boss.put("organization/acme/team/acme-devs", {"role": "member"})
    boss.put("organization/acme/robots/bot")
    boss.put("user/robots/acme-bot")
    create(boss, "acme-app", namespace="acme")
    return boss


def test_everything_is_found_at_once(boss: Caller) -> None:
    results = everything(boss, "acme")
    kinds = {one["kind"] for one in results}

    assert kinds == {"repository", "organization", "team", "robot"}
    assert [one["score"] for one in results] == sorted((one["score"] for one in results), reverse=True)
    by_kind = {one["kind"]: one for one in results if one["kind"] != "robot"}
    assert by_kind["team"]["href"] == "/organization/acme/teams/acme-devs"
    assert by_kind["team"]["namespace"]["name"] == "acme"
    assert by_kind["organization"]["href"] == "/organization/acme"
    assert names(results, "robot") == ["boss+acme-bot", "acme+bot"]
    robot = next(one for one in results if one["name"] == "acme+bot")
    assert robot["short_name"] == "bot"
    assert robot["avatar"]["kind"] == "robot"


def test_nothing_is_found_of_nothing(boss: Caller) -> None:
    assert everything(boss, "") == everything(boss, "  ") == []


def test_strangers_find_neither_teams_nor_robots(api: ApiWorld, boss: Caller) -> None:
    for caller in (api.user("ann"), api.anonymous, api.oauth("boss", "repo:read")):
        assert {one["kind"] for one in everything(caller, "acme")} <= {"organization", "repository"}
    assert names(everything(api.user("ann"), "acme"), "repository") == []


def test_members_find_their_teams_and_not_the_robots(api: ApiWorld, boss: Caller) -> None:
    ann = api.user("ann")
    boss.put("organization/acme/team/acme-devs/members/ann")
    results = everything(ann, "acme")

    assert names(results, "team") == ["acme-devs"]
    assert names(results, "robot") == []


def test_a_deleted_organization_is_not_found(boss: Caller) -> None:
    boss.delete("organization/acme")

    assert [one["kind"] for one in everything(boss, "acme")] == ["robot"]


# -- entities -----------------------------------------------------------------------------------------


def test_users_are_found_by_the_first_letters(api: ApiWorld, boss: Caller) -> None:
    for name in ("ann", "annabel", "joann"):
        api.user(name)
    first, second = entities(boss, "ann")

    assert (first["name"], second["name"]) == ("ann", "annabel")
    assert set(first) == {"name", "kind", "is_robot", "avatar"}
    assert (first["kind"], first["is_robot"], first["avatar"]["kind"]) == ("user", False, "user")
    assert entities(boss, "acme") == []


def test_at_most_ten_are_found(api: ApiWorld) -> None:
    from quayframe.services.principal import SYSTEM

    for number in range(12):
        api.registry.accounts.create_user(SYSTEM, f"user{number:02}", None)

    assert [one["name"] for one in entities(api.user("ann"), "user")] == [f"user{n:02}" for n in range(10)]


def test_of_an_organization_its_people_are_told_apart(api: ApiWorld, boss: Caller) -> None:
    api.user("bobby")
    found = entities(boss, "bo", namespace="acme")

    assert [(one["name"], one["is_robot"], one["is_org_member"]) for one in found] == [
        ("acme+bot", True, True),
        ("bobby", False, False),
        ("boss", False, True),
    ]
    assert found[0]["avatar"]["kind"] == "robot"


@pytest.mark.parametrize("prefix", ["acme+", "acme+b", "acme+bot"])
def test_robots_are_found_by_their_short_names_alone(boss: Caller, prefix: str) -> None:
    assert entities(boss, prefix, namespace="acme") == []


def test_teams_and_the_organization_are_found_where_asked_for(api: ApiWorld, boss: Caller) -> None:
    asked = {"namespace": "acme", "includeTeams": "true", "includeOrgs": "true"}
    team, org = entities(boss, "acme", **asked)

    assert (team["kind"], team["name"], team["is_org_member"]) == ("team", "acme-devs", True)
    assert team["avatar"]["kind"] == "team"
    assert (org["kind"], org["name"], org["is_org_member"]) == ("org", "acme", True)
    assert "is_robot" not in team
    assert "is_robot" not in org
    for caller in (api.user("ann"), api.anonymous):
        assert entities(caller, "acme", **asked) == []
    assert entities(api.user("ann"), "bot", **asked) == []
    assert entities(boss, "acme", includeTeams="true", includeOrgs="true") == []


def test_own_robots_are_found_in_ones_own_namespace(api: ApiWorld, boss: Caller) -> None:
    (robot,) = entities(boss, "acme", namespace="boss")

    assert (robot["name"], robot["is_robot"]) == ("boss+acme-bot", True)
    assert "is_org_member" not in robot
    assert entities(api.user("ann"), "acme", namespace="boss") == []
    assert entities(api.oauth("boss", "repo:read"), "acme", namespace="boss") == []


def test_users_may_have_to_be_named_in_full(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_PARTIAL_USER_AUTOCOMPLETE=False)
    ann = api.user("ann")
    api.user("annabel")

    assert [one["name"] for one in entities(ann, "ann")] == ["ann"]
    assert entities(ann, "an") == []
    assert names(everything(ann, "annab"), "user") == []
    assert names(everything(ann, "annabel"), "user") == ["annabel"]


def test_there_is_nobody_outside_to_link(api: ApiWorld) -> None:
    assert kind(api.user("ann").post("entities/link/somebody")) == (400, "invalid_request")
    assert kind(api.anonymous.post("entities/link/somebody")) == (401, "invalid_token")


def test_where_nobody_is_let_in_nobody_searches(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_ANONYMOUS_ACCESS=False)
    ann = owner(api)

    for path in ("find/all?query=a", "find/repositories", "entities/a", "repository?public=true"):
        assert kind(api.anonymous.get(path)) == (401, "invalid_token")
    assert found(ann, "") == ["ann/app", "ann/open"]
    assert found(api.user("bob"), "") == ["ann/open"]
