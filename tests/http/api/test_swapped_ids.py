"""Ids of one owner in the paths and bodies of another: nothing is told, nothing is changed.

Whoever acts has every right over what is its own (acme, its applications, its account), and names what
belongs to somebody else (rival, victim) in a place where only its own should do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from access_arguments import fill
from api_client import Result
from tenancy_world import World

from quayframe.http.api import routes
from quayframe.http.request import Callers
from quayframe.http.router import Router

RIVAL_TEAM = "rival-alone"
APPLICATION = {"name": "taken", "redirect_uri": "https://evil.test/", "application_uri": "https://evil.test/"}


@dataclass(frozen=True)
class Swap:
    """`path` and `body` name facts in braces: `{rival application}`, `{victim grant}`."""

    who: str
    method: str
    path: str
    body: Any = None
    silent: bool = False
    """Whether a success that does nothing will do (DELETE of what is not there)."""

    def __str__(self) -> str:
        return f"{self.who} {self.method} {self.path} {self.body or ''}".strip()


def _everyone(who: str, path: str, *methods: str, **rest: Any) -> list[Swap]:
    return [Swap(who, method, path, **rest) for method in methods]


SWAPS = [
    # an application of another organization, a token of another application
    *_everyone("orgadmin", "organization/acme/applications/{rival application}", "GET", "DELETE"),
    Swap("orgadmin", "PUT", "organization/acme/applications/{rival application}", APPLICATION),
    Swap("orgadmin", "POST", "organization/acme/applications/{rival application}/resetclientsecret"),
    Swap("orgadmin", "GET", "organization/acme/applications/{rival application}/tokens"),
    Swap(
        "orgadmin",
        "POST",
        "organization/acme/applications/{rival application}/tokens",
        {"name": "x", "scope": "repo:read"},
    ),
    Swap("orgadmin", "DELETE", "organization/acme/applications/{acme application}/tokens/{rival app_token}"),
    Swap("orgadmin", "DELETE", "organization/acme/applications/{rival application}/tokens/{rival app_token}"),
    Swap("orgadmin", "DELETE", "organization/acme/applications/{acme application}/tokens/{victim apptoken}"),
    Swap("orgadmin", "DELETE", "organization/acme/applications/{rival application}/tokens/{acme app_token}"),
    # a default permission of another organization, and another's team, robot or organization in one
    Swap("orgadmin", "PUT", "organization/acme/prototypes/{rival prototype}", {"role": "admin"}),
    Swap("orgadmin", "DELETE", "organization/acme/prototypes/{rival prototype}"),
    *(
        Swap(
            "orgadmin",
            "POST",
            "organization/acme/prototypes",
            {"role": "read", "delegate": {"kind": kind, "name": name}},
        )
        for kind, name in (("team", RIVAL_TEAM), ("user", "rival+bot"), ("user", "rival"))
    ),
    # a policy of another organization, of another's repository, of another user; and of the wrong owner here
    *(
        swap
        for who, path in (
            ("orgadmin", "organization/acme/autoprunepolicy/{rival prune}"),
            ("orgadmin", "organization/acme/autoprunepolicy/{acme app prune}"),
            ("orgadmin", "organization/acme/autoprunepolicy/{acme pin}"),
            ("orgadmin", "repository/acme/app/autoprunepolicy/{rival app prune}"),
            ("orgadmin", "repository/acme/app/autoprunepolicy/{acme prune}"),
            ("orgadmin", "repository/acme/pub/autoprunepolicy/{acme app prune}"),
            ("other", "user/autoprunepolicy/{victim own prune}"),
        )
        for swap in (
            *_everyone(who, path, "GET", "DELETE"),
            Swap(who, "GET", f"{path}/victims"),
            Swap(who, "PUT", path, {"method": "number_of_tags", "value": 1}),
        )
    ),
    *(
        swap
        for path in (
            "organization/acme/immutabilitypolicy/{rival pin}",
            "organization/acme/immutabilitypolicy/{acme app pin}",
            "organization/acme/immutabilitypolicy/{acme prune}",
            "repository/acme/app/immutabilitypolicy/{rival app pin}",
            "repository/acme/pub/immutabilitypolicy/{acme app pin}",
        )
        for swap in (
            *_everyone("orgadmin", path, "GET", "DELETE"),
            Swap("orgadmin", "PUT", path, {"tagPattern": "."}),
        )
    ),
    # another's team, robot or organization as holder of a permission here
    *(
        swap
        for kind, name in (("team", RIVAL_TEAM), ("user", "rival+bot"), ("user", "rival"))
        for path in (f"repository/acme/app/permissions/{kind}/{name}",)
        for swap in (
            Swap("admin", "PUT", path, {"role": "read"}),
            *_everyone("admin", path, "GET", "DELETE"),
        )
    ),
    Swap("victim", "PUT", f"repository/victim/own/permissions/team/{RIVAL_TEAM}", {"role": "read"}),
    Swap("victim", "PUT", "repository/victim/own/permissions/user/acme+bot", {"role": "read"}),
    # a manifest or a label of another repository
    *_everyone("admin", "repository/acme/app/manifest/{rival manifest}", "GET"),
    *_everyone("admin", "repository/acme/app/manifest/{rival manifest}/labels", "GET"),
    *_everyone("admin", "repository/acme/app/manifest/{rival manifest}/referrers", "GET"),
    Swap(
        "admin",
        "POST",
        "repository/acme/app/manifest/{rival manifest}/labels",
        {"key": "a", "value": "b", "media_type": None},
    ),
    *_everyone(
        "admin", "repository/acme/app/manifest/{rival manifest}/labels/{rival label}", "GET", "DELETE"
    ),
    *_everyone("admin", "repository/acme/app/manifest/{acme manifest}/labels/{rival label}", "GET", "DELETE"),
    # another's team, robot, organization, member or invitation in the paths of teams and members
    *_everyone("orgadmin", f"organization/acme/team/{RIVAL_TEAM}/members", "GET"),
    *_everyone("orgadmin", f"organization/acme/team/{RIVAL_TEAM}/permissions", "GET"),
    *_everyone("orgadmin", f"organization/acme/team/{RIVAL_TEAM}", "DELETE"),
    *_everyone("orgadmin", f"organization/acme/team/{RIVAL_TEAM}/members/other", "PUT", "DELETE"),
    *_everyone("orgadmin", f"organization/acme/team/{RIVAL_TEAM}/invite/a@mail.test", "PUT", "DELETE"),
    Swap("orgadmin", "PUT", "organization/acme/team/guests/members/rival+bot"),
    Swap("orgadmin", "PUT", "organization/acme/team/guests/members/rival"),
    Swap("orgadmin", "DELETE", "organization/acme/team/guests/members/rival-boss", silent=True),
    Swap("orgadmin", "DELETE", "organization/acme/team/guests/invite/{rival email_invite}"),
    Swap("orgadmin", "GET", "organization/acme/members/rival-boss"),
    Swap("orgadmin", "GET", "organization/acme/members/rival+bot"),
    Swap("orgadmin", "DELETE", "organization/acme/members/rival-boss", silent=True),
    # another's robot
    *(
        swap
        for who, path in (
            ("orgadmin", "organization/acme/robots/rival+bot"),
            ("orgadmin", "organization/victim/robots/bot"),
            ("other", "user/robots/victim+bot"),
            ("other", "organization/other/robots/victim+bot"),
        )
        for swap in (
            *_everyone(who, path, "GET", "DELETE"),
            Swap(who, "POST", f"{path}/regenerate"),
            Swap(who, "GET", f"{path}/permissions"),
            *_everyone(who, f"{path}/federation", "GET", "DELETE"),
            Swap(who, "GET", f"{path}/credentials/docker-config"),
        )
    ),
    # what others have in the recycle bin
    Swap("orgadmin", "POST", "recyclebin/repositories/{rival deleted repository}/undelete"),
    Swap("rival-boss", "POST", "recyclebin/organizations/{fallen uuid}/undelete"),
    Swap("rival-boss", "POST", "recyclebin/organizations/{fallen uuid}/release"),
    # another user's tokens, grants and offers; and one's own under the wrong noun
    *_everyone("other", "user/apptoken/{victim apptoken}", "GET", "DELETE"),
    *_everyone("other", "user/apptoken/{other grant}", "GET", "DELETE"),
    *_everyone("other", "user/authorizations/{victim grant}", "GET", "DELETE"),
    *_everyone("other", "user/authorizations/{other apptoken}", "GET", "DELETE"),
    *_everyone("other", "user/authorizations/{rival app_token}", "GET", "DELETE"),
    Swap("other", "DELETE", "user/assignedauthorization/{victim assignment}"),
    # an invitation for another user
    *_everyone("other", "teaminvite/{quoted victim invite}", "PUT", "DELETE"),
    # repositories of others
    Swap("orgadmin", "POST", "user/starred", {"namespace": "rival", "repository": "app"}),
    Swap("orgadmin", "DELETE", "user/starred/rival/app", silent=True),
    *(
        Swap(
            "orgadmin",
            "POST",
            "repository",
            {"namespace": namespace, "repository": "fresh", "visibility": "private", "description": ""},
        )
        for namespace in ("rival", "victim", "rival+bot", "nobody-here")
    ),
    *_everyone("orgadmin", "repository/acme/..%2Frival/app", "GET", "DELETE"),
    *_everyone("orgadmin", "repository/acme/app%2F..%2F..%2Frival%2Fapp", "GET", "DELETE"),
    # another's address, and another's account without its password
    Swap("other", "PUT", "user/", {"email": "victim@mail.test"}),
    Swap("other", "POST", "user/convert", {"adminUser": "victim", "adminPassword": "not-the-password"}),
    # a superuser's functions named for the wrong kind of account
    Swap("superuser", "PUT", "superuser/users/rival", {"enabled": False}),
    Swap("superuser", "DELETE", "superuser/users/rival"),
    Swap("superuser", "DELETE", "superuser/users/rival+bot"),
    Swap("superuser", "PUT", "superuser/organizations/victim", {"name": "renamed"}),
    Swap("superuser", "DELETE", "superuser/organizations/victim"),
    Swap("superuser", "POST", "superuser/takeownership/rival+bot"),
    Swap("orgadmin", "DELETE", "organization/orgadmin"),
    Swap("orgadmin", "PUT", "organization/victim", {"invoice_email": True}),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), {})
    yield made
    made.close()


@pytest.fixture(scope="module")
def router(world: World) -> Router:
    found = Router()
    routes.add_all(found, world.registry, Callers(world.registry, ()))
    return found


def _facts(world: World) -> dict[str, str]:
    owned = [*world.of.items(), *world.mine.items()]
    facts = {f"{owner} {name}": value for owner, ids in owned for name, value in ids.items()}
    return facts | {f"quoted {name}": quote(value, safe="") for name, value in facts.items()}


def _path(template: str, facts: dict[str, str]) -> str:
    return "/".join(
        quote(fill(part, facts), safe="%@+") if part.startswith("{") else part for part in template.split("/")
    )


def _private(world: World) -> list[str]:
    """Words that nobody but rival's people, and victim, may read."""
    owners = ("rival", "victim", "rival-boss")
    secrets = [world.facts[f"{owner}+bot token"] for owner in ("rival", "victim")]
    secrets += [world.facts[f"{world.mine[name]['apptoken']} secret"] for name in ("victim", "rival-boss")]
    return [
        *(f"private words of {owner}" for owner in owners),
        *(f"{owner}.issuer.test" for owner in owners),
        *secrets,
        "rival-client-secret",
    ]


