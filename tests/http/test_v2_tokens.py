"""Bearer tokens: what is granted, what is believed, what is not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from protocol import HOST, Protocol, Repo, code

from quayframe.data import tables
from quayframe.services.principal import ANONYMOUS, SYSTEM

BASE = f"http://{HOST}/v2/"


@pytest.fixture(scope="module")
def image(protocol: Protocol) -> Repo:
    repo = protocol.repo()
    repo.image("v1")
    return repo


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def good(repo: Repo) -> str:
    return repo.bearer


def forged(protocol: Protocol, repo: Repo, key: Any = None, kid: str | None = None, **changes: Any) -> str:
    """The repository's good token with other claims (None takes one away), signed anew."""
    claims = claims_of(good(repo)) | changes
    own = protocol.registry.keys.signing()
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key or own.private,
        algorithm="RS256",
        headers={"kid": kid or own.kid},
    )


def refused(protocol: Protocol, repo: Repo, token: str) -> str:
    """Asserts that a token opens nothing, neither for reading nor for writing; the message."""
    asked = repo.with_(protocol.session(token))
    read, write = asked.get("manifests/v1"), asked.do("POST", "blobs/uploads/")
    for answer, actions in ((read, "pull"), (write, "pull,push")):
        assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge == (
            f'Bearer realm="http://{HOST}/v2/auth",service="{HOST}",scope="repository:{repo.name}:{actions}"'
        )
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert protocol.session(token).get(BASE).status_code == 401
    assert protocol.session(token).get(f"{BASE}_catalog").status_code == 401
    return str(read.json()["errors"][0]["message"])


def test_the_good_token_opens_its_repository(protocol: Protocol, image: Repo) -> None:
    same = image.with_(protocol.session(forged(protocol, image)))

    assert same.get("manifests/v1").status_code == 200


def test_an_expired_token_is_refused(protocol: Protocol, image: Repo) -> None:
    now = int(time.time())
    assert "expired" in refused(
        protocol, image, forged(protocol, image, iat=now - 4000, nbf=now - 4000, exp=now - 400)
    )


def test_a_token_expires_in_the_cache_too(
    protocol: Protocol, image: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    token = forged(protocol, image, exp=now + 100)
    session = image.with_(protocol.session(token))
    assert session.get("manifests/v1").status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 131.0)

    assert session.get("manifests/v1").status_code == 401


def test_a_token_of_the_future_is_refused(protocol: Protocol, image: Repo) -> None:
    later = int(time.time()) + 500

    refused(protocol, image, forged(protocol, image, iat=later, nbf=later, exp=later + 3600))


def test_a_token_that_lives_too_long_is_refused(protocol: Protocol, image: Repo) -> None:
    refused(protocol, image, forged(protocol, image, exp=int(time.time()) + 10**6))


@pytest.mark.parametrize("audience", ["other.test", None, "", ["other.test"], 5])
def test_a_token_for_another_audience_is_refused(protocol: Protocol, image: Repo, audience: Any) -> None:
    refused(protocol, image, forged(protocol, image, aud=audience))


def test_a_token_issued_without_a_service_is_for_nobody(protocol: Protocol, image: Repo) -> None:
    assert image.owner is not None

    refused(protocol, image, protocol.token(image.owner, image.scope, audience=None))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "iss", "sub", "context"])
def test_a_token_without_a_claim_is_refused(protocol: Protocol, image: Repo, name: str) -> None:
    refused(protocol, image, forged(protocol, image, **{name: None}))


def test_a_token_of_another_issuer_is_refused(protocol: Protocol, image: Repo) -> None:
    refused(protocol, image, forged(protocol, image, iss="somebody"))


def test_a_token_signed_with_another_key_is_refused(protocol: Protocol, image: Repo) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    refused(protocol, image, forged(protocol, image, key=other))
    assert (
        refused(protocol, image, forged(protocol, image, key=other, kid="unknown")) == "Unknown service key"
    )


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "x", "kept"])
def test_a_token_of_the_algorithm_none_is_refused(
    protocol: Protocol, image: Repo, name: str, signature: str
) -> None:
    kid = protocol.registry.keys.signing().kid
    last = good(image).rpartition(".")[2] if signature == "kept" else signature
    token = f"{part({'alg': name, 'typ': 'JWT', 'kid': kid})}.{part(claims_of(good(image)))}.{last}"

    refused(protocol, image, token)


