"""Stars over the API."""

from __future__ import annotations

import pytest
from api_client import ApiWorld, Caller
from api_faults import FORBIDDEN, MISSING, NOBODY, kind, typed
from repository_world import create, grant, names, owner

from quayframe.data.tables import Permission
from quayframe.services import stars


@pytest.fixture
def ann(api: ApiWorld) -> Caller:
    return owner(api)


def star(caller: Caller, name: str = "app", namespace: str = "ann") -> tuple[int, object]:
    result = caller.post("user/starred", {"namespace": namespace, "repository": name})
    return result.status_code, result.json


def test_a_repository_is_starred_once(ann: Caller) -> None:
    for _ in range(2):
        assert star(ann) == (201, {"namespace": "ann", "repository": "app"})

    assert ann.get("user/starred").json == {
        "repositories": [{"namespace": "ann", "name": "app", "description": "", "is_public": False}]
    }
    (listed,) = ann.get("repository", params={"starred": "true"}).json["repositories"]
    assert (listed["name"], listed["is_starred"], listed["state"]) == ("app", True, "NORMAL")
    assert ann.get("repository/ann/app").json["is_starred"] is True
    assert ann.get("repository/ann/open").json["is_starred"] is False


def test_stars_are_taken_away(ann: Caller) -> None:
    star(ann)
    for path in ("ann/app", "ann/app", "ann/nothing", "nowhere/app", "ann/No"):
        assert ann.delete(f"user/starred/{path}").status_code == 204

    assert ann.get("user/starred").json == {"repositories": []}


def test_everybody_has_stars_of_his_own(api: ApiWorld, ann: Caller) -> None:
    star(ann, "open")
    bob = api.user("bob")

    assert bob.get("user/starred").json == {"repositories": []}
    assert bob.get("repository/ann/open").json["is_starred"] is False


def test_what_cannot_be_seen_is_not_starred(api: ApiWorld, ann: Caller) -> None:
    bob = api.user("bob")

    for name in ("app", "nothing", "No Name"):
        assert star(bob, name)[0] == 403
    assert star(bob, "open")[0] == 201
    result = ann.post("user/starred", {"namespace": "ann", "repository": "nothing"})
    assert kind(result) == MISSING


def test_a_star_on_what_cannot_be_seen_any_more_is_not_shown(api: ApiWorld, ann: Caller) -> None:
    bob = api.user("bob")
    grant(api, "bob", "ann/app", "read")
    star(bob)
    api.registry.db.write(lambda tx: tx.run(Permission.delete()))

    assert bob.get("user/starred").json == {"repositories": []}
    assert names(bob.get("repository", params={"starred": "true"})) == []


def test_a_star_goes_with_its_repository(ann: Caller) -> None:
    star(ann)
    ann.delete("repository/ann/app")

    assert ann.get("user/starred").json == {"repositories": []}


def test_stars_need_somebody(api: ApiWorld, ann: Caller) -> None:
    assert typed(api.anonymous.get("user/starred")) == NOBODY
    assert typed(api.oauth("ann", "repo:read").get("user/starred")) == FORBIDDEN
    assert api.oauth("ann", "user:admin repo:read").get("user/starred").status_code == 200


@pytest.mark.parametrize("body", [{}, {"namespace": "ann"}, {"namespace": "ann", "repository": 5}])
def test_a_bad_body_is_told(ann: Caller, body: object) -> None:
    assert kind(ann.post("user/starred", body)) == (400, "invalid_request")


def test_many_stars_come_in_pages_in_the_order_of_starring(
    ann: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(stars, "PAGE", 2)
    wanted = ["r2", "r0", "r1"]
    for name in sorted(wanted):
        create(ann, name)
    for name in wanted:
        star(ann, name)
    first = ann.get("user/starred").json
    last = ann.get("user/starred", params={"next_page": first["next_page"]}).json

    assert [r["name"] for r in first["repositories"] + last["repositories"]] == wanted
    assert "next_page" not in last
