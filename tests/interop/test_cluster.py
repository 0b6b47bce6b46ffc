"""Two web nodes and two workers over PostgreSQL and S3, behind nginx: to clients they are one registry."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import requests
import servers
from clients import Layout, Workstation
from cluster import Cluster, cluster
from place import Place
from protocol import OCI_CONFIG, OCI_LAYER, Repo, manifest, sha256
from test_conformance import NOT_PASSED, NOT_PASSED_BY_VERSION, run

from quayframe.testing.server import RegistryServer
from quayframe.worker.loop import LEASE_S

MIB = 1 << 20


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # The suite looks for headers of the registry at the end of every redirect.
    config = {"GARBAGE_COLLECTION_FREQUENCY": 1, "FEATURE_PROXY_STORAGE": True}
    try:
        with cluster(tmp_path_factory.mktemp("cluster"), **config) as world:
            yield world
    except servers.Missing as program:
        servers.without(program)


@pytest.fixture(scope="module")
def place(many: Cluster) -> Place:
    """An account, and the balancer as the registry."""
    door = RegistryServer(many.webs[0].folder, many.config, port=many.nginx.port)
    return Place.of(door, "many")


def at(many: Cluster, place: Place, number: int, name: str) -> Repo:
    """A repository as one of the nodes serves it."""
    auth = (place.user, place.password)
    token = many.token(auth, f"repository:{place.user}/{name}:pull,push")
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {token}", "Host": many.host})
    return Repo(session, f"{place.user}/{name}", many.webs[number].url)


def until(condition: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_conformance_suite_passes(version: str, place: Place, workstation: Workstation) -> None:
    report = run(version, place, workstation)
    assert report.others == dict.fromkeys(NOT_PASSED | NOT_PASSED_BY_VERSION[version], "skipped")


def test_clients_push_and_pull(known: Workstation, place: Place) -> None:
    layout = Layout(known.work / "image")
    layout.image([{"small": b"words"}, {"large": os.urandom(20 * MIB)}], "1")
    target = place.new()
    known.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout.folder}:1", f"docker://{target}:1")
    known.run("crane", "pull", "--insecure", "--format=oci", f"{target}:1", "back")
    known.run("crane", "copy", "--insecure", f"{target}:1", f"{place.new()}:2")


def test_the_chunks_of_one_upload_reach_any_node(many: Cluster, place: Place) -> None:
    data = os.urandom(13 * MIB + 7)
    nodes = [at(many, place, number, "chunks") for number in (0, 1)]
    path = nodes[0].begin().partition("/v2/")[2]
    sent = 0
    for number, size in enumerate((1, 5 * MIB, 100, 6 * MIB, 1_000)):
        repo = nodes[number % 2]
        answer = repo.patch(f"{repo.base}/v2/{path}", data[sent : sent + size], sent)
        assert answer.status_code == 202, answer.text
        sent += size
        path = answer.headers["Location"].partition("/v2/")[2]
    done = nodes[1].finish(f"{nodes[1].base}/v2/{path}", sha256(data), data[sent:])
    assert done.status_code == 201, done.text
    assert nodes[0].get(f"blobs/{sha256(data)}").content == data


def test_what_one_node_did_the_other_one_knows_at_once(many: Cluster, place: Place) -> None:
    one, other = (at(many, place, number, "tags") for number in (0, 1))
    config, layer = (repo.blob() for repo in (one, other))
    for number in range(20):
        writer, reader = (one, other) if number % 2 else (other, one)
        parts = [(OCI_LAYER, layer[0], len(layer[1]))]
        body = manifest((OCI_CONFIG, config[0], len(config[1])), parts, annotations={"n": str(number)})
        assert writer.put("moving", body).status_code == 201
        assert reader.get("manifests/moving").content == body
    assert one.delete("manifests/moving").status_code == 202
    assert other.get("manifests/moving").status_code == 404


def test_an_account_that_is_disabled_at_one_node_is_refused_at_the_other(many: Cluster, place: Place) -> None:
    auth = many.user("leaving")
    token = many.token(auth, "repository:leaving/app:pull,push", url=many.webs[0].url)
    headers = {"Authorization": f"Bearer {token}", "Host": many.host}
    begin = f"{many.webs[1].url}/v2/leaving/app/blobs/uploads/"
    assert requests.post(begin, headers=headers, timeout=30).status_code == 202
    many.webs[0].cli("user", "disable", "leaving")
    assert requests.post(begin, headers=headers, timeout=30).status_code == 401


def test_a_session_of_one_node_is_one_of_the_other(many: Cluster, place: Place) -> None:
    browser = requests.Session()
    browser.headers["Host"] = many.host
    first, second = (f"{node.url}/api/v1" for node in many.webs)
    token = browser.get(f"{many.webs[0].url}/csrf_token", timeout=30).json()["csrf_token"]
    signed = browser.post(
        f"{first}/signin",
        json={"username": place.user, "password": place.password},
        headers={"X-CSRF-Token": token},
        timeout=30,
    )
    assert signed.status_code == 200, signed.text
    assert browser.get(f"{second}/user/", timeout=30).json()["username"] == place.user


def test_guesses_at_one_node_are_counted_at_the_other(many: Cluster, place: Place) -> None:
    many.user("guessed")

    def guess(number: int) -> int:
        params = {"service": many.host}
        url = f"{many.webs[number % 2].url}/v2/auth"
        return requests.get(url, params=params, auth=("guessed", f"wrong {number}"), timeout=30).status_code

    assert guess(0) == 401
    assert guess(1) == 429


@pytest.mark.parametrize("ended", [0, 1])
def test_either_worker_collects(many: Cluster, place: Place, ended: int) -> None:
    many.workers[ended].kill()
    try:
        repo = at(many, place, 0, f"collected-{ended}")
        digest, _ = repo.image()
        assert repo.delete(f"manifests/{digest}").status_code == 202
        # Nothing names it and no window keeps it. The lease of the one that was killed ends by itself.
        plan = partial(many.webs[0].cli, "gc", "plan")
        until(lambda: "0 manifests" in plan().partition("Stays")[0], LEASE_S + 60)
    finally:
        many.workers[ended].start()
