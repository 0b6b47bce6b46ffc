"""examples/two-regions: what is pushed in one region comes to the other, and is served there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import requests
from clients import Layout, Workstation
from deployments import bucket, node
from object_servers import Seaweedfs


def test_a_blob_comes_to_the_other_region(
    tmp_path: Path, workstation: Workstation, postgresql: str, seaweedfs_server: Seaweedfs
) -> None:
    parameters = seaweedfs_server.parameters("/registry")
    client = seaweedfs_server.client()
    names = [f"{region}-{os.urandom(4).hex()}" for region in ("berlin", "oslo")]
    env = {"DB_URI": postgresql}
    for region, name in zip(("BERLIN", "OSLO"), names, strict=True):
        client.create_bucket(Bucket=name)
        env |= bucket(region, parameters | {"s3_bucket": name})
    near = node("two-regions", tmp_path / "berlin", env)
    far = node(
        "two-regions", tmp_path / "oslo", env | {"QUAY_DISTRIBUTED_STORAGE_PREFERENCE": "oslo berlin"},
        "--only", "web",
    )  # fmt: skip
    near.prepare()
    near.cli("migrate")
    try:
        near.start()
        far.start()
        auth = near.user("ann")
        layout = Layout(workstation.work / "image")
        layout.image([{"file": os.urandom(100_000)}], "1")
        workstation.run(
            "skopeo", "copy", "--dest-tls-verify=false", f"--dest-creds={':'.join(auth)}",
            f"oci:{layout.folder}:1", f"docker://{near.host}/ann/app:1",
        )  # fmt: skip
        until = time.monotonic() + 30
        while "oslo\tS3Storage\t2 blobs" not in near.cli("storage", "list"):
            assert time.monotonic() < until, near.log.read_text()[-2000:]
            time.sleep(0.2)
        for server, name in ((near, names[0]), (far, names[1])):
            session = server.session(auth, "repository:ann/app:pull")
            found = session.get(f"{server.url}/v2/ann/app/manifests/1", timeout=30).json()
            url = f"{server.url}/v2/ann/app/blobs/{found['layers'][0]['digest']}"
            answer = session.get(url, allow_redirects=False, timeout=30)
            assert answer.status_code == 307
            assert f"/{name}/" in answer.headers["Location"]
            assert requests.get(answer.headers["Location"], timeout=30).status_code == 200
    finally:
        near.kill()
        far.kill()
