"""Blobs come in whole, in chunks, streamed, resumed; every answer says what is there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

import pytest
from protocol import HOST, Protocol, Repo, code, sha256, sha512

from quayframe.oci import hashing

DATA = bytes(range(256)) * 40


def test_a_blob_pushed_by_one_post_is_there(repo: Repo) -> None:
    answer = repo.do("POST", f"blobs/uploads/?digest={sha256(DATA)}", data=DATA)

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"http://{HOST}/v2/{repo.name}/blobs/{sha256(DATA)}"
    assert answer.headers["Docker-Content-Digest"] == sha256(DATA)
    assert repo.get(f"blobs/{sha256(DATA)}").content == DATA


def test_a_blob_pushed_by_post_and_put_is_there(repo: Repo) -> None:
    answer = repo.finish(repo.begin(), sha256(DATA), DATA)

    assert answer.status_code == 201
    assert answer.content == b""
    assert "Docker-Upload-UUID" not in answer.headers
    assert repo.get(f"blobs/{sha256(DATA)}").content == DATA


def test_the_begin_of_an_upload_tells_where_and_how_much(repo: Repo) -> None:
    answer = repo.do("POST", "blobs/uploads/")

    assert answer.status_code == 202
    ident = answer.headers["Docker-Upload-UUID"]
    assert re.fullmatch(r"[0-9a-f-]{36}", ident)
    assert answer.headers["Location"] == f"http://{HOST}/v2/{repo.name}/blobs/uploads/{ident}"
    assert answer.headers["Range"] == "0-0"


@pytest.mark.parametrize("sizes", [(1, 1, 1), (5000, 5240), (100, 10000, 140), (10240, 0)])
def test_chunks_make_the_whole(repo: Repo, sizes: tuple[int, ...]) -> None:
    location = repo.begin()
    at = 0
    for size in sizes:
        answer = repo.patch(location, DATA[at : at + size], at if size else None)
        assert answer.status_code == 202
        at += size
        assert answer.headers["Range"] == f"0-{at - 1}"
        location = answer.headers["Location"]

    assert repo.finish(location, sha256(DATA[:at])).status_code == 201
    assert repo.get(f"blobs/{sha256(DATA[:at])}").content == DATA[:at]


def test_the_last_chunk_may_come_with_the_put(repo: Repo) -> None:
    location = repo.begin()
    repo.patch(location, DATA[:100], 0)
    answer = repo.finish(location, sha256(DATA), DATA[100:], **{"Content-Range": f"100-{len(DATA) - 1}"})

    assert answer.status_code == 201
    assert repo.head(f"blobs/{sha256(DATA)}").headers["Content-Length"] == str(len(DATA))


def test_a_stream_without_a_length_is_one_chunk(repo: Repo) -> None:
    def pieces() -> Iterator[bytes]:
        for at in range(0, len(DATA), 777):
            yield DATA[at : at + 777]

    location = repo.begin()
    assert repo.patch(location, pieces()).status_code == 202
    assert repo.finish(location, sha256(DATA)).status_code == 201


def test_the_status_of_an_upload_tells_where_to_go_on(repo: Repo) -> None:
    location = repo.begin()
    repo.patch(location, DATA[:1000], 0)
    answer = repo.session.get(location)

    assert answer.status_code == 204
    assert answer.headers["Range"] == "0-999"
    assert answer.headers["Location"] == location
    assert answer.headers["Docker-Upload-UUID"] in location
    assert repo.session.head(location).headers["Range"] == "0-999"


def test_a_cancelled_upload_is_unknown(repo: Repo) -> None:
    location = repo.begin()

    assert repo.session.delete(location).status_code == 204
    for answer in (
        repo.session.get(location),
        repo.patch(location, b"x"),
        repo.finish(location, sha256(b"x"), b"x"),
        repo.session.delete(location),
    ):
        assert (answer.status_code, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("digest", [sha256(DATA), sha512(DATA)], ids=["sha256", "sha512"])
@pytest.mark.parametrize("announced", ["", "?digest-algorithm=sha512"], ids=["plain", "announced"])
@pytest.mark.parametrize("cut", [0, 4000])
def test_either_algorithm_may_end_an_upload(repo: Repo, digest: str, announced: str, cut: int) -> None:
    location = repo.begin(announced)
    if cut:
        location = repo.patch(location, DATA[:cut], 0).headers["Location"]

    assert repo.finish(location, digest, DATA[cut:]).status_code == 201
    assert repo.get(f"blobs/{digest}").content == DATA


def test_without_a_kept_hash_state_the_bytes_are_read_once_more(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "available", lambda: False)
    location = repo.begin()
    repo.patch(location, DATA[:100], 0)
    repo.patch(location, DATA[100:], 100)

    assert repo.finish(location, sha256(DATA)).status_code == 201
    location = repo.begin()
    repo.patch(location, DATA, 0)
    answer = repo.finish(location, sha256(b"other"))
    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")


def test_an_empty_blob_can_be_pushed(repo: Repo) -> None:
    digest, _ = repo.blob(b"")

    assert repo.get(f"blobs/{digest}").content == b""
    assert repo.head(f"blobs/{digest}").headers["Content-Length"] == "0"


def test_the_same_blob_may_be_pushed_again(repo: Repo) -> None:
    repo.blob(DATA)
    digest, _ = repo.blob(DATA)

    assert repo.get(f"blobs/{digest}").content == DATA


def test_a_second_copy_of_the_bytes_goes_to_the_trash(protocol: Protocol) -> None:
    data = hashlib.sha256(b"second copy").digest()
    one, two = protocol.repo(), protocol.repo()
    one.blob(data)
    two.blob(data)
    protocol.registry.collector.sweep(0)

    found = [key for key in protocol.registry.storage.keys("default") if sha256(data)[7:] in key]
    assert len(found) == 1
    assert two.get(f"blobs/{sha256(data)}").content == data


def test_the_first_upload_makes_the_repository_private(protocol: Protocol, repo: Repo) -> None:
    repo.begin()
    row = protocol.registry.access.repository(*repo.path)

    assert row is not None
    assert row.visibility == "private"


def test_a_push_may_make_public_repositories(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(CREATE_PRIVATE_REPO_ON_PUSH=False)
    repo = protocol.repo()
    repo.image("v1")

    assert repo.with_(protocol.session()).get("manifests/v1").status_code == 200


def test_a_push_may_make_the_namespace(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(CREATE_NAMESPACE_ON_PUSH=True)
    user = protocol.user("maker")
    session = protocol.as_(user, "repository:neworg/app:push,pull")
    repo = Repo(session, "neworg/app", f"http://{HOST}")
    repo.blob()

    assert protocol.registry.accounts.get("neworg").kind == "organization"
    # What the first act made, the token that made it can go on using.
    assert repo.image("v1")
    assert repo.tags() == ["v1"]


def test_a_token_for_a_namespace_to_be_made_does_not_open_somebody_elses(
    make_protocol: Callable[..., Protocol],
) -> None:
    protocol = make_protocol(CREATE_NAMESPACE_ON_PUSH=True)
    first, second = (
        Repo(
            protocol.as_(protocol.user(name), f"repository:neworg/{name}:push,pull"),
            f"neworg/{name}",
            f"http://{HOST}",
        )
        for name in ("first", "second")
    )
    first.begin()
    answer = second.do("POST", "blobs/uploads/")

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert 'scope="repository:neworg/second:pull,push"' in answer.headers["WWW-Authenticate"]
    assert protocol.registry.access.repository("neworg", "second") is None


def test_a_namespace_that_is_not_there_is_no_place_to_push(protocol: Protocol) -> None:
    user = protocol.user()
    session = protocol.as_(user, "repository:nowhere/app:push,pull")
    answer = session.post(f"http://{HOST}/v2/nowhere/app/blobs/uploads/")

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")


def test_a_blob_larger_than_the_limit_is_refused(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(MAXIMUM_LAYER_SIZE="1000B")
    repo = protocol.repo()
    repo.blob(b"x" * 1000)
    whole = repo.do("POST", f"blobs/uploads/?digest={sha256(DATA)}", data=DATA)
    location = repo.begin()
    assert repo.patch(location, DATA[:600], 0).status_code == 202
    second = repo.patch(location, DATA[600:1200], 600)
    streamed = repo.patch(repo.begin(), iter([DATA]))

    for answer in (whole, second, streamed):
        assert (answer.status_code, code(answer)) == (413, "SIZE_INVALID")
    assert repo.session.get(location).headers["Range"] == "0-599"