def test_the_public_key_is_no_shared_secret(protocol: Protocol, image: Repo) -> None:
    import hashlib
    import hmac

    key = protocol.registry.keys.signing()
    public = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{part(claims_of(good(image)))}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, head.encode(), hashlib.sha256)).rstrip(b"=").decode()

    refused(protocol, image, f"{head}.{mac}")


def test_a_token_whose_claims_were_changed_is_refused(protocol: Protocol, image: Repo) -> None:
    head, _, signature = good(image).split(".")
    claims = claims_of(good(image)) | {"sub": "admin"}

    refused(protocol, image, f"{head}.{part(claims)}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Bearer a.b.c",
        "Token x",
        "Bearer \xff.b.c",
        "",
        "Bearer " + "a" * 20_000 + ".b.c",
    ],
)
def test_what_is_no_token_is_refused_even_where_none_is_needed(protocol: Protocol, header: str) -> None:
    repo = protocol.repo()
    repo.image("v1")
    protocol.public(repo)
    session = protocol.session()
    session.headers["Authorization"] = header
    for url in (repo.url("manifests/v1"), f"{BASE}_catalog", BASE):
        answer = session.get(url)
        assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")


def test_a_retired_key_verifies_nothing_any_more(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol()
    repo = protocol.repo()
    repo.image("v1")
    protocol.registry.db.write(lambda tx: tx.run(tables.ServiceKey.update(expires_ms=1)))
    protocol.registry.keys._public.clear()

    assert repo.get("manifests/v1").status_code == 401


# -- /v2/ and its challenge -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_base_answers_401_with_the_way_to_a_token(protocol: Protocol, method: str) -> None:
    answer = protocol.session().request(method, BASE)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="http://{HOST}/v2/auth",service="{HOST}"'
    assert answer.headers["X-Sparse-Manifest-Support"] == "false"


def test_the_base_answers_200_to_a_good_token(protocol: Protocol, image: Repo) -> None:
    assert image.session.get(BASE).status_code == 200
    anybody = protocol.session(protocol.token(ANONYMOUS, image.scope))
    assert anybody.get(BASE).status_code == 200


def test_a_token_of_another_repository_or_action_asks_for_more(protocol: Protocol, image: Repo) -> None:
    assert image.owner is not None
    other = protocol.repo(image.owner)
    puller = image.with_(protocol.as_(image.owner, f"repository:{image.name}:pull"))
    for asked, method, path, actions in (
        (image.with_(other.session), "GET", "manifests/v1", "pull"),
        (puller, "PUT", "manifests/v1", "pull,push"),
        (puller, "POST", "blobs/uploads/", "pull,push"),
        (puller, "DELETE", "manifests/v1", "pull,push"),
    ):
        answer = asked.do(method, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].endswith(f'scope="repository:{image.name}:{actions}"')


# -- what is granted ------------------------------------------------------------------------------


def granted(protocol: Protocol, principal: Any, *scopes: str) -> list[list[str]]:
    access = claims_of(protocol.token(principal, *scopes))["access"]
    return [entry["actions"] for entry in access]


def test_actions_are_reduced_to_what_is_allowed_and_never_widened(protocol: Protocol, image: Repo) -> None:
    name, stranger, reader = image.name, protocol.user(), protocol.user()
    protocol.registry.tenancy.permissions.grant(SYSTEM, image.path, reader.name, "read")
    everything = f"repository:{name}:*,pull,push"

    assert granted(protocol, image.owner, everything) == [["push", "pull", "*"]]
    assert granted(protocol, image.owner, f"repository:{name}:pull") == [["pull"]]
    assert granted(protocol, reader, everything) == [["pull"]]
    assert granted(protocol, stranger, everything) == [[]]
    assert granted(protocol, ANONYMOUS, everything) == [[]]


@pytest.mark.parametrize(("role", "actions"), [("read", ["pull"]), ("write", ["push", "pull"]),
                                               ("admin", ["push", "pull", "*"])])  # fmt: skip
def test_each_role_gives_its_actions(protocol: Protocol, image: Repo, role: str, actions: list[str]) -> None:
    user = protocol.user()
    protocol.registry.tenancy.permissions.grant(SYSTEM, image.path, user.name, role)

    assert granted(protocol, user, f"repository:{image.name}:push,pull,*") == [actions]


def test_the_right_to_administer_includes_the_others(protocol: Protocol, image: Repo) -> None:
    assert image.owner is not None
    everything = image.with_(protocol.as_(image.owner, f"repository:{image.name}:*"))

    assert everything.get("manifests/v1").status_code == 200
    assert everything.do("POST", "blobs/uploads/").status_code == 202
    assert everything.delete("manifests/v1").status_code == 202


@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without"])
def test_the_base_says_which_version_of_the_protocol_it_speaks(
    protocol: Protocol, image: Repo, known: bool
) -> None:
    assert image.owner is not None
    session = protocol.as_(image.owner) if known else protocol.session()
    answer = session.get(BASE)

    assert answer.status_code == (200 if known else 401)
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"


def test_a_public_repository_may_be_pulled_by_anybody(protocol: Protocol) -> None:
    repo = protocol.repo()
    repo.image("v1")
    protocol.public(repo)

    assert granted(protocol, ANONYMOUS, f"repository:{repo.name}:pull,push") == [["pull"]]


def test_a_repository_that_is_not_there_is_granted_to_who_may_make_it(protocol: Protocol) -> None:
    owner, other = protocol.user(), protocol.user()
    scope = f"repository:{owner.name}/new:pull,push"

    assert granted(protocol, owner, scope) == [["push", "pull"]]
    assert granted(protocol, owner, f"repository:{owner.name}/new:pull") == [["pull"]]
    assert granted(protocol, other, scope) == [[]]
    assert granted(protocol, owner, "repository:nowhere/new:pull,push") == [[]]


def test_each_scope_has_its_entry_as_it_was_asked(protocol: Protocol, image: Repo) -> None:
    assert image.owner is not None
    scopes = (f"repository:{HOST}/{image.name}:pull", "registry:catalog:*", image.scope)
    token = protocol.token(image.owner, *scopes)
    entries = claims_of(token)["access"]

    assert [(e["type"], e["name"]) for e in entries] == [
        ("repository", f"{HOST}/{image.name}"),
        ("registry", "catalog"),
        ("repository", image.name),
    ]


def auth(session: requests.Session, *scopes: str) -> requests.Response:
    params = [("service", HOST), *(("scope", scope) for scope in scopes)]
    return session.get(f"{BASE}auth", params=params)


def test_anybody_may_have_a_token_for_a_scope(protocol: Protocol, image: Repo) -> None:
    answer = auth(protocol.session(), image.scope)

    assert answer.status_code == 200
    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 3600
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert claims_of(body["token"])["sub"] == "(anonymous)"


def test_nobody_without_a_scope_is_told_to_log_in(protocol: Protocol) -> None:
    answer = auth(protocol.session())

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert "scope" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "scope", ["nonsense", "repository:a/b", "repository:a/b:eat", "repository:a!b:pull", "a" * 9000]
)
def test_a_scope_that_is_none_is_refused(protocol: Protocol, scope: str) -> None:
    answer = auth(protocol.session(), scope)

    assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("name", ["A/b", "a..b/c", "u/" + "x" * 300])
