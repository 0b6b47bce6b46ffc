"""What a review of the protocol by an attacker and a database expert found: each stays found."""

from __future__ import annotations

import json
from pathlib import Path

from protocol import OCI_MANIFEST, Protocol, Repo, code, sha256

from quayframe.data import tables
from quayframe.services.referrers import PAGE_BYTES


def end_links(protocol: Protocol) -> None:
    """The time of every temporary link is over."""
    links = tables.RepositoryBlob
    protocol.registry.db.write(
        lambda tx: tx.run(links.update(expires_ms=1).where(links.expires_ms.is_null(False)))
    )


def objects(protocol: Protocol) -> list[Path]:
    (location,) = protocol.registry.settings.DISTRIBUTED_STORAGE_CONFIG.values()  # type: ignore[union-attr]
    root = Path(location[1]["storage_path"])
    return [path for path in root.rglob("*") if path.is_file() and "uploads" not in path.parts]


def test_an_upload_mends_a_blob_whose_object_was_lost(protocol: Protocol, repo: Repo) -> None:
    digest, data = repo.blob(b"mend me" * 100)
    for path in objects(protocol):
        if digest.partition(":")[2] in path.name:
            path.unlink()
    assert repo.get(f"blobs/{digest}").status_code == 404
    assert repo.blob(data)[0] == digest
    assert repo.get(f"blobs/{digest}").content == data


def test_a_deleted_layer_that_is_pushed_again_stays_with_its_manifest(protocol: Protocol, repo: Repo) -> None:
    digest, data = repo.blob()
    config, settings = repo.blob(b"{}")
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config,
                "size": len(settings),
            },
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(data)}
            ],
        }
    ).encode()
    assert repo.put("v1", body).status_code == 201
    assert repo.delete(f"blobs/{digest}").status_code == 202
    assert repo.get(f"blobs/{digest}").status_code == 404
    repo.blob(data)
    end_links(protocol)
    assert repo.get(f"blobs/{digest}").content == data


def test_a_blob_without_bytes_is_not_announced_by_head(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    placed = tables.BlobPlacement
    blob = tables.Blob.select(tables.Blob.id).where(tables.Blob.digest == digest)
    protocol.registry.db.write(lambda tx: tx.run(placed.delete().where(placed.blob.in_(blob))))
    assert repo.head(f"blobs/{digest}").status_code == 404


def test_one_address_never_waits_long_for_what_others_behind_it_do(protocol: Protocol) -> None:
    session = protocol.session(address="198.51.100.7")
    url = "http://registry.test/v2/auth?service=registry.test"
    for number in range(30):
        session.get(url, auth=(f"nobody{number}", "wrong wrong"))
    refused = session.get(url, auth=("nobody-else", "wrong wrong"))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 5


def test_a_name_with_white_space_is_nobody(protocol: Protocol) -> None:
    protocol.user("spaced", "correct-horse")
    session = protocol.session(address="198.51.100.8")
    url = "http://registry.test/v2/auth?service=registry.test"
    assert session.get(url, auth=("spaced", "correct-horse")).status_code == 200
    assert session.get(url, auth=("spaced ", "correct-horse")).status_code == 401


def test_a_page_of_referrers_is_bounded_in_bytes(repo: Repo) -> None:
    subject, body = repo.image("subject")
    for number in range(4):
        repo.referrer(body, annotations={"n": str(number), "filler": "x" * (PAGE_BYTES // 3)})
    seen: list[str] = []
    rest = f"referrers/{subject}"
    for _ in range(10):
        answer = repo.get(rest)
        assert len(answer.content) < PAGE_BYTES + PAGE_BYTES // 2
        seen += [d["digest"] for d in answer.json()["manifests"]]
        if "next" not in answer.links:
            break
        rest = answer.links["next"]["url"].partition(f"/v2/{repo.path.full}/")[2]
    assert len(seen) == len(set(seen)) == 4


def test_errors_are_not_to_be_cached(repo: Repo) -> None:
    repo.blob()
    answer = repo.get(f"blobs/{sha256(b'never pushed')}")
    assert answer.status_code == 404
    assert "Cache-Control" not in answer.headers
    digest, _ = repo.blob(b"short")
    outside = repo.get(f"blobs/{digest}", headers={"Range": "bytes=900-"})
    assert outside.status_code == 416
    assert "ETag" not in outside.headers


def test_scopes_are_limited_however_they_are_sent(protocol: Protocol) -> None:
    scopes = " ".join(f"repository:a/b{n}:pull" for n in range(101))
    answer = protocol.session().get(
        "http://registry.test/v2/auth", params={"service": "registry.test", "scope": scopes}
    )
    assert answer.status_code == 400
    assert code(answer) == "INVALID_REQUEST"


def test_conditions_hold_for_a_push_by_digest_too(repo: Repo) -> None:
    digest, body = repo.image("v1")
    again = repo.put(digest, body, If_None_Match="*")
    assert again.status_code == 412


def test_a_challenge_is_plain_ascii(protocol: Protocol) -> None:
    answer = protocol.session().get("http://registry.test/v2/%E6%BC%A2/x/manifests/y")
    assert answer.status_code in (400, 401)
    assert answer.headers.get("WWW-Authenticate", "").isascii()
