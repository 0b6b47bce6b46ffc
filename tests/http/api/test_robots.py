"""Robots over the API: shapes and statuses, who sees the token, names at their borders."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_client import PASSWORD, ApiMaker, ApiWorld, Caller

from quayframe.data.tables import Account, EventRow
from quayframe.oci.names import RepositoryName
from quayframe.services.principal import SYSTEM

DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d -0000").fullmatch
TOKEN = re.compile(r"[A-Z0-9]{64}").fullmatch
UNKNOWN = {"message": "Could not find robot with specified username"}


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of the organization `acme`, in whose team `crew` the user `hand` is."""
    boss = api.user("boss")
    api.user("hand")
    assert boss.post("organization/", {"name": "acme"}).status_code == 201
    assert boss.put("organization/acme/team/crew", {"role": "member"}).status_code == 200
    assert boss.put("organization/acme/team/crew/members/hand").status_code == 200
    return boss


def _repository(api: ApiWorld, name: str, visibility: str = "private") -> None:
    api.registry.repositories.create(SYSTEM, RepositoryName("acme", name), visibility)


def _error(result: Any) -> tuple[int, str | None, str]:
    body = result.json
    return result.status_code, body.get("error_type"), body.get("detail") or body.get("message")


@pytest.mark.parametrize("base", ["user/robots", "organization/acme/robots"])
def test_a_robot_is_made_without_a_body(boss: Caller, base: str) -> None:
    result = boss.put(f"{base}/ci")

    assert result.status_code == 201
    assert "location" not in result.headers
    body = result.json
    assert set(body) == {
        "name", "created", "last_accessed", "description", "token", "unstructured_metadata",
    }  # fmt: skip
    assert body["name"] == ("boss+ci" if base.startswith("user") else "acme+ci")
    assert DATE(body["created"])
    assert TOKEN(body["token"])
    assert (body["last_accessed"], body["description"], body["unstructured_metadata"]) == (None, "", None)
    assert boss.get(f"{base}/ci").json == body
    assert boss.put(f"{base}/other", {}).status_code == 201


@pytest.mark.parametrize("base", ["user/robots", "organization/acme/robots"])
def test_description_and_metadata_are_kept(boss: Caller, base: str) -> None:
    metadata = {"owner": {"team": ["a", 1, None]}, "ünïcode": "✓"}
    made = boss.put(f"{base}/ci", {"description": "d" * 255, "unstructured_metadata": metadata}).json

    assert (made["description"], made["unstructured_metadata"]) == ("d" * 255, metadata)
    fresh = boss.post(f"{base}/ci/regenerate")
    assert fresh.status_code == 200
    assert set(fresh.json) == {"name", "created", "last_accessed", "description", "token"}
    assert fresh.json["token"] != made["token"]
    after = boss.get(f"{base}/ci").json
    assert after == made | {"token": fresh.json["token"]}


@pytest.mark.parametrize(
    "body",
    [
        {"description": "d" * 256},
        {"description": None},
        {"description": 5},
        {"unstructured_metadata": []},
        {"unstructured_metadata": "text"},
        [],
        "text",
    ],
)
def test_a_bad_body_is_refused_and_makes_nothing(boss: Caller, body: Any) -> None:
    assert _error(boss.put("user/robots/ci", body))[:2] == (400, "invalid_request")
    assert boss.get("user/robots").json == {"robots": []}


def test_a_body_that_is_no_json_is_refused(boss: Caller) -> None:
    result = boss.put("user/robots/ci", raw="{")

    assert (result.status_code, set(result.json)) == (400, {"message"})


def test_metadata_has_limits(boss: Caller) -> None:
    deep: Any = {}
    for _ in range(40):
        deep = {"a": deep}
    assert _error(boss.put("user/robots/ci", {"unstructured_metadata": deep}))[:2] == (400, "invalid_request")
    infinite = boss.put("user/robots/ci", raw='{"unstructured_metadata": {"a": 1e999}}')
    assert infinite.status_code == 400


