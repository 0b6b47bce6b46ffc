"""Conditional tag writes: If-Match and If-None-Match, all tags of a push or none, and one winner of many."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

import pytest
import requests
from protocol import OCI_MANIFEST, Protocol, Repo, code, sha256

from quayframe.testing.server import RegistryServer

RACERS = 50


def quoted(*digests: str) -> str:
    return ", ".join(f'"{digest}"' for digest in digests)


def test_a_tag_is_made_only_where_there_is_none(repo: Repo) -> None:
    body = repo.image_body()

    assert repo.put("v1", body, If_None_Match="*").status_code == 201
    answer = repo.put("v1", repo.image_body(), If_None_Match="*")
    assert (answer.status_code, code(answer)) == (412, "PRECONDITION_FAILED")
    assert answer.json()["errors"][0]["detail"]["digest"] == sha256(body)
    assert repo.get("manifests/v1").content == body


def test_a_tag_that_was_deleted_can_be_made_anew(repo: Repo) -> None:
    repo.image("v1")
    repo.delete("manifests/v1")

    assert repo.put("v1", repo.image_body(), If_None_Match="*").status_code == 201


def test_a_tag_is_moved_only_from_what_was_seen(repo: Repo) -> None:
    first, _ = repo.image("v1")
    second = repo.image_body()
    assert repo.put("v1", second, If_Match=quoted(sha256(b"other"))).status_code == 412
    assert repo.put("v1", second, If_Match=quoted(first)).status_code == 201

    answer = repo.put("v1", repo.image_body(), If_Match=quoted(first))
    assert (answer.status_code, code(answer)) == (412, "PRECONDITION_FAILED")
    assert repo.get("manifests/v1").content == second


@pytest.mark.parametrize("condition", ["*", '"sha256:abc"'])
def test_a_tag_that_is_not_there_matches_nothing(repo: Repo, condition: str) -> None:
    repo.image("other")

    assert repo.put("v1", repo.image_body(), If_Match=condition).status_code == 412
    assert repo.delete("manifests/v1", headers={"If-Match": condition}).status_code == 412
    assert repo.tags() == ["other"]


def test_any_tag_matches_a_star(repo: Repo) -> None:
    repo.image("v1")

    assert repo.put("v1", repo.image_body(), If_Match="*").status_code == 201


def test_one_of_several_digests_is_enough(repo: Repo) -> None:
    digest, _ = repo.image("v1")
    condition = quoted(sha256(b"other"), digest)

    assert repo.put("v1", repo.image_body(), If_None_Match=condition).status_code == 412
    assert repo.put("v1", repo.image_body(), If_Match=condition).status_code == 201


def test_a_tag_is_deleted_only_as_it_was_seen(repo: Repo) -> None:
    digest, _ = repo.image("v1")
    other = {"If-Match": quoted(sha256(b"other"))}

    assert repo.delete("manifests/v1", headers=other).status_code == 412
    assert repo.delete("manifests/v1", headers={"If-None-Match": "*"}).status_code == 412
    assert repo.tags() == ["v1"]
    assert repo.delete("manifests/v1", headers={"If-Match": quoted(digest)}).status_code == 202


def test_of_several_tags_all_are_put_or_none(repo: Repo) -> None:
    digest, old = repo.image("b")
    body = repo.image_body()
    query = f"{sha256(body)}?tag=a&tag=b&tag=c"

    assert repo.put(query, body, If_None_Match="*").status_code == 412
    assert repo.put(query, body, If_Match=quoted(digest)).status_code == 412
    assert repo.tags() == ["b"]
    assert repo.get("manifests/b").content == old
    repo.delete("manifests/b")
    assert repo.put(query, body, If_None_Match="*").status_code == 201
    assert repo.put(query, repo.image_body(), If_Match=quoted(sha256(body))).status_code == 400
    assert repo.tags() == ["a", "b", "c"]


def test_a_failed_condition_stores_nothing(repo: Repo) -> None:
    repo.image("v1")
    body = repo.image_body()
    repo.put("v1", body, If_None_Match="*")

    assert repo.get(f"manifests/{sha256(body)}").status_code == 404


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "nonsense", '"open', ","])
def test_a_condition_that_is_none_is_refused(repo: Repo, header: str, value: str) -> None:
    repo.image("v1")
    headers = {"Content-Type": OCI_MANIFEST, header: value}
    answer = repo.do("PUT", "manifests/v1", data=repo.image_body(), headers=headers)

    assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")


def test_one_of_many_threads_makes_the_tag(protocol: Protocol, repo: Repo) -> None:
    bodies = [repo.image_body() for _ in range(12)]
    barrier = threading.Barrier(len(bodies))
    statuses: list[int] = []

    def one(body: bytes) -> None:
        mine = repo.with_(protocol.session(repo.bearer))
        barrier.wait(20)
        statuses.append(mine.put("v1", body, If_None_Match="*").status_code)

    threads = [threading.Thread(target=one, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [201] + [412] * 11


def _race(number: int, url: str, token: str, body: bytes, start: Any, results: Any) -> None:
    """One process: waits for the start, then tries to make the tag."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": OCI_MANIFEST, "If-None-Match": "*"}
    with requests.Session() as session:
        session.head(url, headers={"Authorization": headers["Authorization"]}, timeout=60)
        start.wait(60)
        answer = session.put(url, data=body, headers=headers, timeout=60)
    results.put((number, answer.status_code))


def test_one_of_fifty_processes_makes_the_tag(shared_registry: RegistryServer) -> None:
    name = "admin/race"
    token = shared_registry.token(shared_registry.admin, f"repository:{name}:push,pull")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    repo = Repo(session, name, shared_registry.url)
    bodies = [repo.image_body() for _ in range(RACERS)]
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(RACERS), context.Queue()
    racers = [
        context.Process(target=_race, args=(n, repo.url("manifests/v1"), token, body, start, results))
        for n, body in enumerate(bodies)
    ]
    for racer in racers:
        racer.start()
    found = [results.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join(30)

    assert sorted(status for _, status in found) == [201] + [412] * (RACERS - 1)
    (winner,) = [number for number, status in found if status == 201]
    assert repo.get("manifests/v1").content == bodies[winner]
