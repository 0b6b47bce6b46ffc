"""What DELETE ends, what stays visible and why: live tags, live indexes, live subjects, holds."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from protocol import OCI_INDEX, Protocol, Repo, code, sha256

from quayframe.data import tables
from quayframe.data.db import Tx


def seen(repo: Repo, *digests: str) -> list[bool]:
    answers = [repo.get(f"manifests/{digest}") for digest in digests]
    assert {a.status_code for a in answers} <= {200, 404}
    return [a.status_code == 200 for a in answers]


def end_holds(protocol: Protocol) -> None:
    """The time of every temporary hold and link is over."""
    protocol.registry.db.write(lambda tx: tx.run(tables.ManifestHold.update(expires_ms=1)))
    ended = tables.RepositoryBlob.update(expires_ms=1).where(tables.RepositoryBlob.expires_ms.is_null(False))
    protocol.registry.db.write(lambda tx: tx.run(ended))


def test_a_deleted_tag_says_that_it_was_there(repo: Repo) -> None:
    repo.image("v1")
    assert repo.delete("manifests/v1").status_code == 202

    answer = repo.get("manifests/v1")
    assert (answer.status_code, code(answer)) == (404, "TAG_EXPIRED")
    assert "v1" in answer.json()["errors"][0]["message"]
    assert repo.tags() == []
    again = repo.delete("manifests/v1")
    assert (again.status_code, code(again)) == (404, "MANIFEST_UNKNOWN")


def test_the_last_tag_takes_the_manifest_along(repo: Repo) -> None:
    digest, body = repo.image("one")
    repo.put("two", body)
    repo.delete("manifests/one")
    assert seen(repo, digest) == [True]
    repo.delete("manifests/two")

    assert seen(repo, digest) == [False]


def test_a_manifest_deleted_by_digest_takes_its_tags_along(repo: Repo) -> None:
    digest, body = repo.image("one")
    repo.put("two", body)
    repo.image("other")

    assert repo.delete(f"manifests/{digest}").status_code == 202
    assert seen(repo, digest) == [False]
    assert repo.tags() == ["other"]
    assert code(repo.get("manifests/one")) == "TAG_EXPIRED"
    assert code(repo.delete(f"manifests/{digest}")) == "MANIFEST_UNKNOWN"


def test_a_manifest_of_many_tags_goes_by_few_statements(
    protocol: Protocol, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, body = repo.image("first")
    names = sorted(f"t{number:03}" for number in range(297))
    for some in (names[:99], names[99:198], names[198:]):
        query = "&".join(f"tag={name}" for name in some)
        assert repo.put(f"first?{query}", body).status_code == 201
    ran: list[None] = []
    run = Tx.run

    def counting(self: Tx, query: object) -> int:
        ran.append(None)
        return run(self, query)

    monkeypatch.setattr(Tx, "run", counting)
    assert repo.delete(f"manifests/{digest}").status_code == 202

    assert len(ran) < 30
    assert repo.tags() == []
    assert repo.owner is not None
    mine = tables.EventRow.performer == repo.owner.account_id
    told = tables.EventRow.select(tables.EventRow.data).where(mine & (tables.EventRow.kind == "delete_tag"))
    rows = protocol.registry.db.rows(told.order_by(tables.EventRow.id))
    assert [json.loads(data)["tag"] for (data,) in rows] == ["first", *names]
    periods = tables.TagInterval.select(tables.TagInterval.end_reason).where(
        tables.TagInterval.name.in_(names)
    )
    assert protocol.registry.db.rows(periods) == [("manifest",)] * 297


def test_a_new_push_gives_a_deleted_manifest_back(repo: Repo) -> None:
    digest, body = repo.image("v1")
    repo.delete(f"manifests/{digest}")

    assert repo.put("v1", body).status_code == 201
    assert seen(repo, digest) == [True]
    assert repo.tags() == ["v1"]


def test_the_children_of_an_index_are_seen_with_it(protocol: Protocol, repo: Repo) -> None:
    child, image = repo.image()
    inner, middle = repo.index(None, [image])
    outer, _ = repo.index("multi", [middle])
    end_holds(protocol)

    assert seen(repo, child, inner, outer) == [True, True, True]
    repo.delete("manifests/multi")
    assert seen(repo, child, inner, outer) == [False, False, False]


def test_a_deleted_index_no_longer_shows_its_children(protocol: Protocol, repo: Repo) -> None:
    child, image = repo.image()
    tagged, other = repo.image("v1")
    outer, _ = repo.index("multi", [image, other])
    end_holds(protocol)
    repo.delete(f"manifests/{outer}")

    assert seen(repo, child, tagged) == [False, True]


def test_a_child_deleted_by_digest_is_gone_though_its_index_lives(repo: Repo) -> None:
    child, image = repo.image()
    repo.index("multi", [image])

    assert repo.delete(f"manifests/{child}").status_code == 202
    assert seen(repo, child) == [False]
    assert repo.get("manifests/multi").status_code == 200
    # Whoever lists it again must push it again.
    answer = repo.put("again", repo.get("manifests/multi").content, OCI_INDEX)
    assert code(answer) == "MANIFEST_BLOB_UNKNOWN"


def test_a_push_by_digest_is_held_for_a_while(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.image()
    assert seen(repo, digest) == [True]
    end_holds(protocol)

    assert seen(repo, digest) == [False]
    assert code(repo.delete(f"manifests/{digest}")) == "MANIFEST_UNKNOWN"


def test_a_referrer_is_seen_with_its_subject(protocol: Protocol, repo: Repo) -> None:
    subject, image = repo.image("v1")
    signature, signed = repo.referrer(image)
    about, _ = repo.referrer(signed)
    end_holds(protocol)

    assert seen(repo, subject, signature, about) == [True, True, True]
    repo.delete("manifests/v1")
    assert seen(repo, subject, signature, about) == [False, False, False]
    # A referrer never holds its subject.
    repo.put("v1", image)
    assert seen(repo, subject, signature, about) == [True, True, True]


def test_a_referrer_of_a_subject_that_never_was_here_stays_until_it_is_deleted(
    protocol: Protocol, repo: Repo
) -> None:
    signature, _ = repo.referrer(sha256(b"elsewhere"))
    end_holds(protocol)
    assert seen(repo, signature) == [True]

    assert repo.delete(f"manifests/{signature}").status_code == 202
    assert seen(repo, signature) == [False]


def test_a_referrer_that_came_before_its_subject_goes_with_it(protocol: Protocol, repo: Repo) -> None:
    image = repo.image_body()
    signature, _ = repo.referrer(image)
    repo.put("v1", image)
    end_holds(protocol)
    assert seen(repo, signature) == [True]
    repo.delete("manifests/v1")

    assert seen(repo, signature) == [False]
    assert repo.get(f"referrers/{sha256(image)}").json()["manifests"] == []


def test_a_referrer_of_a_child_is_seen_with_the_index(protocol: Protocol, repo: Repo) -> None:
    _, image = repo.image()
    repo.index("multi", [image])
    signature, _ = repo.referrer(image)
    end_holds(protocol)
    assert seen(repo, signature) == [True]
    repo.delete("manifests/multi")

    assert seen(repo, signature) == [False]


def test_a_blob_is_deleted_in_its_repository_alone(protocol: Protocol, repo: Repo) -> None:
    digest, data = repo.blob()
    other = protocol.repo()
    other.blob(data)

    assert repo.delete(f"blobs/{digest}").status_code == 202
    assert (repo.get(f"blobs/{digest}").status_code, repo.head(f"blobs/{digest}").status_code) == (404, 404)
    assert code(repo.delete(f"blobs/{digest}")) == "BLOB_UNKNOWN"
    assert other.get(f"blobs/{digest}").content == data


def test_a_deleted_blob_comes_back_by_a_push_and_makes_no_image_before(repo: Repo) -> None:
    _, body = repo.image("v1")
    layer = json.loads(body)["layers"][0]["digest"]
    data = repo.get(f"blobs/{layer}").content
    repo.delete(f"blobs/{layer}")

    assert code(repo.put("v2", body)) == "MANIFEST_BLOB_UNKNOWN"
    repo.blob(data)
    assert repo.put("v2", body).status_code == 201
    assert repo.get(f"blobs/{layer}").content == data


def test_a_blob_of_no_image_is_there_for_a_while_and_a_head_of_a_pusher_keeps_it(
    protocol: Protocol, repo: Repo
) -> None:
    digest, _ = repo.blob()
    link = tables.RepositoryBlob
    blob_id = protocol.registry.db.value(
        tables.Blob.select(tables.Blob.id).where(tables.Blob.digest == digest)
    )

    def expires() -> int:
        found = protocol.registry.db.value(link.select(link.expires_ms).where(link.blob == blob_id))
        return int(found)

    full = expires()
    soon = full - 3_000_000
    protocol.registry.db.write(lambda tx: tx.run(link.update(expires_ms=soon).where(link.blob == blob_id)))
    assert repo.owner is not None
    reader = repo.with_(protocol.as_(repo.owner, f"repository:{repo.name}:pull"))
    assert reader.head(f"blobs/{digest}").status_code == 200
    assert expires() == soon
    repo.head(f"blobs/{digest}")
    assert expires() >= full
    end_holds(protocol)

    assert repo.head(f"blobs/{digest}").status_code == 404


def test_a_head_of_a_pusher_keeps_a_manifest_that_was_pushed_by_digest(
    protocol: Protocol, repo: Repo
) -> None:
    digest, _ = repo.image()
    hold = tables.ManifestHold
    manifest_id = protocol.registry.db.value(
        tables.Manifest.select(tables.Manifest.id).where(tables.Manifest.digest == digest)
    )
    mine = hold.manifest == manifest_id

    def expires() -> int:
        return int(protocol.registry.db.value(hold.select(hold.expires_ms).where(mine)))

    full = expires()
    soon = full - 3_000_000
    protocol.registry.db.write(lambda tx: tx.run(hold.update(expires_ms=soon).where(mine)))
    assert repo.owner is not None
    reader = repo.with_(protocol.as_(repo.owner, f"repository:{repo.name}:pull"))
    assert reader.head(f"manifests/{digest}").status_code == 200
    assert repo.get(f"manifests/{digest}").status_code == 200
    assert expires() == soon
    assert repo.head(f"manifests/{digest}").status_code == 200
    kept = expires()
    assert kept >= full
    repo.head(f"manifests/{digest}")
    assert expires() == kept
    end_holds(protocol)

    assert repo.head(f"manifests/{digest}").status_code == 404
    assert expires() == 1


def test_a_blob_of_an_image_stays(protocol: Protocol, repo: Repo) -> None:
    _, body = repo.image("v1")
    end_holds(protocol)

    assert repo.get(f"blobs/{json.loads(body)['config']['digest']}").status_code == 200


@pytest.mark.parametrize("what", ["manifests/missing", "manifests/{}", "blobs/{}"])
def test_what_is_not_there_cannot_be_deleted(repo: Repo, what: str) -> None:
    repo.begin()
    answer = repo.delete(what.format(sha256(b"missing")))

    assert answer.status_code == 404
    assert code(answer) == ("BLOB_UNKNOWN" if "blobs" in what else "MANIFEST_UNKNOWN")


def test_an_immutable_tag_is_neither_moved_nor_deleted(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_IMMUTABLE_TAGS=True)
    repo = protocol.repo()
    digest, body = repo.image("v1")
    mark = tables.Tag.update(immutable=1).where(tables.Tag.name == "v1")
    protocol.registry.db.write(lambda tx: tx.run(mark))
    moved = repo.put("v1", repo.image_body())
    deleted = repo.delete("manifests/v1")
    by_digest = repo.delete(f"manifests/{digest}")

    for answer in (moved, deleted, by_digest):
        assert (answer.status_code, code(answer)) == (409, "TAG_IMMUTABLE")
        assert answer.json()["errors"][0]["detail"] == {"message": "tag 'v1' is immutable"}
    assert repo.put("v1", body).status_code == 201
    assert repo.get("manifests/v1").content == body


def test_an_expired_tag_is_gone_without_a_worker(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.image("v1")
    ended = tables.Tag.update(end_ms=tables.Tag.start_ms).where(tables.Tag.name == "v1")
    protocol.registry.db.write(lambda tx: tx.run(ended))

    assert code(repo.get("manifests/v1")) == "TAG_EXPIRED"
    assert repo.tags() == []
    assert seen(repo, digest) == [False]


def test_every_change_of_a_tag_is_in_its_history(protocol: Protocol, repo: Repo) -> None:
    repo.image("v1")
    repo.image("v1")
    repo.delete("manifests/v1")
    repo.image("v1")
    interval = tables.TagInterval
    row = protocol.registry.access.repository(*repo.path)
    assert row is not None
    rows = protocol.registry.db.rows(
        interval.select(interval.start_ms, interval.end_ms)
        .where(interval.repository == row.id)
        .order_by(interval.start_ms)
    )
    assert len(rows) == 3
    assert rows[0][1] == rows[1][0]
    assert rows[1][1] <= rows[2][0]
    assert rows[2][1] is None
    assert all(start < (end or start + 1) for start, end in rows)


def test_a_plain_reader_deletes_nothing(protocol: Protocol) -> None:
    repo = protocol.repo()
    digest, body = repo.image("v1")
    assert repo.owner is not None
    reader = repo.with_(protocol.as_(repo.owner, f"repository:{repo.name}:pull"))
    layer = json.loads(body)["layers"][0]["digest"]
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{layer}"):
        answer = reader.delete(path)
        assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
        assert f'scope="repository:{repo.name}:pull,push"' in answer.headers["WWW-Authenticate"]
