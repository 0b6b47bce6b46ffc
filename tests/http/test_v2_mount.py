"""Mounts: a blob is linked without its bytes, and only for those who may pull it."""

from __future__ import annotations

import json
import secrets

import pytest
import requests
from protocol import HOST, Protocol, Repo, sha256

from quayframe.services.principal import SYSTEM


def mount(target: Repo, digest: str, source: Repo | str | None) -> requests.Response:
    params = {"mount": digest}
    if source is not None:
        params["from"] = source if isinstance(source, str) else source.name
    return target.do("POST", "blobs/uploads/", params=params)


def both(protocol: Protocol, source: Repo, actions: str = "pull") -> Repo:
    """A new repository of the source's owner, with a token for both."""
    assert source.owner is not None
    target = protocol.repo(source.owner)
    scopes = (target.scope, f"repository:{source.name}:{actions}")
    return target.with_(protocol.as_(source.owner, *scopes))


@pytest.mark.parametrize("named", [True, False], ids=["from", "without from"])
def test_ones_own_blob_is_mounted(protocol: Protocol, repo: Repo, named: bool) -> None:
    digest, data = repo.blob()
    target = both(protocol, repo)
    answer = mount(target, digest, repo if named else None)

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"http://{HOST}/v2/{target.name}/blobs/{digest}"
    assert answer.headers["Docker-Content-Digest"] == digest
    assert target.get(f"blobs/{digest}").content == data


@pytest.mark.parametrize("named", [True, False], ids=["from", "without from"])
def test_a_blob_of_a_public_repository_is_mounted(protocol: Protocol, repo: Repo, named: bool) -> None:
    digest, _ = repo.blob()
    protocol.public(repo)
    target = protocol.repo()

    assert mount(target, digest, repo if named else None).status_code == 201


@pytest.mark.parametrize("named", [True, False], ids=["from", "without from"])
def test_a_private_blob_of_others_is_not_given_away(protocol: Protocol, repo: Repo, named: bool) -> None:
    digest, _ = repo.blob()
    target = protocol.repo()
    answer = mount(target, digest, repo if named else None)
    missing = mount(target, sha256(secrets.token_bytes(8)), repo if named else None)

    assert answer.status_code == missing.status_code == 202
    # Nor does the answer tell that there is such a blob.
    assert set(answer.headers) == set(missing.headers)
    assert answer.content == missing.content == b""
    assert target.get(f"blobs/{digest}").status_code == 404


def test_a_blob_is_mounted_for_a_reader(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    reader = protocol.user()
    target = protocol.repo(reader)
    assert mount(target, digest, None).status_code == 202
    protocol.registry.tenancy.permissions.grant(SYSTEM, repo.path, reader.name, "read")

    assert mount(target, digest, None).status_code == 201


def test_a_token_without_pull_on_the_source_mounts_nothing_from_it(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    assert repo.owner is not None
    target = protocol.repo(repo.owner)

    assert mount(target, digest, repo).status_code == 202


def test_a_push_token_mounts_nothing_without_pull(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()

    assert mount(both(protocol, repo, "push"), digest, repo).status_code == 202


@pytest.mark.parametrize("source", ["no/such", "BAD/NAME", "../..", "", "x"])
def test_a_source_that_is_not_there_begins_an_upload(protocol: Protocol, repo: Repo, source: str) -> None:
    answer = mount(repo, sha256(b"anything"), source)

    assert answer.status_code == 202
    assert repo.patch(answer.headers["Location"], b"anything").status_code == 202


@pytest.mark.parametrize("digest", ["nonsense", "md5:" + "0" * 32])
def test_a_digest_that_is_none_begins_an_upload(repo: Repo, digest: str) -> None:
    assert mount(repo, digest, None).status_code == 202


def test_a_deleted_blob_is_not_mounted(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    repo.delete(f"blobs/{digest}")
    target = both(protocol, repo)

    assert mount(target, digest, repo).status_code == 202
    assert mount(target, digest, None).status_code == 202


def test_a_blob_of_a_deleted_repository_is_not_mounted(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    target = both(protocol, repo)
    protocol.registry.repositories.delete(SYSTEM, repo.path)

    assert mount(target, digest, repo).status_code == 202
    assert mount(target, digest, None).status_code == 202


def test_a_mount_makes_the_repository(protocol: Protocol, repo: Repo) -> None:
    digest, _ = repo.blob()
    target = both(protocol, repo)

    assert target.get("tags/list").status_code == 404
    mount(target, digest, repo)
    assert target.get("tags/list").json() == {"name": target.name, "tags": []}


def test_a_mounted_blob_makes_an_image(protocol: Protocol, repo: Repo) -> None:
    _, body = repo.image("v1")
    target = both(protocol, repo)
    parts = json.loads(body)
    for part in (parts["config"], *parts["layers"]):
        assert mount(target, part["digest"], repo).status_code == 201

    assert target.put("v1", body).status_code == 201