@pytest.mark.parametrize("short", ["ab", "a" * 250, "a.b-c_d", "0x"])
def test_a_short_name_within_its_rules_is_taken(boss: Caller, short: str) -> None:
    assert boss.put(f"user/robots/{short}").status_code == 201
    assert boss.get(f"user/robots/{short}").json["name"] == f"boss+{short}"


@pytest.mark.parametrize(
    ("short", "rule"),
    [
        ("a", "Namespace must be between 2 and 255 characters in length"),
        ("a" * 256, "Namespace must be between 2 and 255 characters in length"),
        ("A1", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("a--b", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("-ab", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("ab%0a", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        ("boss+ci", "Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"),
        # The full name has to fit into 255 characters, which no table of another database would hold.
        ("a" * 251, "with its namespace it has more than 255 characters"),
    ],
)
def test_a_short_name_outside_its_rules_is_refused(boss: Caller, short: str, rule: str) -> None:
    status, kind, text = _error(boss.put(f"user/robots/{short}"))

    assert (status, kind) == (400, "invalid_request")
    assert text.startswith("The name for the robot '")
    assert text.endswith(f"' is invalid: {rule}")
    assert boss.get(f"user/robots/{short}").json == UNKNOWN


def test_a_robot_that_is_there_is_not_made_again(boss: Caller) -> None:
    first = boss.put("user/robots/ci", {"description": "one"}).json
    again = boss.put("user/robots/ci", {"description": "two"})

    assert _error(again) == (400, "invalid_request", "Existing robot with name: boss+ci")
    assert boss.get("user/robots/ci").json == first


@pytest.mark.parametrize("base", ["user/robots", "organization/acme/robots"])
@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("DELETE", ""), ("POST", "/regenerate"), ("GET", "/permissions"), ("GET", "/federation")],
)
def test_an_unknown_robot_is_told_plainly(boss: Caller, base: str, method: str, rest: str) -> None:
    result = boss.do(method, f"{base}/nobody{rest}")

    assert (result.status_code, result.json) == (400, UNKNOWN)


def test_a_deleted_robot_is_gone_with_its_grants_and_its_name_is_free(api: ApiWorld, boss: Caller) -> None:
    old = boss.put("organization/acme/robots/ci").json["token"]
    _repository(api, "app")
    boss.put("repository/acme/app/permissions/user/acme+ci", {"role": "write"})
    boss.put("organization/acme/team/crew/members/acme+ci")

    assert boss.delete("organization/acme/robots/ci").status_code == 204
    assert boss.delete("organization/acme/robots/ci").json == UNKNOWN
    assert boss.get("organization/acme/robots").json == {"robots": []}
    assert "acme+ci" not in boss.get("repository/acme/app/permissions/user/").json["permissions"]
    assert api.registry.tenancy.robots.check("acme+ci", old) is None

    again = boss.put("organization/acme/robots/ci")
    assert again.status_code == 201
    assert boss.get("organization/acme/robots/ci/permissions").json == {"permissions": []}
    listed = boss.get("organization/acme/robots", params={"permissions": "true"}).json["robots"][0]
    assert (listed["teams"], listed["repositories"]) == ([], [])


def test_a_list_has_what_was_asked_for(api: ApiWorld, boss: Caller) -> None:
    for short in ("one", "two", "three"):
        boss.put(f"organization/acme/robots/{short}", {"unstructured_metadata": {"a": 1}})
    _repository(api, "app/nested")
    boss.put("repository/acme/app/nested/permissions/user/acme+one", {"role": "read"})
    boss.put("organization/acme/team/crew/members/acme+one")
    path = "organization/acme/robots"

    plain = boss.get(path).json["robots"]
    assert [robot["name"] for robot in plain] == ["acme+one", "acme+two", "acme+three"]
    assert all(set(r) == {"name", "created", "last_accessed", "description", "token"} for r in plain)
    assert all("token" not in r for r in boss.get(path, params={"token": "false"}).json["robots"])
    full = boss.get(path, params={"permissions": "true", "token": "false"}).json["robots"]
    assert "token" not in full[0]
    assert full[0]["repositories"] == ["app/nested"]
    assert [team["name"] for team in full[0]["teams"]] == ["crew"]
    assert full[0]["teams"][0]["avatar"]["kind"] == "team"
    assert (full[1]["teams"], full[1]["repositories"]) == ([], [])
    newest = boss.get(path, params={"limit": "2"}).json
    assert set(newest) == {"robots"}
    assert [robot["name"] for robot in newest["robots"]] == ["acme+three", "acme+two"]
    assert boss.get(path, params={"limit": "0"}).json == {"robots": []}
    assert len(boss.get(path, params={"limit": str(2**70)}).json["robots"]) == 3


@pytest.mark.parametrize("query", [{"limit": "abc"}, {"limit": "-1"}, {"token": "maybe"}])
def test_a_bad_query_is_named(boss: Caller, query: dict[str, str]) -> None:
    result = boss.get("user/robots", params=query)

    assert result.status_code == 400
    assert set(result.json["message"]) == set(query)


def test_the_permissions_of_a_robot_are_those_on_living_repositories(api: ApiWorld, boss: Caller) -> None:
    boss.put("organization/acme/robots/ci")
    for name, visibility in (("app/one", "public"), ("two", "private"), ("gone", "private")):
        _repository(api, name, visibility)
        boss.put(f"repository/acme/{name}/permissions/user/acme+ci", {"role": "write"})
    api.registry.repositories.delete(SYSTEM, RepositoryName("acme", "gone"))

    result = boss.get("organization/acme/robots/ci/permissions")
    assert result.status_code == 200
    assert result.json == {
        "permissions": [
            {"repository": {"name": "app/one", "is_public": True}, "role": "write"},
            {"repository": {"name": "two", "is_public": False}, "role": "write"},
        ]
    }
    listed = boss.get("organization/acme/robots", params={"permissions": "true"}).json["robots"][0]
    assert listed["repositories"] == ["app/one", "two"]


def test_members_see_robots_without_tokens_and_strangers_none(api: ApiWorld, boss: Caller) -> None:
    boss.put("organization/acme/robots/ci")
    hand, stranger = api.user("hand"), api.user("stranger")

    listed = hand.get("organization/acme/robots", params={"token": "true", "permissions": "true"})
    assert listed.status_code == 200
    assert "token" not in listed.json["robots"][0]
    for caller, status in ((hand, 403), (stranger, 403), (api.bare, 401)):
        assert caller.get("organization/acme/robots/ci").status_code == status
        assert caller.get("organization/acme/robots/ci/permissions").status_code == status
        assert caller.get("organization/acme/robots/ci/credentials/rkt").status_code == status
    for caller in (hand, stranger):
        assert caller.put("organization/acme/robots/new").status_code == 403
        assert caller.delete("organization/acme/robots/ci").status_code == 403
        assert caller.post("organization/acme/robots/ci/regenerate").status_code == 403
    assert stranger.get("organization/acme/robots").status_code == 403
    assert api.bare.get("organization/acme/robots").status_code == 401
    assert api.bare.get("user/robots").status_code == 401
    assert boss.get("organization/nosuch/robots").status_code == 403
    assert boss.put("organization/hand/robots/ci").status_code == 403


def test_who_may_only_read_everything_sees_no_token(make_api: ApiMaker) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"])
    boss = api.user("boss")
    boss.post("organization/", {"name": "acme"})
    boss.put("organization/acme/robots/ci", {"unstructured_metadata": {"a": 1}})
    auditor = api.user("auditor")

    one = auditor.get("organization/acme/robots/ci")
    assert one.status_code == 200
    assert "token" not in one.json
    assert one.json["unstructured_metadata"] == {"a": 1}
    assert "token" not in auditor.get("organization/acme/robots").json["robots"][0]
    assert auditor.get("organization/acme/robots/ci/permissions").status_code == 200
    assert auditor.get("organization/acme/robots/ci/federation").json == []
    assert auditor.get("organization/acme/robots/ci/credentials/rkt").status_code == 403
    assert auditor.post("organization/acme/robots/ci/regenerate").status_code == 403
    assert auditor.delete("organization/acme/robots/ci").status_code == 403


@pytest.mark.parametrize(("full", "status"), [(False, 403), (True, 200)])
def test_a_superuser_needs_full_access(make_api: ApiMaker, full: bool, status: int) -> None:
    api = make_api(FEATURE_SUPERUSERS_FULL_ACCESS=full)
    boss = api.user("boss")
    boss.post("organization/", {"name": "acme"})
    boss.put("organization/acme/robots/ci")

    assert api.admin.get("organization/acme/robots/ci").status_code == status


@pytest.mark.parametrize(
    ("scope", "own", "organization"),
    [("user:admin", 200, 403), ("org:admin", 403, 200), ("repo:admin", 403, 403), ("user:read", 403, 403)],
)
def test_a_token_needs_the_scope(
    api: ApiWorld, boss: Caller, scope: str, own: int, organization: int
) -> None:
    boss.put("user/robots/ci")
    boss.put("organization/acme/robots/ci")
    token = api.oauth("boss", scope)

    assert token.get("user/robots").status_code == own
    assert token.get("user/robots/ci").status_code == own
    assert token.get("organization/acme/robots").status_code == organization
    assert token.get("organization/acme/robots/ci").status_code == organization


def test_restricted_users_own_no_robots_but_organizations_do(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_RESTRICTED_USERS=True, RESTRICTED_USERS_WHITELIST=["free"])

    assert api.user("bound").put("user/robots/ci").status_code == 403
    assert api.user("free").put("user/robots/ci").status_code == 201
    assert api.admin.put("user/robots/ci").status_code == 201


def test_robots_are_not_made_where_they_may_not_be(make_api: ApiMaker) -> None:
    api = make_api(ROBOTS_DISALLOW=True, ROBOTS_WHITELIST=["boss+good"])
    boss = api.user("boss")

    assert _error(boss.put("user/robots/bad"))[:2] == (400, "invalid_request")
    assert boss.put("user/robots/good").status_code == 201


def test_what_was_done_is_in_the_log_and_the_token_is_not(api: ApiWorld, boss: Caller) -> None:
    token = boss.put("organization/acme/robots/ci").json["token"]
    boss.put("organization/acme/robots/two", {"description": "d", "unstructured_metadata": {"a": 1}})
    boss.post("organization/acme/robots/ci/regenerate")
    boss.delete("organization/acme/robots/ci")
    rows = api.registry.db.rows(
        EventRow.select(EventRow.kind, EventRow.data)
        .where(EventRow.kind.contains("robot"))
        .order_by(EventRow.id)
    )

    assert [kind for kind, _ in rows] == [
        "create_robot", "create_robot", "regenerate_robot_token", "delete_robot",
    ]  # fmt: skip
    assert '"robot":"ci"' in rows[0][1]
    assert '"description":null,"unstructured_metadata":null' in rows[0][1]
    assert '"description":"d","unstructured_metadata":{"a":1}' in rows[1][1]
    assert all(token not in data for _, data in rows)


def test_a_dry_run_makes_no_robot_and_tells_no_secret(api: ApiWorld, boss: Caller) -> None:
    before = api.registry.db.rows(Account.select(Account.id, Account.auth_epoch))
    result = boss.put("user/robots/ci", {"description": "d"}, params={"dry_run": "1"})

    assert result.status_code == 200
    assert [event["kind"] for event in result.json["events"]] == ["create_robot"]
    assert "token" not in result.text
    assert api.registry.db.rows(Account.select(Account.id, Account.auth_epoch)) == before


def test_a_robot_of_a_disabled_owner_cannot_log_in_and_its_access_is_noted(api: ApiWorld) -> None:
    boss = api.user("boss")
    token = boss.put("user/robots/ci").json["token"]
    logins = api.registry.logins

    assert logins.basic("boss+ci", token, "127.0.0.1").name == "boss+ci"
    assert DATE(boss.get("user/robots/ci").json["last_accessed"])
    api.registry.accounts.set_enabled(SYSTEM, "boss", False)
    assert api.registry.tenancy.robots.check("boss+ci", token) is None
    assert PASSWORD not in token
