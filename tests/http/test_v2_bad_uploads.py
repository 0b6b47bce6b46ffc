"""Uploads that are wrong: what is refused, with which words, and what stays as it was."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from protocol import Protocol, Repo, code, sha256, sha512

from quayframe.data import tables
from quayframe.services.uploads import Uploads

DATA = bytes(range(250)) * 20


def offset(repo: Repo, location: str) -> str:
    return repo.session.get(location).headers["Range"]


def send(session: requests.Session, method: str, url: str, data: bytes, length: int) -> requests.Response:
    """A request whose Content-Length is not its body's."""
    request = session.prepare_request(requests.Request(method, url, data=data))
    request.headers["Content-Length"] = str(length)
    return session.send(request)


def test_a_chunk_cut_short_is_refused_and_the_upload_goes_on_from_what_came(repo: Repo) -> None:
    location = repo.begin()
    answer = send(repo.session, "PATCH", location, DATA[:100], 1000)

    assert (answer.status_code, code(answer)) == (400, "SIZE_INVALID")
    at = int(offset(repo, location).rpartition("-")[2]) + 1
    at = 0 if at == 1 else at
    assert repo.patch(location, DATA[at:], at).status_code == 202
    assert repo.finish(location, sha256(DATA)).status_code == 201


def test_a_whole_blob_cut_short_makes_no_blob(repo: Repo) -> None:
    url = repo.url(f"blobs/uploads/?digest={sha256(DATA)}")
    posted = send(repo.session, "POST", url, DATA[:100], len(DATA))
    location = repo.begin()
    put = send(repo.session, "PUT", f"{location}?digest={sha256(DATA)}", DATA[:100], len(DATA))

    assert [(a.status_code, code(a)) for a in (posted, put)] == [(400, "SIZE_INVALID")] * 2
    assert repo.head(f"blobs/{sha256(DATA)}").status_code == 404
    assert repo.finish(location, sha256(DATA), DATA).status_code == 201


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "9" * 30])
def test_a_length_that_is_none_is_refused(repo: Repo, length: str) -> None:
    location = repo.begin()
    request = repo.session.prepare_request(requests.Request("PATCH", location, data=DATA))
    request.headers["Content-Length"] = length
    answer = repo.session.send(request)

    assert answer.status_code in (400, 413)
    assert code(answer) == "SIZE_INVALID"
    assert offset(repo, location) == "0-0"


def test_a_length_that_is_too_small_counts(repo: Repo) -> None:
    location = repo.begin()

    assert send(repo.session, "PATCH", location, DATA, 100).headers["Range"] == "0-99"


@pytest.mark.parametrize("chunked", [False, True])
def test_content_of_another_digest_ends_the_upload(repo: Repo, chunked: bool) -> None:
    location = repo.begin()
    if chunked:
        repo.patch(location, DATA, 0)
    answer = repo.finish(location, sha256(b"other"), b"" if chunked else DATA)

    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")
    assert sha256(DATA) in answer.json()["errors"][0]["message"]
    assert repo.session.get(location).status_code == 404
    assert repo.head(f"blobs/{sha256(b'other')}").status_code == 404
    assert repo.head(f"blobs/{sha256(DATA)}").status_code == 404


def test_content_of_another_digest_by_one_post_is_refused(repo: Repo) -> None:
    answer = repo.do("POST", f"blobs/uploads/?digest={sha256(b'other')}", data=DATA)

    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize(
    "digest",
    [
        "md5:" + "0" * 32,
        "sha256:abc",
        "sha256:" + "G" * 64,
        "nonsense",
        "sha512:" + "0" * 64,
        "sha256:" * 200,
    ],
)
def test_a_digest_that_is_none_is_refused(repo: Repo, digest: str) -> None:
    location = repo.begin()
    repo.patch(location, DATA, 0)
    put = repo.finish(location, digest)
    posted = repo.do("POST", "blobs/uploads/", params={"digest": digest}, data=DATA)

    assert [(a.status_code, code(a)) for a in (put, posted)] == [(400, "DIGEST_INVALID")] * 2


