"""Repositories over the API: made, changed, deleted."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld, Caller, Result
from api_faults import FORBIDDEN, MISSING, NOBODY, kind, typed
from repository_world import create, grant, names, owner

from quayframe.data.tables import Account, EventRow, Permission
from quayframe.errors import NameUnknown
from quayframe.oci.names import RepositoryName
from quayframe.services.clock import now_ms
from quayframe.services.repositories import LONGEST_DESCRIPTION


@pytest.fixture
def ann(api: ApiWorld) -> Caller:
    return owner(api)


def test_a_repository_is_made_in_ones_own_namespace(api: ApiWorld) -> None:
    result = create(api.user("ann"), "app/deep/er")

    assert result.status_code == 201
    assert result.json == {"namespace": "ann", "name": "app/deep/er", "kind": "image"}
    assert "location" not in result.headers


def test_a_name_that_is_taken_is_told(ann: Caller) -> None:
    assert typed(create(ann)) == (400, "invalid_request", "Repository already exists")


@pytest.mark.parametrize("name", ["App", "a b", "", "a/", "/a", "a//b", "-a", ".a", "a..b", "x" * 256, "ä"])
def test_a_bad_name_is_told(api: ApiWorld, name: str) -> None:
    assert typed(create(api.user("ann"), name)) == (400, "invalid_request", "Invalid repository name")


def test_the_longest_name_is_taken(api: ApiWorld) -> None:
    longest = "x" * (255 - len("ann/"))

    assert create(api.user("ann"), longest).status_code == 201
    assert typed(create(api.user("ann"), longest + "x"))[2] == "Invalid repository name"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"visibility": "secret"}, "'secret' is not one of ['public', 'private']"),
        ({"repo_kind": "application"}, "'application' is not one of ['image']"),
        ({"description": 5}, "5 is not of type 'string'"),
        ({"repository": None}, "None is not of type 'string'"),
    ],
)
def test_a_bad_body_is_told(api: ApiWorld, change: dict[str, Any], text: str) -> None:
    assert typed(create(api.user("ann"), **change)) == (400, "invalid_request", text)


@pytest.mark.parametrize("key", ["repository", "visibility", "description"])
def test_what_is_missing_is_named(api: ApiWorld, key: str) -> None:
    body = {"repository": "app", "visibility": "private", "description": ""}
    del body[key]

    assert typed(api.user("ann").post("repository", body))[2] == f"'{key}' is a required property"


@pytest.mark.parametrize("namespace", ["bob", "nowhere", "No Such", "x", "bob+bot"])
def test_elsewhere_nobody_makes_repositories(api: ApiWorld, namespace: str) -> None:
    api.user("bob")

    for caller in (api.user("ann"), api.admin):
        assert typed(create(caller, namespace=namespace)) == FORBIDDEN


def test_a_token_needs_the_scope_to_make_repositories(api: ApiWorld) -> None:
    assert typed(create(api.oauth("ann", "repo:read repo:write repo:admin"))) == FORBIDDEN
    assert create(api.oauth("ann", "repo:create")).status_code == 201


def test_nobody_makes_no_repository(api: ApiWorld) -> None:
    assert typed(create(api.anonymous)) == NOBODY


def test_a_superuser_with_full_access_makes_repositories_everywhere(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_SUPERUSERS_FULL_ACCESS=True)
    api.user("ann")

    assert create(api.admin, namespace="ann").json == {"namespace": "ann", "name": "app", "kind": "image"}


def test_of_two_who_make_one_name_at_once_one_makes_it(api: ApiWorld) -> None:
    api.user("ann")
    callers = [api.session("ann") for _ in range(4)]
    results: list[Result] = []
    gate = threading.Barrier(len(callers))

    def run(caller: Caller) -> None:
        gate.wait(10)
        results.append(create(caller))

    threads = [threading.Thread(target=run, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(result.status_code for result in results) == [201, 400, 400, 400]
    made = api.registry.db.rows(EventRow.select(EventRow.id).where(EventRow.kind == "create_repo"))
    assert len(made) == 1


def test_whoever_makes_a_repository_of_an_organization_is_its_admin(api: ApiWorld) -> None:
    boss = api.user("boss")
    boss.post("organization/", {"name": "org", "email": "org@example.com"})
    boss.put("organization/org/team/makers", {"role": "creator"})
    api.user("ann")
    boss.put("organization/org/team/makers/members/ann")
    boss.post("organization/org/prototypes", {"role": "read", "delegate": {"kind": "team", "name": "makers"}})

    assert create(api.user("ann"), namespace="org").status_code == 201

    shown = boss.get("repository/org/app/permissions/user/").json["permissions"]
    assert {name: entry["role"] for name, entry in shown.items()} == {"ann": "admin"}
    teams = boss.get("repository/org/app/permissions/team/").json["permissions"]
    assert {name: entry["role"] for name, entry in teams.items()} == {"makers": "read"}


def test_a_description_is_changed(ann: Caller) -> None:
    result = ann.put("repository/ann/app", {"description": "# neu\n"})

    assert (result.status_code, result.json) == (200, {"success": True})
    assert ann.get("repository/ann/app").json["description"] == "# neu\n"
    assert kind(ann.put("repository/ann/app", {})) == (400, "invalid_request")
    assert kind(ann.put("repository/ann/app", {"description": None})) == (400, "invalid_request")
    assert kind(ann.put("repository/ann/nothing", {"description": ""})) == MISSING


def test_a_description_is_no_longer_than_a_list_can_bear(api: ApiWorld, ann: Caller) -> None:
    """A list has a hundred of them, for everybody who asks."""
    longest = "ä" * LONGEST_DESCRIPTION
    assert ann.put("repository/ann/app", {"description": longest}).status_code == 200

    for result in (
        ann.put("repository/ann/app", {"description": longest + "x"}),
        create(ann, "more", description=longest + "x"),
    ):
        assert typed(result)[2] == "a description has at most 25000 characters"


def test_a_reader_changes_nothing_and_a_writer_the_description(api: ApiWorld, ann: Caller) -> None:
    bob = api.user("bob")
    grant(api, "bob", "ann/app", "read")
    assert typed(bob.put("repository/ann/app", {"description": "x"})) == FORBIDDEN

    api.registry.db.write(lambda tx: tx.run(Permission.update(role="write")))
    assert bob.put("repository/ann/app", {"description": "x"}).status_code == 200
    assert typed(bob.post("repository/ann/app/changevisibility", {"visibility": "public"})) == FORBIDDEN
    assert typed(bob.post("repository/ann/app/changetrust", {"trust_enabled": True})) == FORBIDDEN
    assert typed(bob.delete("repository/ann/app")) == FORBIDDEN


def test_visibility_is_changed(api: ApiWorld, ann: Caller) -> None:
    result = ann.post("repository/ann/app/changevisibility", {"visibility": "public"})

    assert (result.status_code, result.json) == (200, {"success": True})
    assert api.anonymous.get("repository/ann/app").status_code == 200
    bad = ann.post("repository/ann/app/changevisibility", {"visibility": "secret"})
    assert kind(bad) == (400, "invalid_request")
    missing = ann.post("repository/ann/nothing/changevisibility", {"visibility": "public"})
    assert kind(missing) == MISSING


def test_trust_is_noted(ann: Caller) -> None:
    result = ann.post("repository/ann/app/changetrust", {"trust_enabled": True})

    assert (result.status_code, result.json) == (200, {"success": True})
    assert ann.get("repository/ann/app").json["trust_enabled"] is True


def test_the_state_cannot_be_changed_while_its_feature_is_off(ann: Caller) -> None:
    result = ann.put("repository/ann/app/changestate", {"state": "READ_ONLY"})

    assert kind(result) == MISSING


def test_a_read_only_repository_is_pulled_but_not_pushed(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_REPO_MIRROR=True)
    principal = api.protocol.user("ann")
    repo, ann = api.protocol.repo(principal, "app"), api.session("ann")
    repo.image("latest")
    result = ann.put("repository/ann/app/changestate", {"state": "READ_ONLY"})

    assert (result.status_code, result.json) == (200, {"success": True})
    shown = ann.get("repository/ann/app").json
    assert (shown["state"], shown["can_write"], shown["can_admin"]) == ("READ_ONLY", False, True)
    assert repo.get("manifests/latest").status_code == 200
    assert repo.do("POST", "blobs/uploads/").status_code in (401, 403, 405)
    assert kind(ann.put("repository/ann/app/changestate", {"state": "MIRROR"})) == (400, "invalid_request")
    assert kind(ann.put("repository/ann/app/changestate", {"state": "gone"})) == (400, "invalid_request")
    ann.put("repository/ann/app/changestate", {"state": "NORMAL"})
    assert ann.get("repository/ann/app").json["can_write"] is True


def test_a_deleted_repository_is_gone_at_once_and_its_name_free(ann: Caller) -> None:
    assert ann.delete("repository/ann/app").status_code == 204

    assert kind(ann.get("repository/ann/app")) == MISSING
    assert names(ann.get("repository", params={"namespace": "ann"})) == ["ann/open"]
    assert kind(ann.delete("repository/ann/app")) == MISSING
    assert create(ann).status_code == 201


def test_what_was_done_is_in_the_log(api: ApiWorld, ann: Caller) -> None:
    ann.put("repository/ann/app", {"description": "x"})
    ann.post("repository/ann/app/changevisibility", {"visibility": "public"})
    ann.delete("repository/ann/app")
    account = api.registry.accounts.get("ann")
    mine = (EventRow.performer == account.id) & (EventRow.namespace == account.id)
    kinds = [k for (k,) in api.registry.db.rows(EventRow.select(EventRow.kind).where(mine))]

    assert kinds[-3:] == ["set_repo_description", "change_repo_visibility", "delete_repo"]


def test_nothing_is_made_in_a_namespace_that_ends_at_the_same_moment(api: ApiWorld, ann: Caller) -> None:
    """The namespace's row decides, not what was read before."""
    account = api.registry.accounts.get("ann")
    stale = api.registry.access.namespace("ann")
    assert stale is not None
    api.registry.access.namespace = lambda name: stale  # type: ignore[method-assign]
    principal = api.registry.accounts.principal(account)
    api.registry.db.write(
        lambda tx: tx.run(Account.update(deleted_ms=now_ms()).where(Account.id == account.id))
    )
    with pytest.raises(NameUnknown):
        api.registry.repositories.create(principal, RepositoryName("ann", "late"), "private")
