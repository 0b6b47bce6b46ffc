"""The recycle bin over the API."""

from __future__ import annotations

import json

import pytest
from api_client import ApiWorld
from api_faults import FORBIDDEN, MISSING, kind, plain, typed
from recycle_world import Bin

from quayframe.data.tables import EventRow

GONE = {401, 403, 404}


@pytest.fixture
def world(api: ApiWorld) -> Bin:
    return Bin(api)


# -- the operations -----------------------------------------------------------------------------------


def test_a_deleted_repository_is_listed_and_comes_back(world: Bin) -> None:
    before = world.owner.get("repository/acme/app").json
    ident = world.delete_app()
    (entry,) = world.owner.get("recyclebin/repositories", params={"namespace": "acme"}).json["repositories"]
    assert set(entry) == {"uuid", "namespace", "name", "tags", "deleted", "ends"}
    assert (entry["namespace"], entry["name"], entry["tags"]) == ("acme", "app", 1)
    assert entry["deleted"] < entry["ends"]

    back = world.undelete("repositories", ident)
    assert (back.status_code, back.json) == (200, {"namespace": "acme", "name": "app"})
    assert world.owner.get("repository/acme/app").json == before
    assert world.owner.get("recyclebin/repositories", params={"namespace": "acme"}).json == {
        "repositories": []
    }
    assert kind(world.undelete("repositories", ident)) == MISSING


def test_a_taken_name_is_409_and_another_one_does(world: Bin) -> None:
    ident = world.delete_app()
    world.push("app")
    status, text = plain(world.undelete("repositories", ident))
    assert (status, text) == (409, "there is a repository acme/app: choose another name")
    assert typed(world.undelete("repositories", ident, name="No Name"))[:2] == (400, "invalid_request")
    assert world.undelete("repositories", ident, name="app-old").json["name"] == "app-old"


def test_a_deleted_organization_is_listed_and_comes_back(world: Bin) -> None:
    before = world.owner.get("organization/acme").json
    ident = world.delete()
    (entry,) = world.owner.get("recyclebin/organizations").json["organizations"]
    assert set(entry) == {"uuid", "name", "name_released", "repositories", "deleted", "ends"}
    assert (entry["name"], entry["name_released"], entry["repositories"]) == ("acme", False, 2)
    assert world.api.admin.get("recyclebin/organizations").json["organizations"] == [entry]
    assert world.dev.get("recyclebin/organizations").json == {"organizations": []}

    assert world.undelete("organizations", ident).json == {"name": "acme"}
    assert world.owner.get("organization/acme").json == before
    assert world.owner.get("recyclebin/organizations").json == {"organizations": []}


def test_a_superuser_releases_the_name_of_an_organization(world: Bin) -> None:
    ident = world.delete()
    release = f"recyclebin/organizations/{ident}/release"
    assert typed(world.owner.post(release)) == FORBIDDEN
    assert world.dev.post("organization/", {"name": "acme"}).status_code == 400
    assert world.api.admin.post(release).status_code == 204

    (entry,) = world.owner.get("recyclebin/organizations").json["organizations"]
    assert (entry["name"], entry["name_released"]) == ("acme", True)
    assert world.dev.post("organization/", {"name": "acme"}).status_code == 201
    status, text = plain(world.undelete("organizations", ident))
    assert (status, "choose another name" in text) == (409, True)
    assert world.undelete("organizations", ident, name="acme-old").json == {"name": "acme-old"}
    robot = world.owner.get("organization/acme-old/robots/bot").json
    assert (robot["name"], robot["token"]) == ("acme-old+bot", world.robot)


def test_users_find_what_they_deleted_themselves(world: Bin) -> None:
    body = {"repository": "mine", "visibility": "private", "description": ""}
    assert world.dev.post("repository", body).status_code == 201
    assert world.dev.delete("repository/dev/mine").status_code == 204
    (entry,) = world.dev.get("recyclebin/repositories").json["repositories"]
    assert entry["name"] == "mine"
    assert typed(world.owner.get("recyclebin/repositories", params={"namespace": "dev"})) == FORBIDDEN
    assert typed(world.undelete("repositories", entry["uuid"])) == FORBIDDEN
    assert world.undelete("repositories", entry["uuid"], world.dev).status_code == 200


def test_long_lists_have_pages(world: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.registry.content.recycle_bin
    whole = service.repositories
    monkeypatch.setattr(service, "repositories", lambda *a, **k: whole(*a, **k, limit=1))
    for name in ("app", "open"):
        assert world.owner.delete(f"repository/acme/{name}").status_code == 204
    found, query = [], {"namespace": "acme"}
    while True:
        page = world.owner.get("recyclebin/repositories", params=query).json
        found += [one["name"] for one in page["repositories"]]
        if "next_page" not in page:
            break
        query["next_page"] = page["next_page"]
    assert found == ["open", "app"]


@pytest.mark.parametrize("kind", ["repositories", "organizations"])
def test_a_dry_run_says_what_would_come_back(world: Bin, kind: str) -> None:
    ident = world.delete_app() if kind == "repositories" else world.delete()
    result = world.undelete(kind, ident, dry_run="1")
    told = [(one["kind"], one["metadata"]["deleted_name"]) for one in result.json["events"]]
    expected = ("undelete_repo", "app") if kind == "repositories" else ("org_undelete", "acme")
    assert told == [expected]
    assert world.owner.get("repository/acme/app").status_code in GONE


def test_it_is_logged_by_whom_something_was_brought_back(world: Bin) -> None:
    world.undelete("repositories", world.delete_app())
    rows = world.registry.db.rows(EventRow.select(EventRow.data).where(EventRow.kind == "undelete_repo"))
    (event,) = [json.loads(data) for (data,) in rows]
    assert (event["namespace"], event["repository"], event["performer"]) == ("acme", "app", "owner")