def _told(world: World, result: Result) -> list[str]:
    return [word for word in _private(world) if word in result.text]


@pytest.mark.parametrize("swap", SWAPS, ids=str)
def test_what_belongs_to_another_is_neither_told_nor_changed(
    world: World, router: Router, swap: Swap
) -> None:
    facts = _facts(world)
    path = _path(swap.path, facts)
    assert router.find(f"/api/v1/{path}") is not None, "no such path, so nothing is proven"
    before = world.dump()
    result = world.signed_in(swap.who).do(swap.method, path, fill(swap.body, facts))
    after = world.dump()

    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert _told(world, result) == []
    assert 400 <= result.status_code < 500 or (swap.silent and result.status_code == 204), result.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "repository/rival/{}", None),
        ("PUT", "repository/rival/{}", {"description": "x"}),
        ("DELETE", "repository/rival/{}", None),
        ("POST", "repository/rival/{}/changevisibility", {"visibility": "public"}),
        ("GET", "repository/rival/{}/permissions/user/", None),
        ("GET", "repository/rival/{}/access", None),
        ("POST", "user/starred", {"namespace": "rival", "repository": "{}"}),
        ("DELETE", "user/starred/rival/{}", None),
    ],
)
@pytest.mark.parametrize("who", ["other", "anonymous"])
def test_a_private_repository_of_others_looks_like_one_that_is_not_there(
    world: World, who: str, method: str, path: str, body: Any
) -> None:
    answers = []
    for name in ("app", "absent"):
        caller = world.anonymous if who == "anonymous" else world.signed_in(who)
        sent = None if body is None else {key: value.format(name) for key, value in body.items()}
        result = caller.do(method, path.format(name), sent)
        told = {key: value for key, value in (result.json or {}).items() if key != "request_id"}
        answers.append((result.status_code, json.dumps(told).replace(name, "NAME")))

    assert answers[0] == answers[1]


