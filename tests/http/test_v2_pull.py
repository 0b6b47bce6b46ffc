"""Pulls: the bytes as they were pushed, with the headers that clients go by."""

from __future__ import annotations

import json

import pytest
from protocol import DOCKER_LIST, DOCKER_MANIFEST, HOST, OCI_INDEX, OCI_MANIFEST, Protocol, Repo, code, sha256

from quayframe.data import tables

DATA = bytes(range(256)) * 10


@pytest.fixture(scope="module")
def image(protocol: Protocol) -> tuple[Repo, str, bytes]:
    repo = protocol.repo()
    digest, body = repo.image("v1")
    return repo, digest, body


@pytest.fixture(scope="module")
def blob(protocol: Protocol) -> tuple[Repo, str]:
    repo = protocol.repo()
    return repo, f"blobs/{repo.blob(DATA)[0]}"


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_comes_back_byte_for_byte(image: tuple[Repo, str, bytes], by: str) -> None:
    repo, digest, body = image
    answer = repo.get(f"manifests/{'v1' if by == 'tag' else digest}")

    assert answer.status_code == 200
    assert answer.content == body
    assert answer.headers["Content-Type"] == OCI_MANIFEST
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert answer.headers["ETag"] == f'"{digest}"'
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("what", ["manifests/v1", "manifests/{}", "tags/list", "referrers/{}"])
def test_head_says_what_get_says_without_a_body(image: tuple[Repo, str, bytes], what: str) -> None:
    repo, digest, _ = image
    path = what.format(digest)
    got, head = repo.get(path), repo.head(path)

    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(got.content))
    for name in ("Content-Type", "Docker-Content-Digest", "ETag"):
        assert head.headers.get(name) == got.headers.get(name)


def test_head_of_what_is_missing_has_no_body(image: tuple[Repo, str, bytes]) -> None:
    repo = image[0]
    for path in ("manifests/missing", f"manifests/{sha256(b'')}", f"blobs/{sha256(b'missing')}"):
        answer = repo.head(path)
        assert (answer.status_code, answer.content) == (404, b"")
        assert answer.headers["Content-Length"] == str(len(repo.get(path).content))


@pytest.mark.parametrize("quoted", ['"{}"', 'W/"{}"', '"other", "{}"', "*", "{}"])
def test_a_manifest_that_the_client_has_is_not_sent_again(
    image: tuple[Repo, str, bytes], quoted: str
) -> None:
    repo, digest, _ = image
    for reference in ("v1", digest):
        answer = repo.get(f"manifests/{reference}", headers={"If-None-Match": quoted.format(digest)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Docker-Content-Digest"] == digest


def test_a_manifest_that_has_changed_is_sent(image: tuple[Repo, str, bytes]) -> None:
    repo, _, body = image
    answer = repo.get("manifests/v1", headers={"If-None-Match": f'"{sha256(b"old")}"'})

    assert (answer.status_code, answer.content) == (200, body)


def test_an_accept_header_does_not_convert_an_image(image: tuple[Repo, str, bytes]) -> None:
    repo, _, body = image
    for accept in (DOCKER_MANIFEST, "application/json", "text/html", "*/*"):
        assert repo.get("manifests/v1", headers={"Accept": accept}).content == body


def test_a_client_without_indexes_gets_the_image_for_linux_amd64(repo: Repo) -> None:
    arm, amd = repo.image_body(), repo.image_body()
    for body in (arm, amd):
        repo.put(sha256(body), body)
    listed = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": sha256(body),
            "size": len(body),
            "platform": {"os": "linux", "architecture": name},
        }
        for name, body in (("arm64", arm), ("amd64", amd))
    ]
    whole = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    assert repo.put("multi", whole, OCI_INDEX).status_code == 201

    old = repo.get("manifests/multi", headers={"Accept": OCI_MANIFEST})
    assert (old.content, old.headers["Docker-Content-Digest"]) == (amd, sha256(amd))
    for accept in (f"{OCI_MANIFEST}, {OCI_INDEX}", "*/*", DOCKER_LIST):
        assert repo.get("manifests/multi", headers={"Accept": accept}).content == whole
    assert repo.get(f"manifests/{sha256(whole)}", headers={"Accept": OCI_MANIFEST}).content == whole


@pytest.mark.parametrize(
    ("tag", "kind"), [("missing", "MANIFEST_UNKNOWN"), ("-bad", "MANIFEST_UNKNOWN"), ("x" * 129, None)]
)
def test_a_tag_that_never_was_is_unknown(image: tuple[Repo, str, bytes], tag: str, kind: str | None) -> None:
    answer = image[0].get(f"manifests/{tag}")

    assert (answer.status_code, code(answer)) == (404, kind or "MANIFEST_UNKNOWN")


def test_a_repository_that_is_not_there_is_named_unknown(protocol: Protocol) -> None:
    repo = protocol.repo()
    found = {path: repo.get(path) for path in ("manifests/v1", "tags/list", f"blobs/{sha256(b'')}")}

    assert {(a.status_code, code(a)) for a in found.values()} == {(404, "NAME_UNKNOWN")}
    assert repo.get(f"referrers/{sha256(b'')}").json()["manifests"] == []


