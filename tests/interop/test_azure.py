"""A registry whose blobs are in Azure: clients push to it and are sent to the container when they pull."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests
import servers
from clients import Layout, Workstation, digest
from object_servers import Azurite
from place import Place

from quayframe.testing.server import RegistryServer

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    try:
        Azurite.find()
    except servers.Missing as program:
        servers.without(program)
    server = Azurite.new()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def place(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An account of a registry whose storage is a container."""
    from azure.storage.blob import BlobServiceClient

    credential = {"account_name": azurite.ACCOUNT, "account_key": azurite.KEY}
    BlobServiceClient(azurite.url, credential).create_container("registry")
    parameters = {
        "azure_container": "registry",
        "azure_account_name": azurite.ACCOUNT,
        "azure_account_key": azurite.KEY,
        "endpoint_url": azurite.url,
        "storage_path": "/datastorage",
    }
    storage = {"main": ["AzureStorage", parameters]}
    config = {"DISTRIBUTED_STORAGE_CONFIG": storage, "DISTRIBUTED_STORAGE_PREFERENCE": ["main"]}
    server = RegistryServer(tmp_path_factory.mktemp("azure"), config).start()
    try:
        yield Place.of(server, "azure")
    finally:
        server.stop()


def test_crane_pushes_and_pulls_and_is_sent_to_the_container(
    known: Workstation, place: Place, azurite: Azurite
) -> None:
    image = Layout(known.work / "image")
    image.image([{"small": b"words"}, {"large": os.urandom(20 * MIB)}], "1")
    target = place.new()
    known.run("crane", "push", image.folder, f"{target}:1")
    known.run("crane", "pull", "--format=oci", f"{target}:1", "back")

    name = target.removeprefix(f"{place.host}/")
    session = place.server.session((place.user, place.password), f"repository:{name}:pull")
    for layer in place.manifest(target, "1")["layers"]:
        found = layer["digest"]
        pulled = known.work / "back" / "blobs" / "sha256" / found.partition(":")[2]
        assert digest(pulled.read_bytes()) == found
        url = f"{place.server.url}/v2/{name}/blobs/{found}"
        answer = session.get(url, allow_redirects=False, timeout=30)
        assert answer.headers["Location"].startswith(f"{azurite.url}/registry/datastorage/blobs/")
        assert digest(requests.get(answer.headers["Location"], timeout=30).content) == found