def test_a_missing_repository_is_told_to_who_administers_its_namespace_alone(world: World) -> None:
    path = "repository/acme/absent"

    assert world.signed_in("orgadmin").get(path).status_code == 404
    assert world.signed_in("member").get(path).status_code == 403
    assert world.signed_in("superuser").get(path).status_code == 403
    assert world.anonymous.get(path).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "repository?namespace=rival",
        "repository?namespace=rival&public=true",
        "repository?namespace=victim",
        "find/all?query=app",
        "find/all?query=rival",
        "find/repositories?query=app",
        "find/repositories?query=own",
        "entities/rival?namespace=rival&includeTeams=true&includeOrgs=true",
        "entities/bot?namespace=rival&includeTeams=true",
        "organization/rival",
        "users/rival-boss",
        "users/victim",
        "app/{rival application}",
    ],
)
@pytest.mark.parametrize("who", ["other", "anonymous"])
def test_lists_and_public_views_show_nothing_private_of_others(world: World, who: str, path: str) -> None:
    base, _, query = path.partition("?")
    caller = world.anonymous if who == "anonymous" else world.signed_in(who)
    result = caller.get(_path(base, _facts(world)), query_string=query)

    assert result.status_code == 200
    assert _told(world, result) == []
    hidden = ("rival/app", "victim/own", RIVAL_TEAM, "rival+bot", "rival@mail.test", "victim@mail.test")
    assert [word for word in hidden if word in result.text] == []


