"""Auto-prune policies over the API: of an organization, a repository, one's own namespace."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller

from quayframe.data.tables import EventRow

KEEP: dict[str, Any] = {"method": "number_of_tags", "value": 5}
AGE: dict[str, Any] = {
    "method": "creation_date",
    "value": "2w",
    "tagPattern": "^v",
    "tagPatternMatches": False,
}
OWNERS = {
    "organization": "organization/acme/autoprunepolicy/",
    "repository": "repository/acme/app/autoprunepolicy/",
    "user": "user/autoprunepolicy/",
}
Place = tuple[Caller, str]


@pytest.fixture
def api(make_api: ApiMaker) -> ApiWorld:
    made = make_api(FEATURE_AUTO_PRUNE=True, FEATURE_IMMUTABLE_TAGS=True)
    boss = made.user("boss")
    assert boss.post("organization/", {"name": "acme", "email": "acme@example.com"}).status_code == 201
    body = {"namespace": "acme", "repository": "app", "visibility": "private", "description": ""}
    assert boss.post("repository", body).status_code == 201
    return made


@pytest.fixture(params=OWNERS)
def place(api: ApiWorld, request: pytest.FixtureRequest) -> Place:
    """(who may, the path of the list)."""
    return api.user("boss"), OWNERS[request.param]


def policies(place: Place) -> list[dict[str, Any]]:
    caller, path = place
    result = caller.get(path)
    assert result.status_code == 200
    found: list[dict[str, Any]] = result.json["policies"]
    return found


def made(place: Place, body: dict[str, Any]) -> str:
    caller, path = place
    result = caller.post(path, body)
    assert (result.status_code, set(result.json)) == (201, {"uuid"}), result.text
    return str(result.json["uuid"])


def test_policies_are_listed_in_the_order_of_making_with_all_they_say(place: Place) -> None:
    first, second = made(place, KEEP), made(place, AGE)

    assert policies(place) == [
        {"uuid": first, **KEEP, "tagPattern": None, "tagPatternMatches": True},
        {"uuid": second, **AGE},
    ]
    caller, path = place
    assert caller.get(f"{path}{second}").json == {"uuid": second, **AGE}


def test_a_policy_is_changed_and_taken_away(place: Place) -> None:
    caller, path = place
    ident = made(place, KEEP)

    changed = caller.put(f"{path}{ident}", AGE)
    assert (changed.status_code, changed.content) == (204, b"")
    assert policies(place) == [{"uuid": ident, **AGE}]
    assert caller.put(f"{path}{ident}", AGE).status_code == 204
    gone = caller.delete(f"{path}{ident}")
    assert (gone.status_code, gone.json) == (200, {"uuid": ident})
    assert policies(place) == []
    for again in (
        caller.delete(f"{path}{ident}"),
        caller.put(f"{path}{ident}", KEEP),
        caller.get(path + ident),
    ):
        assert (again.status_code, again.json["error_type"]) == (404, "not_found")


def test_the_same_policy_is_not_made_twice(place: Place) -> None:
    caller, path = place
    ident, other = made(place, KEEP), made(place, AGE)
    word = "repository" if "repository" in path else "namespace"

    for result in (caller.post(path, KEEP), caller.put(f"{path}{other}", KEEP)):
        assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
        assert result.json["error_message"] == (
            f"Existing policy with same values for this {word}, duplicate policies are not permitted"
        )
    assert [one["uuid"] for one in policies(place)] == [ident, other]


def test_a_namespace_and_its_repository_may_say_the_same(api: ApiWorld) -> None:
    boss = api.user("boss")
    made((boss, OWNERS["organization"]), KEEP)
    made((boss, OWNERS["repository"]), KEEP)
    made((boss, OWNERS["user"]), KEEP)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"method": "whim", "value": 5}, "Invalid method provided"),
        ({"method": "number_of_tags", "value": "5"}, "Invalid value given for method type"),
        ({"method": "number_of_tags", "value": 0}, "Invalid value given for method type"),
        ({"method": "number_of_tags", "value": -1}, "Invalid value given for method type"),
        ({"method": "number_of_tags", "value": 2**63}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": 5}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": "2y"}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": "0d"}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": "w"}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": "999999999w"}, "Invalid value given for method type"),
        ({"method": "creation_date", "value": "2w\n"}, "Invalid value given for method type"),
        ({"value": 5}, "'method' is a required property"),
        ({"method": "number_of_tags"}, "'value' is a required property"),
        (KEEP | {"tagPattern": "("}, "Invalid regex pattern: missing ): ("),
        (KEEP | {"tagPatternMatches": "yes"}, "'yes' is not of type 'boolean'"),
    ],
)
def test_what_is_no_policy_is_refused(api: ApiWorld, body: dict[str, Any], text: str) -> None:
    boss, path = api.user("boss"), OWNERS["repository"]
    ident = made((boss, path), AGE)

    for result in (boss.post(path, body), boss.put(f"{path}{ident}", body), boss.post(f"{path}dryrun", body)):
        assert (result.status_code, result.json["error_type"]) == (400, "invalid_request")
        assert result.json["error_message"] == text


def test_a_policy_is_found_by_its_owner_alone(api: ApiWorld) -> None:
    boss = api.user("boss")
    ident = made((boss, OWNERS["organization"]), KEEP)

    for path in (OWNERS["repository"], OWNERS["user"]):
        assert boss.get(f"{path}{ident}").status_code == 404
        assert boss.put(f"{path}{ident}", AGE).status_code == 404
        assert boss.delete(f"{path}{ident}").status_code == 404


def test_there_is_a_bound_to_the_number_of_policies(api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quayframe.services.policies.MOST", 1)
    boss = api.user("boss")
    made((boss, OWNERS["user"]), KEEP)

    assert boss.post(OWNERS["user"], AGE).status_code == 400


def test_each_change_is_an_event(api: ApiWorld) -> None:
    boss = api.user("boss")
    for path in (OWNERS["organization"], OWNERS["repository"]):
        ident = made((boss, path), KEEP)
        boss.put(f"{path}{ident}", AGE)
        boss.delete(f"{path}{ident}")

    rows = api.registry.db.rows(EventRow.select(EventRow.kind).order_by(EventRow.id))
    assert [kind for (kind,) in rows if "policy" in kind] == [
        f"{verb}_{word}_autoprune_policy"
        for word in ("namespace", "repository")
        for verb in ("create", "update", "delete")
    ]


def test_the_paths_are_not_there_with_the_feature_off(make_api: ApiMaker) -> None:
    api = make_api()

    assert api.user("somebody").get(OWNERS["user"]).status_code == 404


def test_a_dry_run_of_a_new_and_of_a_stored_policy_lists_every_victim(api: ApiWorld) -> None:
    boss = api.user("boss")
    principal = api.registry.accounts.principal(api.registry.accounts.get("boss"))
    repo = api.protocol.repo(principal, "mine")
    digests = [repo.image(f"v{number}")[0] for number in range(5)]
    path = OWNERS["user"]
    body = {"method": "number_of_tags", "value": 2}
    ident = made((boss, path), body)

    def pages(ask: Any) -> list[dict[str, Any]]:
        found, params = [], {"limit": "2"}
        while True:
            result = ask(params)
            assert result.status_code == 200, result.text
            assert len(result.json["victims"]) <= 2
            found += result.json["victims"]
            if "next_page" not in result.json:
                return found
            params["next_page"] = result.json["next_page"]

    unsaved = pages(lambda params: boss.post(f"{path}dryrun", body, params=params))
    stored = pages(lambda params: boss.get(f"{path}{ident}/victims", params=params))
    assert [one["tag"] for one in stored] == ["v2", "v1", "v0"]
    assert stored[2] == {
        "repository": "boss/mine",
        "tag": "v0",
        "manifest_digest": digests[0],
        "start_ts": stored[2]["start_ts"],
        "rule": "prune",
        "policy": ident,
    }
    assert unsaved == [one | {"policy": None} for one in stored]
    assert len(repo.tags()) == 5
    assert boss.get(f"{path}{ident}/victims", params={"next_page": "x"}).status_code == 400
    assert boss.get(f"{path}{ident}/victims", params={"limit": "0"}).status_code == 400
