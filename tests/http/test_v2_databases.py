"""The protocol on each database: what depends on SQL, and texts that a database could choke on."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from protocol import HOST, OCI_INDEX, Protocol, Repo, code, index, sha256

from quayframe.services.principal import SYSTEM


@pytest.fixture
def protocol(database_uri: str, tmp_path: Path) -> Iterator[Protocol]:
    made = Protocol(tmp_path / "registry", {"DB_URI": database_uri, "CREATE_NAMESPACE_ON_PUSH": True})
    yield made
    made.close()


def test_a_push_and_all_that_can_be_asked_of_it(protocol: Protocol) -> None:
    repo = protocol.repo()
    location = repo.begin()
    data = bytes(range(256)) * 8
    assert repo.patch(location, data[:1000], 0).status_code == 202
    assert repo.patch(location, data[1000:], 1000).status_code == 202
    assert repo.finish(location, sha256(data)).status_code == 201
    assert repo.get(f"blobs/{sha256(data)}").content == data

    subject, image = repo.image("Latest")
    repo.image("latest")
    signature, _ = repo.referrer(image, annotations={"ключ": "значение 🚢"})
    _, listed = repo.index("multi", [image])
    assert repo.tags() == ["Latest", "latest", "multi"]
    assert repo.get("manifests/Latest").content == image
    (found,) = repo.get(f"referrers/{subject}").json()["manifests"]
    assert (found["digest"], found["annotations"]) == (signature, {"ключ": "значение 🚢"})
    big = image[:-1] + b" " * (4 * 1024 * 1024 - len(image)) + image[-1:]
    assert repo.put("big", big).status_code == 201
    assert repo.get("manifests/big").content == big

    assert repo.put("Latest", image, If_None_Match="*").status_code == 412
    assert repo.delete("manifests/Latest").status_code == 202
    assert code(repo.get("manifests/Latest")) == "TAG_EXPIRED"
    assert repo.get(f"manifests/{subject}").content == image
    assert repo.put("again", index([image]), OCI_INDEX).status_code == 201
    assert repo.get("manifests/multi").content == listed

    other = protocol.repo(repo.owner)
    assert repo.owner is not None
    both = other.with_(protocol.as_(repo.owner, other.scope, repo.scope))
    assert both.do("POST", f"blobs/uploads/?mount={sha256(data)}&from={repo.name}").status_code == 201
    names = repo.session.get(f"http://{HOST}/v2/_catalog").json()["repositories"]
    assert names == sorted([repo.name, other.name])
    protocol.registry.collector.sweep(0)
    assert repo.get("manifests/multi").status_code == 200


def test_one_of_many_makes_the_tag_the_repository_and_the_namespace(protocol: Protocol) -> None:
    owner = protocol.user()
    source = protocol.repo(owner)
    bodies = [source.image_body() for _ in range(8)]
    for body in bodies:
        assert source.put(sha256(body), body).status_code == 201
    statuses: list[int] = []
    barrier = threading.Barrier(len(bodies))

    def one(body: bytes) -> None:
        mine = source.with_(protocol.session(source.bearer))
        barrier.wait(30)
        statuses.append(mine.put("v1", body, If_None_Match="*").status_code)

    def begin(_: bytes) -> None:
        mine = protocol.repo(owner, "raced")
        barrier.wait(30)
        statuses.append(mine.do("POST", "blobs/uploads/").status_code)

    def begin_all(_: bytes) -> None:
        session = protocol.as_(owner, "repository:raced-org/app:push,pull")
        barrier.wait(30)
        statuses.append(session.post(f"http://{HOST}/v2/raced-org/app/blobs/uploads/").status_code)

    for act, expected in ((one, [201] + [412] * 7), (begin, [202] * 8), (begin_all, [202] * 8)):
        statuses.clear()
        threads = [threading.Thread(target=act, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(statuses) == expected


def test_texts_that_no_database_likes_are_never_a_failure(protocol: Protocol) -> None:
    repo = protocol.repo()
    subject, _ = repo.image("v1")
    for odd in ("%00", "%ff%fe", "a%00b", "%F0%9F%9A%A2", "'%3B--", "%ED%A0%80", "x" * 3000):
        for path in (
            f"tags/list?last={odd}",
            f"referrers/{subject}?artifactType={odd}",
            f"referrers/{subject}?last={odd}",
            f"blobs/uploads/{odd}",
            f"manifests/{odd}",
        ):
            assert repo.get(path).status_code in (200, 400, 404), path
        session = repo.session
        assert session.get(f"http://{HOST}/v2/_catalog?last=a/{odd}").status_code in (200, 400)
        assert session.get(f"http://{HOST}/v2/{odd}/x/tags/list").status_code in (400, 401, 404)
    for name in ("a\0b", "\0", "ключ", "x" * 3000, "a\0b+c", "a@b\0.c"):
        basic = base64.b64encode(f"{name}:password".encode()).decode()
        answer = protocol.session().get(f"http://{HOST}/v2/auth", headers={"Authorization": f"Basic {basic}"})
        assert answer.status_code == 401, name
    keys = protocol.session().get(f"http://{HOST}/keys/services/a%00b/keys")
    assert keys.status_code in (200, 400, 404)


def test_revocation_is_seen_on_the_next_request(protocol: Protocol) -> None:
    repo = protocol.repo()
    repo.image("v1")
    user = protocol.user()
    protocol.registry.tenancy.permissions.grant(SYSTEM, repo.path, user.name, "write")
    session = Repo(protocol.as_(user, repo.scope), repo.name, repo.base)
    assert session.get("manifests/v1").status_code == 200
    protocol.registry.tenancy.permissions.grant(SYSTEM, repo.path, user.name, "read")
    assert session.get("manifests/v1").status_code == 401
    assert repo.owner is not None
    later = repo.with_(protocol.as_(repo.owner, repo.scope))
    assert later.get("manifests/v1").status_code == 200
    protocol.registry.repositories.delete(SYSTEM, repo.path)
    protocol.repo(repo.owner, repo.path.name).image("v1")
    assert later.get("manifests/v1").status_code == 401