def test_a_blob_comes_with_its_digest_and_may_be_cached(blob: tuple[Repo, str]) -> None:
    repo, path = blob
    for answer in (repo.get(path), repo.head(path)):
        assert answer.status_code == 200
        assert answer.headers["Docker-Content-Digest"] == sha256(DATA)
        assert answer.headers["Content-Length"] == str(len(DATA))
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Cache-Control"] == "max-age=31536000"
    assert repo.get(path).content == DATA
    assert repo.get(path, headers={"If-None-Match": f'"{sha256(DATA)}"'}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("0-0", 0, 1), ("10-19", 10, 20), ("2550-", 2550, 2560), ("-10", 2550, 2560), ("0-99999", 0, 2560)],
)
def test_a_part_of_a_blob_is_that_part(blob: tuple[Repo, str], asked: str, start: int, stop: int) -> None:
    repo, path = blob
    answer = repo.get(path, headers={"Range": f"bytes={asked}"})

    assert answer.status_code == 206
    assert answer.content == DATA[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=2560-", "bytes=99999999-", "bytes=-0"])
def test_a_part_beyond_the_blob_is_refused(blob: tuple[Repo, str], asked: str) -> None:
    repo, path = blob
    answer = repo.get(path, headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=a-b", "items=0-5", "bytes=0-1,5-6", "bytes=-"])
def test_a_range_that_is_none_gives_the_whole(blob: tuple[Repo, str], asked: str) -> None:
    repo, path = blob

    assert repo.get(path, headers={"Range": asked}).content == DATA


@pytest.mark.parametrize("digest", ["sha256:short", "md5:" + "0" * 32, "none", "sha256:" + "A" * 64])
def test_a_digest_that_is_none_is_refused(image: tuple[Repo, str, bytes], digest: str) -> None:
    repo = image[0]
    for path in (f"blobs/{digest}", f"referrers/{digest}"):
        answer = repo.get(path)
        assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")


def test_a_blob_whose_bytes_are_nowhere_is_unknown(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob(b"bytes that get lost")
    blob_id = protocol.registry.db.value(
        tables.Blob.select(tables.Blob.id).where(tables.Blob.digest == digest)
    )
    place = tables.BlobPlacement.blob == blob_id
    protocol.registry.db.write(lambda tx: tx.run(tables.BlobPlacement.delete().where(place)))
    answer = repo.get(f"blobs/{digest}")

    assert (answer.status_code, code(answer)) == (404, "BLOB_UNKNOWN")


def test_a_public_repository_needs_no_token(protocol: Protocol, repo: Repo) -> None:
    digest, body = repo.image("v1")
    layer = json.loads(body)["layers"][0]["digest"]
    anybody = repo.with_(protocol.session())
    paths = ("manifests/v1", f"manifests/{digest}", f"blobs/{layer}", "tags/list", f"referrers/{digest}")
    assert {anybody.get(path).status_code for path in paths} == {401}
    protocol.public(repo)

    assert {anybody.get(path).status_code for path in paths} == {200}
    assert anybody.do("POST", "blobs/uploads/").status_code == 401


def test_the_request_id_of_the_client_comes_back(image: tuple[Repo, str, bytes]) -> None:
    repo = image[0]

    assert repo.get("manifests/v1", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert repo.get("manifests/no", headers={"X-Request-Id": "mine-2"}).headers["X-Request-Id"] == "mine-2"
    made = repo.get("manifests/v1", headers={"X-Request-Id": 'a"b'}).headers["X-Request-Id"]
    assert made != 'a"b'


def test_an_error_of_the_registry_names_the_request(
    protocol: Protocol, image: tuple[Repo, str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("secret cause")

    monkeypatch.setattr(protocol.registry.pulls, "by_tag", broken)
    answer = image[0].get("manifests/v1")

    assert (answer.status_code, code(answer)) == (500, "UNKNOWN")
    assert answer.json()["errors"][0]["detail"]["request_id"] == answer.headers["X-Request-Id"]
    assert "secret cause" not in answer.text


@pytest.mark.parametrize("path", ["nothing", "a/b/nothing", "a/b/tags/nothing", "a/b/manifests", "blobs/x"])
def test_a_path_that_is_none_is_unknown(protocol: Protocol, path: str) -> None:
    answer = protocol.session().get(f"http://{HOST}/v2/{path}")

    assert (answer.status_code, code(answer)) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "manifests/v1", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PATCH", "blobs/sha256:x", {"GET", "HEAD", "DELETE"}),
        ("GET", "blobs/uploads/", {"POST"}),
        ("POST", "tags/list", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_names_the_right_ones(
    image: tuple[Repo, str, bytes], method: str, path: str, allowed: set[str]
) -> None:
    answer = image[0].do(method, path)

    assert (answer.status_code, code(answer)) == (405, "UNSUPPORTED")
    assert allowed <= {name.strip() for name in answer.headers["Allow"].split(",")}
