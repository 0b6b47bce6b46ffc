"""After a tag's 201 or 202 every process answers the new state on the next request."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator

import pytest
import requests

from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer

ROUNDS = 1000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "admin/fresh"


def _blob(session: requests.Session, url: str, data: bytes) -> dict[str, object]:
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    answer = session.post(f"{url}/v2/{REPOSITORY}/blobs/uploads/?digest={digest}", data=data)
    assert answer.status_code == 201, answer.text
    return {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(data)}


def _connections(
    servers: list[RegistryServer], token: str, processes: int
) -> list[tuple[str, requests.Session]]:
    """A kept-alive connection to each web process of each server. A request id begins with what names
    its process."""
    found: dict[str, tuple[str, requests.Session]] = {}
    for server in servers:
        here: set[str] = set()
        for _ in range(400):
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {token}"
            answer = session.get(f"{server.url}/v2/")
            process = answer.headers["X-Request-Id"].partition("-")[0]
            if process not in found:
                found[process] = (server.url, session)
            here.add(process)
            if len(here) == processes:
                break
        assert len(here) == processes, "no connection reached every process"
    return list(found.values())


@pytest.fixture
def servers(make_registry_server: MakeServer) -> Iterator[list[RegistryServer]]:
    """Two servers of two web processes each, on one database and one folder."""
    first = make_registry_server(config={"SERVER_HOSTNAME": "registry.test"}, arguments=("--workers", "2"))
    second = RegistryServer(first.folder, first.config, ("--workers", "2", "--only", "web"), port=0)
    try:
        yield [first, second.start()]
    finally:
        second.kill()


def test_every_process_answers_the_state_that_was_acknowledged(servers: list[RegistryServer]) -> None:
    first = servers[0]
    answer = requests.get(
        f"{first.url}/v2/auth",
        params={"service": "registry.test", "scope": f"repository:{REPOSITORY}:pull,push"},
        auth=first.admin,
        timeout=30,
    )
    token = answer.json()["token"]
    connections = _connections(servers, token, 2)
    assert len(connections) == 4
    url, writer = connections[0]
    config = _blob(writer, url, b"{}")
    bodies = {}
    for number in (0, 1):
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [],
                "annotations": {"n": str(number)},
            }
        ).encode()
        bodies[number] = (body, "sha256:" + hashlib.sha256(body).hexdigest())

    stop = threading.Event()

    def load() -> None:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        while not stop.is_set():
            session.get(f"{url}/v2/{REPOSITORY}/manifests/t")

    noise = [threading.Thread(target=load) for _ in range(2)]
    for thread in noise:
        thread.start()
    try:
        for number in range(ROUNDS):
            via_url, via = connections[number % len(connections)]
            target = f"/v2/{REPOSITORY}/manifests/t"
            if number % 10 == 9:
                assert via.delete(via_url + target).status_code == 202
                expected = None
            else:
                body, expected = bodies[number % 2]
                put = via.put(via_url + target, data=body, headers={"Content-Type": MANIFEST})
                assert put.status_code == 201, put.text
            for read_url, reader in connections:
                got = reader.head(read_url + target)
                seen = got.headers.get("Docker-Content-Digest") if got.status_code == 200 else None
                assert seen == expected, f"round {number}: {got.status_code} {seen} instead of {expected}"
    finally:
        stop.set()
        for thread in noise:
            thread.join()