def test_the_other_algorithm_with_a_wrong_digest_leaves_nothing(protocol: Protocol, repo: Repo) -> None:
    location = repo.begin()
    repo.patch(location, DATA, 0)
    answer = repo.finish(location, sha512(b"other"))

    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")
    protocol.registry.collector.sweep(0)
    assert [k for k in protocol.registry.storage.keys("default") if sha512(b"other")[7:] in k] == []


def test_a_put_without_a_digest_leaves_the_upload_open(repo: Repo) -> None:
    location = repo.begin()
    repo.patch(location, DATA, 0)
    answer = repo.session.put(location)

    assert (answer.status_code, code(answer)) == (400, "BLOB_UPLOAD_INVALID")
    assert "reason" in answer.json()["errors"][0]["detail"]
    assert repo.finish(location, sha256(DATA)).status_code == 201


def test_an_algorithm_nobody_knows_cannot_begin(repo: Repo) -> None:
    answer = repo.do("POST", "blobs/uploads/?digest-algorithm=md5")

    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("start", [0, 50, 99, 101, 5000])
def test_a_chunk_that_leaves_a_gap_or_overlaps_is_told_where_to_go_on(repo: Repo, start: int) -> None:
    location = repo.begin()
    repo.patch(location, DATA[:100], 0)
    for answer in (
        repo.patch(location, DATA[:10], start),
        repo.finish(location, sha256(DATA), DATA[:10], **{"Content-Range": f"{start}-{start + 9}"}),
    ):
        assert answer.status_code == 416
        assert answer.headers["Range"] == "0-99"
        assert answer.headers["Location"] == location
        assert answer.headers["Docker-Upload-UUID"] in location
    assert offset(repo, location) == "0-99"


@pytest.mark.parametrize("given", ["", "a-b", "5", "9-5", "-1-5", "0-9/5", "0-99999999999999999999"])
def test_a_content_range_that_is_none_is_refused(repo: Repo, given: str) -> None:
    location = repo.begin()
    answer = repo.session.patch(location, data=DATA[:10], headers={"Content-Range": given})

    assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")
    assert offset(repo, location) == "0-0"


@pytest.mark.parametrize("length", [5, 11])
def test_a_content_range_of_another_length_than_the_body_is_refused(repo: Repo, length: int) -> None:
    location = repo.begin()
    header = {"Content-Range": f"0-{length - 1}"}
    patched = repo.session.patch(location, data=DATA[:10], headers=header)
    put = repo.finish(location, sha256(DATA[:10]), DATA[:10], **header)

    assert [(a.status_code, code(a)) for a in (patched, put)] == [(400, "SIZE_INVALID")] * 2
    assert offset(repo, location) == "0-0"


