"""A registry whose blobs are in S3: clients push to it, and are sent to the bucket for what they pull."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from clients import Layout, Workstation, digest
from object_servers import Seaweedfs
from place import Place

from quayframe.testing.server import RegistryServer

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def place(seaweedfs_server: Seaweedfs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An account of a registry whose storage is a bucket."""
    storage = {"main": ["S3Storage", seaweedfs_server.parameters("/datastorage")]}
    config = {"DISTRIBUTED_STORAGE_CONFIG": storage, "DISTRIBUTED_STORAGE_PREFERENCE": ["main"]}
    server = RegistryServer(tmp_path_factory.mktemp("s3"), config).start()
    try:
        yield Place.of(server, "sthree")
    finally:
        server.stop()


@pytest.fixture
def image(known: Workstation) -> Layout:
    """An image of a small layer and one that takes several parts."""
    layout = Layout(known.work / "image")
    layout.image([{"small": b"words"}, {"large": os.urandom(20 * MIB)}], "1")
    return layout


def layers(place: Place, repository: str) -> list[str]:
    return [layer["digest"] for layer in place.manifest(repository, "1")["layers"]]


def blob(folder: Path, name: str) -> bytes:
    return (folder / "blobs" / "sha256" / name.partition(":")[2]).read_bytes()


def test_skopeo_pushes_and_pulls(known: Workstation, place: Place, image: Layout) -> None:
    target = place.new()
    known.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{image.folder}:1", f"docker://{target}:1")
    known.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{target}:1", "oci:back:1")

    for name in layers(place, target):
        assert blob(known.work / "back", name) == blob(image.folder, name)


def test_crane_pushes_and_pulls(known: Workstation, place: Place, image: Layout) -> None:
    target = place.new()
    known.run("crane", "push", image.folder, f"{target}:1")
    known.run("crane", "pull", "--format=oci", f"{target}:1", "back")

    for name in layers(place, target):
        assert digest(blob(known.work / "back", name)) == name


def test_pulls_of_blobs_are_redirects_to_the_bucket(
    known: Workstation, place: Place, image: Layout, seaweedfs_server: Seaweedfs
) -> None:
    target = place.new()
    known.run("crane", "push", image.folder, f"{target}:1")
    name = target.removeprefix(f"{place.host}/")
    session = place.server.session((place.user, place.password), f"repository:{name}:pull")

    for found in layers(place, target):
        url = f"{place.server.url}/v2/{name}/blobs/{found}"
        answer = session.get(url, allow_redirects=False, timeout=30)
        assert answer.status_code in {302, 307}
        assert answer.headers["Location"].startswith(
            f"{seaweedfs_server.url}/{seaweedfs_server.BUCKET}/datastorage/"
        )
        assert digest(requests.get(answer.headers["Location"], timeout=30).content) == found


def test_a_push_leaves_nothing_but_objects(
    known: Workstation, place: Place, image: Layout, seaweedfs_server: Seaweedfs
) -> None:
    known.run("crane", "push", image.folder, f"{place.new()}:1")

    client, prefix = seaweedfs_server.client(), "datastorage/"
    listed = client.list_objects_v2(Bucket=seaweedfs_server.BUCKET, Prefix=f"{prefix}uploads/")
    assert listed.get("Contents", []) == []
    assert (
        client.list_multipart_uploads(Bucket=seaweedfs_server.BUCKET, Prefix=prefix).get("Uploads", []) == []
    )


def test_a_parameter_that_is_not_known_stops_the_start_with_the_nearest(
    seaweedfs_server: Seaweedfs, tmp_path: Path
) -> None:
    parameters = seaweedfs_server.parameters("/datastorage")
    parameters["s3_buket"] = parameters.pop("s3_bucket")
    config = {"DISTRIBUTED_STORAGE_CONFIG": {"main": ["S3Storage", parameters]}}
    with pytest.raises(RuntimeError, match="did you mean s3_bucket") as refused:
        RegistryServer(tmp_path / "registry", config).start()
    assert seaweedfs_server.SECRET_KEY not in str(refused.value)
