"""Names of repositories: nested, of one segment, and all that is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from protocol import HOST, Protocol, Repo, code

BAD = [
    "user/..",
    "user/../other",
    "../user/app",
    "user/./app",
    "user//app",
    "/user/app",
    "user/app/",
    "User/app",
    "user/App",
    "user/app%20x",
    "user/%ff",
    "user/äpp",
    "user/app%2F..%2Fx",
    "user/app%252Fx",
    "user/-app",
    "user/.app",
    "u/app",
    "user/" + "a" * 251,
    "a" * 256 + "/app",
]


def raw(session: requests.Session, method: str, path: str) -> requests.Response:
    """A request whose path is sent as it stands, dots and all."""
    request = session.prepare_request(requests.Request(method, f"http://{HOST}/"))
    request.url = f"http://{HOST}/v2/{path}"
    return session.send(request)


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_none_is_never_found(protocol: Protocol, name: str) -> None:
    user = protocol.user()
    for session in (protocol.session(), protocol.as_(user, f"repository:{user.name}/app:push,pull")):
        for method, rest in (
            ("GET", "manifests/v1"),
            ("PUT", "manifests/v1"),
            ("POST", "blobs/uploads/"),
            ("GET", "tags/list"),
        ):
            answer = raw(session, method, f"{name}/{rest}")
            expected = {401: "UNAUTHORIZED", 400: "NAME_INVALID", 404: "NAME_UNKNOWN"}
            assert answer.status_code in expected
            assert code(answer) == expected[answer.status_code]


def test_without_a_token_a_bad_name_is_in_the_challenge_as_it_was_sent(protocol: Protocol) -> None:
    answer = raw(protocol.session(), "GET", "User/App/tags/list")

    assert answer.status_code == 401
    assert 'scope="repository:User/App:pull"' in answer.headers["WWW-Authenticate"]


def test_a_challenge_is_never_broken_by_a_name(protocol: Protocol) -> None:
    answer = raw(protocol.session(), "GET", 'a"b%0d%0aX: 1/app/tags/list')
    challenge = answer.headers["WWW-Authenticate"]

    assert challenge.count('"') == 6
    assert "\r" not in challenge
    assert "\n" not in challenge


@pytest.mark.parametrize(
    "name", ["a/b/c/d/e", "v1.0", "with.dots_and-dashes", "a" * 200, "blobs/uploads/x", "tags"]
)
def test_nested_and_long_names_are_repositories(protocol: Protocol, name: str) -> None:
    repo = protocol.repo(None, name)
    digest, body = repo.image("v1")

    assert repo.get("manifests/v1").content == body
    assert repo.get(f"manifests/{digest}").content == body
    assert repo.get("tags/list").json() == {"name": repo.name, "tags": ["v1"]}
    assert repo.get(f"referrers/{digest}").status_code == 200


@pytest.mark.parametrize(
    "name", ["manifests", "blobs/manifests", "tags/list", "uploads/blobs", "referrers/a"]
)
def test_names_made_of_the_protocols_own_words_are_repositories(protocol: Protocol, name: str) -> None:
    repo = protocol.repo(None, name)
    _, body = repo.image("v1")

    assert repo.get("manifests/v1").content == body
    assert repo.tags() == ["v1"]


def test_a_name_of_255_characters_is_the_longest(protocol: Protocol) -> None:
    user = protocol.user()
    room = 255 - len(user.name) - 1
    repo = protocol.repo(user, "a" * room)

    assert repo.image("v1")
    session = protocol.session(repo.bearer)
    answer = session.get(f"http://{HOST}/v2/{user.name}/{'a' * (room + 1)}/tags/list")
    assert answer.status_code in (400, 401)


def test_names_may_be_held_to_one_level(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_EXTENDED_REPOSITORY_NAMES=False)
    user = protocol.user()
    session = protocol.as_(user, f"repository:{user.name}/app:push,pull")
    assert session.post(f"http://{HOST}/v2/{user.name}/app/blobs/uploads/").status_code == 202

    answer = session.post(f"http://{HOST}/v2/{user.name}/a/b/blobs/uploads/")
    assert (answer.status_code, code(answer)) == (400, "NAME_INVALID")


def test_one_segment_is_a_repository_of_the_library(protocol: Protocol) -> None:
    owner = protocol.user("library")
    whole = protocol.repo(owner, "alpine")
    _, body = whole.image("v1")
    session = protocol.as_(owner, "repository:alpine:push,pull")
    short = Repo(session, "alpine", f"http://{HOST}")

    assert short.get("manifests/v1").content == body
    assert short.get("tags/list").json()["name"] == "library/alpine"
    assert short.image("v2")
    assert whole.tags() == ["v1", "v2"]


def test_the_library_may_be_switched_off(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_LIBRARY_SUPPORT=False)
    session = protocol.as_(protocol.user())
    answer = session.get(f"http://{HOST}/v2/alpine/tags/list")

    assert (answer.status_code, code(answer)) == (400, "NAME_INVALID")


def test_an_encoded_slash_opens_nothing_that_the_name_does_not(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    encoded = repo.name.replace("/", "%2F")

    assert raw(protocol.session(), "GET", f"{encoded}/tags/list").status_code in (400, 401, 404)
    other = protocol.as_(protocol.user())
    assert raw(other, "GET", f"{encoded}/tags/list").status_code in (400, 401, 404)


def test_a_name_with_a_nul_is_refused_before_all_else(protocol: Protocol) -> None:
    answer = raw(protocol.session(), "GET", "user/app%00/tags/list")

    assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")
