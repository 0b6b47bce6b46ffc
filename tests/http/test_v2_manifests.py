"""Manifests come in: which are taken, which are refused and why, and what a push answers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests
from protocol import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Protocol,
    Repo,
    code,
    descriptor,
    index,
    manifest,
    sha256,
    sha512,
)

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
LIMIT = 4 * 1024 * 1024


def docker(repo: Repo) -> bytes:
    (config, one), (layer, two) = repo.blob(b'{"os":"linux"}'), repo.blob()
    return manifest(
        (DOCKER_CONFIG, config, len(one)), [(DOCKER_LAYER, layer, len(two))], mediaType=DOCKER_MANIFEST
    )


def test_a_push_by_tag_says_what_it_made(repo: Repo) -> None:
    body = repo.image_body()
    answer = repo.put("v1", body)

    assert answer.status_code == 201
    assert answer.headers["Docker-Content-Digest"] == sha256(body)
    assert answer.headers["Location"] == f"/v2/{repo.name}/manifests/{sha256(body)}"
    assert answer.headers["ETag"] == f'"{sha256(body)}"'
    assert "OCI-Subject" not in answer.headers
    assert "OCI-Tag" not in answer.headers


def test_docker_images_and_lists_are_taken(repo: Repo) -> None:
    body = docker(repo)
    assert repo.put(sha256(body), body, DOCKER_MANIFEST).status_code == 201
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [
            descriptor(DOCKER_MANIFEST, sha256(body), len(body))
            | {"platform": {"os": "linux", "architecture": "amd64"}}
        ],
    }
    listed = json.dumps(document).encode()
    assert repo.put("list", listed, DOCKER_LIST).status_code == 201

    got = repo.get("manifests/list", headers={"Accept": DOCKER_LIST})
    assert (got.content, got.headers["Content-Type"]) == (listed, DOCKER_LIST)
    old = repo.get("manifests/list", headers={"Accept": DOCKER_MANIFEST})
    assert (old.content, old.headers["Content-Type"]) == (body, DOCKER_MANIFEST)


def test_an_index_of_indexes_is_taken(repo: Repo) -> None:
    _, image = repo.image()
    _, inner = repo.index(None, [image])
    digest, outer = repo.index("nested", [inner, image])

    assert repo.get("manifests/nested").content == outer
    assert repo.get(f"manifests/{digest}").headers["Content-Type"] == OCI_INDEX


def test_the_type_of_a_body_without_a_content_type_is_in_it(repo: Repo) -> None:
    body = repo.image_body()
    for media_type in ("application/json", ""):
        assert repo.put("plain", body, media_type).status_code == 201
    assert repo.get("manifests/plain").headers["Content-Type"] == OCI_MANIFEST


def test_a_manifest_may_have_a_sha512_digest(repo: Repo) -> None:
    body = repo.image_body()
    digest = sha512(body)
    answer = repo.put(digest, body)

    assert answer.status_code == 201
    assert answer.headers["Docker-Content-Digest"] == digest
    assert repo.get(f"manifests/{digest}").content == body


def test_several_tags_are_put_by_one_push(repo: Repo) -> None:
    body = repo.image_body()
    answer = repo.put(f"{sha256(body)}?tag=1&tag=1.2&tag=latest", body)

    assert answer.status_code == 201
    named = {name.strip() for name in answer.headers["OCI-Tag"].split(",")}
    assert named == {"1", "1.2", "latest"}
    assert repo.tags() == ["1", "1.2", "latest"]
    assert {repo.get(f"manifests/{tag}").content for tag in named} == {body}


def test_a_bad_tag_among_several_leaves_none(repo: Repo) -> None:
    body = repo.image_body()
    answer = repo.put(f"{sha256(body)}?tag=good&tag=-bad", body)

    assert (answer.status_code, code(answer)) == (400, "TAG_INVALID")
    assert repo.get("manifests/good").status_code == 404


def test_too_many_tags_are_refused(repo: Repo) -> None:
    body = repo.image_body()
    query = "&".join(f"tag=t{n}" for n in range(101))
    answer = repo.put(f"{sha256(body)}?{query}", body)

    assert (answer.status_code, code(answer)) == (413, "TOO_MANY_TAGS_REQUESTED")


@pytest.mark.parametrize("tag", ["-x", ".x", "x" * 129, "a~b", "ä", "a%20b"])
def test_a_tag_that_is_none_is_refused(repo: Repo, tag: str) -> None:
    answer = repo.put(tag, repo.image_body())

    assert (answer.status_code, code(answer)) == (400, "TAG_INVALID")


def test_the_digest_of_the_path_must_be_that_of_the_body(repo: Repo) -> None:
    body = repo.image_body()
    for digest in (sha256(b"other"), sha512(b"other")):
        answer = repo.put(digest, body)
        assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")
    assert repo.get(f"manifests/{sha256(body)}").status_code == 404


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    ],
)
def test_schema_1_is_refused_and_says_what_to_do(repo: Repo, media_type: str) -> None:
    repo.begin()
    answer = repo.put("v1", b'{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[]}', media_type)

    assert (answer.status_code, code(answer)) == (415, "MANIFEST_INVALID")
    assert "push again" in answer.json()["errors"][0]["message"]
    assert answer.json()["errors"][0]["detail"]["message"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/vnd.unknown+json", "nonsense", "a/b;c"])
def test_a_type_that_is_no_manifest_is_refused(repo: Repo, media_type: str) -> None:
    answer = repo.put("v1", repo.image_body(), media_type)

    assert (answer.status_code, code(answer)) == (415, "MANIFEST_INVALID")


def test_a_body_of_another_type_than_the_header_is_refused(repo: Repo) -> None:
    image = repo.image_body()
    listed = index([])
    for body, media_type in ((image, DOCKER_MANIFEST), (image, OCI_INDEX), (listed, OCI_MANIFEST)):
        answer = repo.put("v1", body, media_type)
        assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")


def test_a_body_that_is_both_image_and_index_is_refused(repo: Repo) -> None:
    body = json.loads(repo.image_body()) | {"manifests": []}
    answer = repo.put("v1", json.dumps(body).encode())

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")


BAD_JSON = {
    "empty": b"",
    "not json": b"{",
    "an array": b"[]",
    "null": b"null",
    "deep arrays": b'{"schemaVersion":2,"annotations":' + b"[" * 100_000,
    "deep objects": b'{"a":' * 70 + b"1" + b"}" * 70,
    "duplicate keys": b'{"schemaVersion":2,"schemaVersion":2}',
    "invalid UTF-8": b'{"schemaVersion":2,"annotations":{"a":"\xff\xfe"}}',
    "half a surrogate pair": b'{"schemaVersion":2,"annotations":{"a":"\\ud800"}}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "not a number": b'{"schemaVersion":NaN}',
    "a huge number": b'{"schemaVersion":' + b"9" * 5000 + b"}",
    "a version as text": b'{"schemaVersion":"2","config":{},"layers":[]}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_bad_json_is_refused_with_its_cause(repo: Repo, body: bytes) -> None:
    repo.begin()
    answer = repo.put("v1", body)

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")
    assert len(answer.json()["errors"][0]["detail"]["message"]) > 10
    assert repo.get("manifests/v1").status_code == 404


@pytest.mark.parametrize("field", ["config", "layers", "schemaVersion"])
def test_a_manifest_without_a_required_field_is_refused(repo: Repo, field: str) -> None:
    body = json.loads(repo.image_body())
    del body[field]
    answer = repo.put("v1", json.dumps(body).encode())

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")
    assert field in answer.json()["errors"][0]["message"]


def padded(body: bytes, size: int) -> bytes:
    return body[:-1] + b" " * (size - len(body)) + body[-1:]


def test_a_manifest_may_have_4_mib_and_not_a_byte_more(repo: Repo) -> None:
    body = repo.image_body()
    for whole in (padded(body, LIMIT + 1), padded(body, 2 * LIMIT)):
        answer = repo.put("big", whole)
        assert (answer.status_code, code(answer)) == (413, "MANIFEST_INVALID")
    streamed = repo.do(
        "PUT", "manifests/big", data=iter([padded(body, LIMIT + 1)]), headers={"Content-Type": OCI_MANIFEST}
    )
    assert (streamed.status_code, code(streamed)) == (413, "MANIFEST_INVALID")
    assert repo.get("manifests/big").status_code == 404

    assert repo.put("big", padded(body, LIMIT)).status_code == 201
    assert repo.get("manifests/big").content == padded(body, LIMIT)


def test_a_blob_that_is_not_there_is_named(repo: Repo) -> None:
    config, data = repo.blob()
    missing = sha256(b"missing")
    layer = manifest((OCI_CONFIG, config, len(data)), [(OCI_LAYER, missing, 7)])
    other = manifest((OCI_CONFIG, missing, 7), [(OCI_LAYER, config, len(data))])
    for body in (layer, other):
        answer = repo.put("v1", body)
        assert (answer.status_code, code(answer)) == (400, "MANIFEST_BLOB_UNKNOWN")
        assert missing in answer.json()["errors"][0]["message"]
    assert repo.get("manifests/v1").status_code == 404


def test_a_blob_of_another_repository_is_not_there(protocol: Protocol, repo: Repo) -> None:
    body = protocol.repo().image_body()
    repo.begin()

    assert code(repo.put("v1", body)) == "MANIFEST_BLOB_UNKNOWN"


def test_a_child_that_is_not_there_is_named(protocol: Protocol, repo: Repo) -> None:
    _, elsewhere = protocol.repo().image()
    repo.begin()
    answer = repo.put("v1", index([elsewhere]), OCI_INDEX)

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert sha256(elsewhere) in answer.json()["errors"][0]["message"]


def test_a_child_may_be_missing_where_the_operator_says_so(
    make_protocol: Callable[..., Protocol],
) -> None:
    repo = make_protocol(FEATURE_SPARSE_INDEX=True).repo()
    _, here = repo.image()
    body = index([here, repo.image_body()])

    assert repo.put("sparse", body, OCI_INDEX).status_code == 201
    assert repo.get(f"manifests/{sha256(here)}").status_code == 200


def test_indexes_upon_indexes_have_a_bound(repo: Repo) -> None:
    """What is listed is found from the top, also when nothing else shows it."""
    leaf, body = repo.image()
    for _ in range(16):
        _, body = repo.index(None, [body])
    assert repo.put("top", body, OCI_INDEX).status_code == 201
    answer = repo.put("higher", index([body]), OCI_INDEX)

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")
    assert repo.get(f"manifests/{leaf}").status_code == 200


def test_a_subject_that_is_not_there_is_no_error(repo: Repo) -> None:
    subject = descriptor(OCI_MANIFEST, sha256(b"later"), 5)
    answer = repo.put("signature", repo.image_body(subject=subject))

    assert answer.status_code == 201
    assert answer.headers["OCI-Subject"] == sha256(b"later")


@pytest.mark.parametrize("which", ["config", "layers"])
def test_a_size_that_is_not_the_blobs_is_refused(repo: Repo, which: str) -> None:
    body = json.loads(repo.image_body())
    (body[which] if which == "config" else body[which][0])["size"] += 1
    answer = repo.put("v1", json.dumps(body).encode())

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")


def test_a_size_that_is_not_the_childs_is_refused(repo: Repo) -> None:
    _, image = repo.image()
    body = json.loads(index([image]))
    body["manifests"][0]["size"] += 1
    answer = repo.put("v1", json.dumps(body).encode(), OCI_INDEX)

    assert (answer.status_code, code(answer)) == (400, "MANIFEST_INVALID")


def test_a_manifest_cut_short_is_refused(repo: Repo) -> None:
    body = repo.image_body()
    headers = {"Content-Type": OCI_MANIFEST}

    request = repo.session.prepare_request(
        requests.Request("PUT", repo.url("manifests/v1"), data=body, headers=headers)
    )
    request.headers["Content-Length"] = str(len(body) + 1)
    answer = repo.session.send(request)

    assert (answer.status_code, code(answer)) == (400, "SIZE_INVALID")


def test_foreign_layers_need_not_be_there(repo: Repo) -> None:
    config, data = repo.blob()
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layer = descriptor(foreign, sha256(b"far away"), 8) | {"urls": ["https://example.com/layer"]}
    body = json.loads(manifest((DOCKER_CONFIG, config, len(data)), [], mediaType=DOCKER_MANIFEST))
    body["layers"] = [layer]

    assert repo.put("windows", json.dumps(body).encode(), DOCKER_MANIFEST).status_code == 201


def test_oci_manifests_may_be_switched_off(make_protocol: Callable[..., Protocol]) -> None:
    repo = make_protocol(FEATURE_GENERAL_OCI_SUPPORT=False).repo()
    answer = repo.put("v1", repo.image_body())

    assert (answer.status_code, code(answer)) == (415, "MANIFEST_INVALID")
    assert "FEATURE_GENERAL_OCI_SUPPORT" in answer.json()["errors"][0]["message"]
    assert repo.put("v1", docker(repo), DOCKER_MANIFEST).status_code == 201


def test_the_operator_may_list_the_types_that_are_taken(make_protocol: Callable[..., Protocol]) -> None:
    helm = "application/vnd.cncf.helm.config.v1+json"
    chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    repo = make_protocol(ALLOWED_OCI_ARTIFACT_TYPES={helm: [chart]}).repo()
    config, data = repo.blob()
    good = manifest((helm, config, len(data)), [(chart, config, len(data))])
    bad = manifest(("application/vnd.other+json", config, len(data)), [(chart, config, len(data))])

    assert repo.put("chart", good).status_code == 201
    assert repo.put("other", bad).status_code == 415


def test_the_same_push_twice_is_one_manifest_and_one_tag(repo: Repo) -> None:
    body = repo.image_body()
    for _ in range(2):
        assert repo.put("v1", body).status_code == 201
    assert repo.tags() == ["v1"]


def test_a_tag_moves_to_the_last_push(repo: Repo) -> None:
    first, _ = repo.image("v1")
    _, second = repo.image("v1")

    assert repo.get("manifests/v1").content == second
    # Nothing names the first one any more.
    assert repo.get(f"manifests/{first}").status_code == 404