def test_a_scope_of_a_bad_name_is_refused(protocol: Protocol, name: str) -> None:
    answer = auth(protocol.session(), f"repository:{name}:pull")

    assert (answer.status_code, code(answer)) == (400, "NAME_INVALID")


def test_the_token_service_takes_no_post(protocol: Protocol) -> None:
    answer = protocol.session().post(f"{BASE}auth")

    assert (answer.status_code, code(answer)) == (405, "UNSUPPORTED")
    assert "GET" in answer.headers["Allow"]


def test_anonymous_access_may_be_switched_off(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_ANONYMOUS_ACCESS=False)
    repo = protocol.repo()
    repo.image("v1")
    protocol.public(repo)

    assert auth(protocol.session(), repo.scope).status_code == 401
    assert repo.with_(protocol.session()).get("manifests/v1").status_code == 401
    assert repo.get("manifests/v1").status_code == 200
    # What is public is so for everybody who has signed in.
    other = repo.with_(protocol.as_(protocol.user(), repo.scope))
    assert other.get("manifests/v1").status_code == 200
    assert other.put("v2", repo.image_body()).status_code == 401


def test_the_realm_is_the_configured_host(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(SERVER_HOSTNAME="quay.example.com", PREFERRED_URL_SCHEME="https")
    answer = protocol.session().get(BASE)

    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="https://quay.example.com/v2/auth",service="quay.example.com"'
    )
