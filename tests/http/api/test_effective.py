"""Effective permissions over the API: the shape, and that real requests find the same."""

from __future__ import annotations

import base64
import json
import os

import pytest
from api_client import ApiMaker, ApiWorld, Caller
from protocol import HOST
from random_tenancy import PASSWORD, RandomTenancy, Repo, Who

from quayframe.oci.names import RepositoryName
from quayframe.services.effective import Entry
from quayframe.services.principal import SYSTEM

CAN = ("can_pull", "can_push", "can_admin")
SEEDS = range(60 if os.environ.get("QUAYFRAME_SOAK") == "1" else 3)


@pytest.fixture
def boss(api: ApiWorld) -> Caller:
    """The admin of `acme` with `acme/app`; `hand` is in the team `crew`, which may write."""
    boss = api.user("boss")
    api.user("hand")
    boss.post("organization/", {"name": "acme"})
    boss.put("organization/acme/team/crew", {"role": "member"})
    boss.put("organization/acme/team/crew/members/hand")
    api.registry.repositories.create(SYSTEM, RepositoryName("acme", "app"), "private")
    boss.put("repository/acme/app/permissions/team/crew", {"role": "write"})
    return boss


def test_one_entity_is_told_with_its_grants(boss: Caller) -> None:
    boss.put("repository/acme/app/permissions/user/hand", {"role": "read"})
    result = boss.get("repository/acme/app/access", params={"entity": "hand"})

    assert result.status_code == 200
    assert result.json == {
        "entity": "hand",
        "kind": "user",
        "enabled": True,
        "role": "write",
        "grants": [{"via": "direct", "role": "read"}, {"via": "team", "role": "write", "team": "crew"}],
        "can_pull": True,
        "can_push": True,
        "can_admin": False,
    }


def test_all_holders_are_told_by_name(api: ApiWorld, boss: Caller) -> None:
    found = boss.get("repository/acme/app/access").json

    assert set(found) == {"public", "access"}
    assert found["public"] is False
    assert [entry["entity"] for entry in found["access"]] == ["boss", "hand"]
    assert found["access"][0]["grants"] == [{"via": "admin_team", "role": "admin", "team": "owners"}]
    api.registry.repositories.set_visibility(SYSTEM, RepositoryName("acme", "app"), "public")
    public = boss.get("repository/acme/app/access").json
    assert public["public"] is True
    assert [entry["entity"] for entry in public["access"]] == ["boss", "hand"]


def test_who_has_nothing_is_told_so_and_who_is_not_there_is_404(api: ApiWorld, boss: Caller) -> None:
    api.user("stranger")
    nothing = boss.get("repository/acme/app/access", params={"entity": "stranger"}).json
    assert (nothing["role"], nothing["grants"]) == (None, [])
    assert not any(nothing[can] for can in CAN)
    for name in ("nobody", "acme", "crew"):
        result = boss.get("repository/acme/app/access", params={"entity": name})
        assert (result.status_code, result.json["error_type"]) == (404, "not_found")


def test_only_admins_are_told(api: ApiWorld, boss: Caller) -> None:
    for query in ({}, {"entity": "hand"}):
        assert api.user("hand").get("repository/acme/app/access", params=query).status_code == 403
        assert api.bare.get("repository/acme/app/access", params=query).status_code == 401
        token = api.oauth("boss", "repo:write")
        assert token.get("repository/acme/app/access", params=query).status_code == 403
        token = api.oauth("boss", "repo:admin")
        assert token.get("repository/acme/app/access", params=query).status_code == 200


def test_a_disabled_account_can_do_nothing_whatever_it_holds(api: ApiWorld, boss: Caller) -> None:
    api.registry.accounts.set_enabled(SYSTEM, "hand", False)
    entry = boss.get("repository/acme/app/access", params={"entity": "hand"}).json

    assert (entry["enabled"], entry["role"]) == (False, None)
    assert entry["grants"] == [{"via": "team", "role": "write", "team": "crew"}]
    assert not any(entry[can] for can in CAN)


# -- against real requests ------------------------------------------------------------------------------


def _granted(api: ApiWorld, who: Who, repo: Repo) -> set[str]:
    """What the token service grants to this name and password; the empty set where it refuses."""
    basic = base64.b64encode(f"{who.name}:{PASSWORD}".encode()).decode()
    result = api.bare.get(
        "/v2/auth",
        params={"service": HOST, "scope": f"repository:{repo.row.full}:pull,push,*"},
        headers={"Authorization": f"Basic {basic}"},
    )
    if result.status_code != 200:
        # 405: the namespace is disabled. 429: one who is kept out has been refused before.
        assert result.status_code in ((405,) if who.able else (401, 405, 429))
        return set()
    payload = result.json["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {action for entry in claims["access"] for action in entry["actions"]}


def _check_registry(api: ApiWorld, told: Entry, who: Who, repo: Repo) -> None:
    granted = _granted(api, who, repo)
    here = f"{who.name} on {repo.row.full}: {told}"
    assert ("pull" in granted) == told.can_pull, here
    assert ("push" in granted) == told.can_push, here
    served = told.can_pull and repo.row.state == "NORMAL"
    assert ("*" in granted) == (told.can_admin and served), here


def _check_api(api: ApiWorld, told: Entry, who: Who, repo: Repo) -> None:
    """GETs and rehearsed PUTs that readers, writers and admins may."""
    caller, path = api.session(who.name), f"repository/{repo.row.full}"
    here = f"{who.name} on {repo.row.full}: {told}"
    reads_all = who.name == "auditor" and who.enabled
    rehearsed = {"dry_run": "1"}
    # The session of a disabled account is nobody's, who may read what is public.
    seen = told.role is not None or repo.row.visibility == "public"
    assert (caller.get(path).status_code == 200) == seen, here
    if repo.row.state == "NORMAL":
        written = caller.put(path, {"description": "d"}, params=rehearsed).status_code
        assert (written == 200) == (told.role in ("write", "admin")), here
    read = caller.get(f"{path}/permissions/user/").status_code
    assert (read == 200) == (told.can_admin or reads_all), here
    changed = caller.put(f"{path}/permissions/user/dummy", {"role": "read"}, params=rehearsed).status_code
    assert (changed == 200) == told.can_admin, here


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_real_requests_are_let_in_where_it_says_so(make_api: ApiMaker, seed: int) -> None:
    api = make_api(GLOBAL_READONLY_SUPER_USERS=["auditor"], FEATURE_SUPERUSERS_FULL_ACCESS=bool(seed % 2))
    api.user("dummy")
    registry = api.registry
    box = registry.tenancy.ground.box
    tenancy = RandomTenancy(registry.db, seed, "t", names=("admin", "auditor"), box=box)
    for repo in tenancy.repositories:
        for who in tenancy.people:
            entry = registry.tenancy.effective.of(SYSTEM, repo.row, who.name)
            _check_registry(api, entry, who, repo)
            if who.kind == "user":
                _check_api(api, entry, who, repo)
