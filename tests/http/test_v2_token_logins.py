"""Tokens that are no passwords at the registry: `$oauthtoken`, `$app`, `$token`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import requests
from protocol import HOST, Protocol, Repo, code

from quayframe.data.db import Database
from quayframe.data.tables import Account, Token
from quayframe.oci.names import RepositoryName
from quayframe.services.applications import Details
from quayframe.services.oauth import Made
from quayframe.services.principal import SYSTEM, Principal

BASE = f"http://{HOST}"
AUTH = f"{BASE}/v2/auth"
UNKNOWN = {"$oauthtoken": "A" * 40, "$app": "A" * 120, "$token": "A" * 64}


def log_in(protocol: Protocol, name: str, token: str, *scopes: str) -> requests.Response:
    header = base64.b64encode(f"{name}:{token}".encode()).decode()
    query: list[tuple[str, str]] = [("service", HOST), *(("scope", scope) for scope in scopes)]
    return protocol.session().get(AUTH, params=query, headers={"Authorization": f"Basic {header}"})


def claims(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(jwt.decode(answer.json()["token"], options={"verify_signature": False}))


def actions(answer: requests.Response) -> list[list[str]]:
    return [entry["actions"] for entry in claims(answer)["access"]]


@dataclass
class Holder:
    """A user with an organization, a repository in each of both namespaces, and an application."""

    protocol: Protocol
    user: Principal
    organization: str
    client_id: str
    own: Repo
    shared: Repo

    def oauth(self, scope: str) -> Made:
        tenancy = self.protocol.registry.tenancy
        made, token = tenancy.application_tokens.create(
            self.user, self.organization, self.client_id, name="t", scope=scope, life_s=None
        )
        return Made(made.uuid, token)

    def app(self) -> Made:
        made = self.protocol.registry.tenancy.app_tokens.create(self.user, "laptop")
        assert made.code is not None
        return Made(made.uuid, made.code)

    def repository(self, role: str) -> Made:
        registry = self.protocol.registry
        namespace, _, name = self.own.name.partition("/")
        row = registry.access.repository(namespace, name)
        assert row is not None
        return registry.db.write(
            lambda tx: registry.tenancy.repository_tokens.add(tx, row.id, role, title="trigger")
        )

    def session(self, name: str, token: str, *scopes: str) -> requests.Session:
        """A client that has logged in and got these scopes."""
        answer = log_in(self.protocol, name, token, *scopes)
        assert answer.status_code == 200, answer.text
        return self.protocol.session(answer.json()["token"])


@pytest.fixture
def holder(protocol: Protocol) -> Holder:
    user = protocol.user()
    registry = protocol.registry
    organization = f"org-{user.name}"
    registry.tenancy.organizations.create(user, organization, None, None)
    made = registry.tenancy.applications.create(user, organization, Details("app"))
    repos = []
    for namespace in (user.name, organization):
        name = f"{namespace}/image"
        registry.repositories.create(user, RepositoryName(namespace, "image"), "private")
        repo = Repo(protocol.as_(user, f"repository:{name}:push,pull"), name, BASE)
        repo.image("v1")
        repos.append(repo)
    return Holder(protocol, user, organization, made.client_id, *repos)


def scope(repo: Repo, asked: str = "pull,push,*") -> str:
    return f"repository:{repo.name}:{asked}"


# -- logging in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("$oauthtoken", "OAuth access token could not be validated"),
        ("$app", "Invalid token"),
        ("$token", "Invalid Username or Password"),
    ],
)
def test_a_bad_token_is_refused_with_its_reason(protocol: Protocol, name: str, reason: str) -> None:
    for token in (UNKNOWN[name], "short", "", "x" * 5000):
        answer = log_in(protocol, name, token)
        assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
        assert answer.json()["errors"][0] == {"code": "UNAUTHORIZED", "message": reason, "detail": {}}


def test_a_bad_token_does_not_keep_others_of_its_address_waiting(protocol: Protocol, holder: Holder) -> None:
    token = holder.app().token
    for _ in range(30):
        assert log_in(protocol, "$app", "B" * 120).status_code == 401

    assert log_in(protocol, "$app", token).status_code == 200


def test_one_kind_of_token_is_none_of_another(protocol: Protocol, holder: Holder) -> None:
    tokens = {
        "$oauthtoken": holder.oauth("repo:read").token,
        "$app": holder.app().token,
        "$token": holder.repository("read").token,
    }
    for name in tokens:
        for kind, token in tokens.items():
            assert log_in(protocol, name, token).status_code == (200 if name == kind else 401)


def test_the_context_says_what_was_shown(protocol: Protocol, holder: Holder) -> None:
    oauth, app, repository = holder.oauth("repo:read"), holder.app(), holder.repository("read")

    said = claims(log_in(protocol, "$oauthtoken", oauth.token))
    assert said["sub"] == holder.user.name
    expected = {
        "version": 2, "entity_kind": "oauthtoken", "entity_reference": oauth.uuid, "kind": "oauth",
        "oauth": oauth.uuid, "user": holder.user.name,
    }  # fmt: skip
    assert {name: said["context"].get(name) for name in expected} == expected
    said = claims(log_in(protocol, "$app", app.token))
    assert said["sub"] == holder.user.name
    assert said["context"]["entity_kind"] == "appspecifictoken"
    assert said["context"]["entity_reference"] == app.uuid
    said = claims(log_in(protocol, "$token", repository.token))
    assert said["sub"] == "(anonymous)"
    assert (said["context"]["entity_kind"], said["context"]["kind"]) == ("token", "token")
    # The token itself is not in what others may read.
    assert repository.token not in str(said)


def test_app_tokens_are_none_without_the_feature(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_APP_SPECIFIC_TOKENS=False)
    made = protocol.registry.tenancy.app_tokens.create(protocol.user(), "laptop")

    assert log_in(protocol, "$app", made.code or "").status_code == 401


# -- what they may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        ("repo:read", ["pull"]),
        ("repo:write", ["push", "pull"]),
        ("repo:admin", ["push", "pull", "*"]),
        ("repo:read,repo:write", ["push", "pull"]),
        ("repo:create", []),
        ("user:admin org:admin", []),
    ],
)
def test_an_oauth_token_s_scopes_cap_its_user_s_role(
    protocol: Protocol, holder: Holder, scopes: str, granted: list[str]
) -> None:
    token = holder.oauth(scopes).token

    answer = log_in(protocol, "$oauthtoken", token, scope(holder.own), scope(holder.shared))

    assert actions(answer) == [granted, granted]


def test_a_bearer_token_keeps_the_caps_of_what_it_was_got_with(protocol: Protocol, holder: Holder) -> None:
    reads = holder.session("$oauthtoken", holder.oauth("repo:read").token, scope(holder.own))
    nothing = holder.session("$oauthtoken", holder.oauth("user:read").token, scope(holder.own))

    assert holder.own.with_(reads).get("manifests/v1").status_code == 200
    assert holder.own.with_(reads).do("POST", "blobs/uploads/").status_code == 401
    assert holder.own.with_(reads).do("DELETE", "manifests/v1").status_code == 401
    assert holder.own.with_(nothing).get("manifests/v1").status_code == 401
    catalog = f"http://{HOST}/v2/_catalog"
    assert holder.own.name in reads.get(catalog).json()["repositories"]
    assert holder.own.name not in nothing.get(catalog).json()["repositories"]


@pytest.mark.parametrize(("scopes", "made"), [("repo:create", True), ("repo:write", False)])
def test_repositories_are_made_with_the_scope_for_it_alone(
    protocol: Protocol, holder: Holder, scopes: str, made: bool
) -> None:
    new = Repo(protocol.session(), f"{holder.organization}/new", BASE)
    token = holder.oauth(scopes).token
    answer = log_in(protocol, "$oauthtoken", token, scope(new, "pull,push"))

    assert actions(answer) == [["push", "pull"] if made else []]
    pushed = new.with_(protocol.session(answer.json()["token"])).do("POST", "blobs/uploads/")
    assert pushed.status_code == (202 if made else 401)


def test_a_superuser_s_token_is_one_with_its_scope_alone(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(SUPER_USERS=["boss"], FEATURE_SUPERUSERS_FULL_ACCESS=True)
    boss, repo = protocol.user("boss"), protocol.repo()
    repo.image("v1")
    tenancy = protocol.registry.tenancy
    tenancy.organizations.create(boss, "org", None, None)
    made = tenancy.applications.create(boss, "org", Details("app"))
    found = []
    for scopes in ("repo:read", "repo:read super:user"):
        _, token = tenancy.application_tokens.create(
            boss, "org", made.client_id, name="t", scope=scopes, life_s=None
        )
        found.append(actions(log_in(protocol, "$oauthtoken", token, scope(repo))))

    assert found == [[[]], [["pull"]]]


def test_an_app_token_may_what_its_user_may(protocol: Protocol, holder: Holder) -> None:
    answer = log_in(protocol, "$app", holder.app().token, scope(holder.own), scope(holder.shared))

    assert actions(answer) == [["push", "pull", "*"]] * 2


@pytest.mark.parametrize(
    ("role", "granted"),
    [("read", ["pull"]), ("write", ["push", "pull"]), ("admin", ["push", "pull", "*"])],
)
def test_a_repository_token_has_its_role_on_its_repository(
    protocol: Protocol, holder: Holder, role: str, granted: list[str]
) -> None:
    token = holder.repository(role).token
    new = Repo(protocol.session(), f"{holder.user.name}/new", BASE)

    answer = log_in(protocol, "$token", token, scope(holder.own), scope(holder.shared), scope(new))

    assert actions(answer) == [granted, [], []]
    session = protocol.session(answer.json()["token"])
    assert holder.own.with_(session).get("manifests/v1").status_code == 200
    assert holder.shared.with_(session).get("manifests/v1").status_code == 401
    pushed = holder.own.with_(session).do("POST", "blobs/uploads/").status_code
    assert pushed == (401 if role == "read" else 202)
    listed = session.get(f"http://{HOST}/v2/_catalog").json()["repositories"]
    assert holder.own.name in listed
    assert holder.shared.name not in listed


def test_a_repository_token_pushes_an_image(protocol: Protocol, holder: Holder) -> None:
    session = holder.session("$token", holder.repository("write").token, scope(holder.own))

    holder.own.with_(session).image("by-token")

    assert holder.own.with_(session).get("manifests/by-token").status_code == 200


# -- ending -----------------------------------------------------------------------------------------


def make(holder: Holder, kind: str) -> Made:
    if kind == "$oauthtoken":
        return holder.oauth("repo:admin")
    return holder.app() if kind == "$app" else holder.repository("admin")


KINDS = ("$oauthtoken", "$app", "$token")


def opens(holder: Holder, session: requests.Session) -> set[bool]:
    """Whether a bearer token still opens what it opened."""
    repo = holder.own.with_(session)
    statuses = [
        repo.get("manifests/v1").status_code,
        repo.get("tags/list").status_code,
        repo.do("POST", "blobs/uploads/").status_code,
        session.get(f"http://{HOST}/v2/").status_code,
        session.get(f"http://{HOST}/v2/_catalog").status_code,
    ]
    assert set(statuses) <= {200, 202, 401}
    return {status != 401 for status in statuses}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_deleted_token_had_got_is_refused_at_once(
    protocol: Protocol, holder: Holder, kind: str
) -> None:
    made, other = make(holder, kind), make(holder, kind)
    session = holder.session(kind, made.token, scope(holder.own))
    beside = holder.session(kind, other.token, scope(holder.own))
    assert opens(holder, session) == {True}
    tenancy, db = protocol.registry.tenancy, protocol.registry.db
    if kind == "$oauthtoken":
        tenancy.application_tokens.delete(holder.user, holder.organization, holder.client_id, made.uuid)
    elif kind == "$app":
        tenancy.app_tokens.delete(holder.user, made.uuid)
    else:
        db.write(lambda tx: tenancy.repository_tokens.delete(tx, made.uuid))

    assert opens(holder, session) == {False}
    assert log_in(protocol, kind, made.token).status_code == 401
    assert opens(holder, beside) == {True}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_expired_token_had_got_is_refused_at_once(
    protocol: Protocol, holder: Holder, kind: str
) -> None:
    made = make(holder, kind)
    session = holder.session(kind, made.token, scope(holder.own))
    past = Token.update(expires_ms=1).where(Token.uuid == made.uuid)
    protocol.registry.db.write(lambda tx: tx.run(past))

    assert opens(holder, session) == {False}
    assert log_in(protocol, kind, made.token).status_code == 401


@pytest.mark.parametrize("kind", KINDS[:2])
def test_what_a_disabled_user_s_token_had_got_is_refused_at_once(
    protocol: Protocol, holder: Holder, kind: str
) -> None:
    made = make(holder, kind)
    session = holder.session(kind, made.token, scope(holder.own))

    protocol.registry.accounts.set_enabled(SYSTEM, holder.user.name, False)

    assert opens(holder, session) == {False}
    assert log_in(protocol, kind, made.token).status_code == 401


def test_with_its_application_goes_what_an_oauth_token_had_got(protocol: Protocol, holder: Holder) -> None:
    made = holder.oauth("repo:admin")
    session = holder.session("$oauthtoken", made.token, scope(holder.own))

    protocol.registry.tenancy.applications.delete(holder.user, holder.organization, holder.client_id)

    assert opens(holder, session) == {False}
    assert log_in(protocol, "$oauthtoken", made.token).status_code == 401


def test_with_its_organization_too(protocol: Protocol, holder: Holder) -> None:
    made = holder.oauth("repo:admin")
    session = holder.session("$oauthtoken", made.token, scope(holder.own))
    gone = Account.update(deleted_ms=1).where(Account.name == holder.organization)
    protocol.registry.db.write(lambda tx: tx.run(gone))

    assert opens(holder, session) == {False}
    assert log_in(protocol, "$oauthtoken", made.token).status_code == 401


def test_a_repository_token_ends_with_its_repository(protocol: Protocol, holder: Holder) -> None:
    token = holder.repository("admin").token
    session = holder.session("$token", token, scope(holder.own))
    name = RepositoryName(holder.user.name, "image")
    protocol.registry.repositories.delete(holder.user, name)
    protocol.registry.repositories.create(holder.user, name, "private")

    assert holder.own.with_(session).get("tags/list").status_code == 401
    assert log_in(protocol, "$token", token).status_code == 401


def test_a_pull_is_one_query_whatever_was_shown(
    protocol: Protocol, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in KINDS:
        session = holder.session(kind, make(holder, kind).token, scope(holder.own))
        repo = holder.own.with_(session)
        repo.get("manifests/v1")
        asked: list[str] = []
        with monkeypatch.context() as patch:
            for method in ("sql_one", "sql_rows", "one", "rows"):
                original = getattr(Database, method)
                patch.setattr(Database, method, _noting(original, asked))
            assert repo.get("manifests/v1").status_code == 200
        assert len(asked) == 1


def _noting(original: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def run(self: Database, query: Any, *rest: Any) -> Any:
        asked.append(str(query))
        return original(self, query, *rest)

    return run