def test_a_page_token_opens_only_the_list_and_for_the_caller_it_was_made_for(world: World) -> None:
    first = world.signed_in("superuser").get("superuser/users/", params={"limit": 1})
    page = {"limit": 1, "next_page": first.json["next_page"]}

    assert world.signed_in("superuser").get("superuser/users/", params=page).status_code == 200
    assert world.signed_in("readonly").get("superuser/users/", params=page).status_code == 400
    assert world.signed_in("superuser").get("superuser/organizations/", params=page).status_code == 400


def test_a_token_for_one_organization_is_no_key_to_another(world: World) -> None:
    token = world.oauth("orgadmin", "org:admin repo:admin user:admin")
    before = world.dump()

    assert token.delete("organization/rival").status_code == 403
    assert token.put("organization/rival/team/guests", {"role": "admin"}).status_code == 403
    assert token.delete("repository/rival/app").status_code == 403
    assert world.dump() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"assignment_uuid": "{victim assignment}"},
        {"assignment_uuid": "{other grant}"},
        {"client_id": "{rival application}"},
        {"scope": "repo:read repo:admin"},
        {"redirect_uri": "https://evil.test/back"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_offered_token_is_for_one_user_application_scope_and_address(
    world: World, method: str, changed: dict[str, str]
) -> None:
    facts = _facts(world)
    caller = world.signed_in("other")
    offer = {
        "client_id": facts["acme application"],
        "redirect_uri": "https://app.test/back",
        "scope": "repo:read",
        "response_type": "token",
        "assignment_uuid": facts["other assignment"],
    }
    with world.registry.db.rehearsal():
        assert "access_token" in caller.get("/oauth/authorize", params=offer).headers["location"]
    asked = offer | fill(changed, facts)
    before = world.dump()
    if method == "GET":
        result = caller.get("/oauth/authorize", params=asked | {"format": "json"})
    else:
        form = urlencode(asked | {"_csrf_token": caller.csrf})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        result = caller.post("/oauth/authorizeapp", raw=form, headers=kind)

    assert world.dump() == before
    assert "access_token" not in result.text + result.headers.get("location", "")
    assert result.status_code in (400, 403, 404) or "error=" in result.headers["location"]


def test_a_code_for_another_user_does_not_say_whether_it_is_good_for_anything_else(world: World) -> None:
    code = quote(world.mine["victim"]["invite"], safe="")
    refused = world.signed_in("other").put(f"teaminvite/{code}")

    assert (refused.status_code, set(refused.json)) == (400, {"message"})
    assert 'intended for user "victim"' in refused.json["message"]
    assert "makers" not in refused.text
