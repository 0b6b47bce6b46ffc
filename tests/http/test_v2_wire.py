"""The protocol over a real socket: what a test in the process itself cannot see."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from protocol import OCI_MANIFEST, Repo, code, sha256

from quayframe.testing.server import RegistryServer

DATA = bytes(range(256)) * 2000


@pytest.fixture
def repo(shared_registry: RegistryServer) -> Iterator[Repo]:
    name = f"admin/wire-{os.urandom(4).hex()}"
    token = shared_registry.token(shared_registry.admin, f"repository:{name}:push,pull")
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield Repo(session, name, shared_registry.url)


def connect(repo: Repo) -> socket.socket:
    url = urlsplit(repo.base)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=30)


def head(repo: Repo, method: str, url: str, *lines: str) -> bytes:
    """The head of a request as it goes over the wire."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    all_lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Authorization: Bearer {repo.bearer}",
        *lines,
    ]
    return "\r\n".join([*all_lines, "", ""]).encode()


@pytest.mark.parametrize("form", ["Content-Length: 512000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_client_that_leaves_in_the_middle_of_a_body_makes_no_blob(
    repo: Repo, form: str, method: str
) -> None:
    location = repo.begin()
    url = location if method == "PATCH" else f"{location}?digest={sha256(DATA)}"
    with connect(repo) as client:
        client.sendall(head(repo, method, url, form))
        client.sendall(b"2710\r\n" + DATA[:10000] if "chunked" in form else DATA[:10000])

    assert repo.head(f"blobs/{sha256(DATA)}").status_code == 404
    # Whatever came does no harm: the upload goes on from where it says that it is, or is begun anew.
    deadline = time.monotonic() + 20
    while not goes_on(repo, location):
        assert time.monotonic() < deadline
        if repo.session.get(location).status_code == 404:
            location = repo.begin()
    assert repo.get(f"blobs/{sha256(DATA)}").content == DATA


def goes_on(repo: Repo, location: str) -> bool:
    """Sends the rest; False where the server is only now noticing that the first client has left."""
    status = repo.session.get(location)
    if status.status_code == 404:
        return False
    last = int(status.headers["Range"].rpartition("-")[2])
    at = last + 1 if last else 0
    return (
        repo.patch(location, DATA[at:], at).status_code == 202
        and repo.finish(location, sha256(DATA)).status_code == 201
    )


def test_a_body_without_a_length_is_streamed_in(repo: Repo) -> None:
    location = repo.begin()
    pieces = (DATA[at : at + 10_000] for at in range(0, len(DATA), 10_000))

    assert repo.patch(location, pieces).status_code == 202
    assert repo.finish(location, sha256(DATA)).status_code == 201


def test_answers_to_head_leave_the_connection_in_order(repo: Repo) -> None:
    _, body = repo.image("v1")
    for _ in range(3):
        assert repo.head("manifests/v1").headers["Content-Length"] == str(len(body))
        assert repo.head("manifests/missing").status_code == 404
        assert repo.get("manifests/v1").content == body
        assert repo.get("manifests/v1", headers={"If-None-Match": f'"{sha256(body)}"'}).status_code == 304


def test_a_refused_body_is_answered_and_the_next_request_served(repo: Repo) -> None:
    repo.begin()
    headers = {"Content-Type": OCI_MANIFEST}
    answer = repo.do("PUT", "manifests/big", data=b"x" * (4 * 1024 * 1024 + 1), headers=headers)

    assert (answer.status_code, code(answer)) == (413, "MANIFEST_INVALID")
    assert repo.image("v1")


@pytest.mark.parametrize(
    "path",
    [
        "admin/../x/tags/list",
        "admin%2F..%2Fx/tags/list",
        "..%2f..%2fetc/tags/list",
        "admin/x%00/tags/list",
        "Admin/x/tags/list",
        "a" * 256 + "/x/tags/list",
    ],
)
def test_a_name_that_is_none_is_refused_on_the_wire(repo: Repo, path: str) -> None:
    with connect(repo) as client:
        client.sendall(head(repo, "GET", f"{repo.base}/v2/{path}", "Connection: close"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    top, _, body = answer.partition(b"\r\n\r\n")

    assert top.split()[1] in (b"400", b"401", b"404")
    assert json.loads(body)["errors"][0]["code"] in (
        "NAME_INVALID",
        "UNAUTHORIZED",
        "INVALID_REQUEST",
        "NAME_UNKNOWN",
    )


def test_the_log_has_a_line_under_the_id_of_each_answer(shared_registry: RegistryServer, repo: Repo) -> None:
    ids = {repo.get(path).headers["X-Request-Id"]: path for path in ("manifests/no", "tags/list", "blobs/x")}
    deadline = time.monotonic() + 10
    lines: dict[str, dict[str, object]] = {}
    while len(lines) < len(ids) and time.monotonic() < deadline:
        for text in shared_registry.log.read_text(errors="replace").splitlines():
            if text.startswith("{") and any(ident in text for ident in ids):
                line = json.loads(text)
                lines[line["id"]] = line

    assert {ident: line["path"] for ident, line in lines.items()} == {
        ident: f"/v2/{repo.name}/{path}" for ident, path in ids.items()
    }
    assert {line["user"] for line in lines.values()} == {"admin"}


@pytest.mark.parametrize(("size", "closes"), [(1_000, False), (512_000, True)])
def test_a_body_that_nobody_wanted_is_passed_over_or_ends_the_connection_and_says_so(
    repo: Repo, size: int, closes: bool
) -> None:
    missing = f"{repo.base}/v2/{repo.name}/blobs/uploads/00000000-0000-4000-8000-000000000000"
    parts = urlsplit(repo.base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {"Authorization": f"Bearer {repo.bearer}"}
    connection.request("PATCH", missing, b"x" * size, headers)
    answer = connection.getresponse()
    answer.read()

    assert answer.status == 404
    assert (answer.headers.get("Connection") == "close") is closes
    if not closes:
        connection.request("GET", f"{repo.base}/v2/{repo.name}/tags/list", headers=headers)
        assert connection.sock is not None
        assert connection.getresponse().status in (200, 404)
    connection.close()