def test_an_upload_is_unknown_in_another_repository(protocol: Protocol, repo: Repo) -> None:
    other = protocol.repo(repo.owner)
    other.image("v1")
    location = repo.begin()
    elsewhere = location.replace(repo.name, other.name)
    for answer in (
        other.session.get(elsewhere),
        other.patch(elsewhere, DATA),
        other.finish(elsewhere, sha256(DATA), DATA),
        other.session.delete(elsewhere),
    ):
        assert (answer.status_code, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert repo.patch(location, DATA).status_code == 202


@pytest.mark.parametrize("ident", ["nonsense", "x" * 3000, "00000000-0000-0000-0000-000000000000"])
def test_an_upload_that_never_was_is_unknown(repo: Repo, ident: str) -> None:
    repo.begin()
    answer = repo.get(f"blobs/uploads/{ident}")

    assert (answer.status_code, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


class Meeting(io.BytesIO):
    """A body that is read only when its partner's is read as well."""

    def __init__(self, data: bytes, barrier: threading.Barrier) -> None:
        super().__init__(data)
        self._barrier: threading.Barrier | None = barrier

    def read(self, size: int | None = -1) -> bytes:
        if self._barrier is not None:
            barrier, self._barrier = self._barrier, None
            barrier.wait(20)
        return super().read(size)


def race(uploads: Uploads, allowed: Any, ident: str, bodies: list[bytes], start: int | None) -> list[Any]:
    """What each of two appends to one upload at the same moment gave."""
    barrier = threading.Barrier(len(bodies))
    results: list[Any] = [None] * len(bodies)

    def one(number: int) -> None:
        try:
            results[number] = uploads.append(allowed, ident, Meeting(bodies[number], barrier), start, None)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.parametrize("before", [0, 300])
def test_of_two_chunks_at_one_offset_one_counts_and_the_other_is_told_the_offset(
    protocol: Protocol, repo: Repo, before: int
) -> None:
    uploads = protocol.registry.uploads
    location = repo.begin()
    if before:
        repo.patch(location, DATA[:before], 0)
    allowed = protocol.allowed(repo)
    one, two = b"1" * 1000, b"2" * 2000
    results = race(uploads, allowed, location.rpartition("/")[2], [one, two], before)

    (won,) = [r for r in results if isinstance(r, int)]
    (lost,) = [r for r in results if not isinstance(r, int)]
    assert (type(lost).__name__, lost.detail) == ("RangeInvalid", {"offset": won})
    whole = DATA[:before] + (one if won == before + 1000 else two)
    assert repo.finish(location, sha256(whole)).status_code == 201
    assert repo.get(f"blobs/{sha256(whole)}").content == whole


def test_two_clients_in_turns_on_one_upload_make_one_blob(protocol: Protocol, repo: Repo) -> None:
    assert repo.owner is not None
    other = repo.with_(protocol.as_(repo.owner, repo.scope))
    location = repo.begin()
    repo.patch(location, DATA[:1000], 0)

    assert other.patch(location, DATA[:1000], 0).status_code == 416
    assert other.patch(location, DATA[1000:], 1000).status_code == 202
    assert repo.finish(location, sha256(DATA)).status_code == 201
    assert other.finish(location, sha256(DATA)).status_code == 404


def test_a_put_may_be_repeated_when_its_answer_was_lost(
    protocol: Protocol, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = repo.begin()
    repo.patch(location, DATA, 0)

    def lost(*args: Any) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(protocol.registry.uploads, "_record", lost)
        assert repo.finish(location, sha256(DATA)).status_code == 500
    wrong = repo.finish(location, sha256(b"other"))
    assert (wrong.status_code, code(wrong)) == (400, "BLOB_UPLOAD_INVALID")
    assert repo.patch(location, b"more").status_code == 416
    assert repo.session.delete(location).status_code == 400
    assert repo.finish(location, sha256(DATA)).status_code == 201
    assert repo.get(f"blobs/{sha256(DATA)}").content == DATA


def test_a_finish_overtaken_by_the_sweep_leaves_no_object(
    protocol: Protocol, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"overtaken by the sweep"
    location = repo.begin()
    record = protocol.registry.uploads._record

    def slow(*args: Any) -> None:
        protocol.registry.db.write(lambda tx: tx.run(tables.Upload.delete()))
        record(*args)

    with monkeypatch.context() as overtaken:
        overtaken.setattr(protocol.registry.uploads, "_record", slow)
        answer = repo.finish(location, sha256(data), data)
    assert (answer.status_code, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")
    protocol.registry.collector.sweep(0)
    assert [k for k in protocol.registry.storage.keys("default") if sha256(data)[7:] in k] == []


def test_pushing_may_be_switched_off_by_a_read_only_repository(
    make_protocol: Callable[..., Protocol],
) -> None:
    protocol = make_protocol()
    repo = protocol.repo()
    repo.image("v1")
    protocol.registry.db.write(lambda tx: tx.run(tables.Repository.update(state="READ_ONLY")))
    answer = repo.do("POST", "blobs/uploads/")
    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert repo.get("manifests/v1").status_code == 200
