"""examples/many-machines: two web nodes, two workers, PostgreSQL, S3, nginx with the example's own file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import servers
from clients import Layout, Workstation
from cluster import Nginx, balancing
from deployments import EXAMPLES, bucket, node
from object_servers import Seaweedfs
from servers import free_port


def test_two_nodes_behind_nginx_are_one_registry(
    tmp_path: Path, workstation: Workstation, postgresql: str, seaweedfs_server: Seaweedfs
) -> None:
    try:
        Nginx.find()
    except servers.Missing as program:
        servers.without(program)
    port = free_port()
    env = {"DB_URI": postgresql} | bucket("S3", seaweedfs_server.parameters("/registry"))
    parts = [("web", "--workers", "1"), ("worker",)]
    webs, workers = (
        [node("many-machines", tmp_path / f"{part[0]}{n}", env, "--only", *part, port=port) for n in (1, 2)]
        for part in parts
    )
    webs[0].prepare()
    webs[0].cli("migrate")
    started = []
    try:
        for server in (*webs, *workers):
            started.append(server.start())
        nginx = Nginx.of(port, balancing(port, [web.port for web in webs]))
        try:
            name, password = webs[0].user("ann")
            assert "failed" not in webs[1].cli("doctor")
            push_and_pull(workstation, f"127.0.0.1:{port}", f"{name}:{password}")
        finally:
            nginx.remove()
    finally:
        for server in started:
            server.kill()


def push_and_pull(workstation: Workstation, host: str, credentials: str) -> None:
    layout = Layout(workstation.work / "image")
    layout.image([{"file": os.urandom(1000)}, {"large": os.urandom(7 << 20)}], "1")
    image = f"docker://{host}/ann/app:1"
    workstation.run(
        "skopeo", "copy", "--dest-tls-verify=false", f"--dest-creds={credentials}",
        f"oci:{layout.folder}:1", image,
    )  # fmt: skip
    workstation.run(
        "skopeo", "copy", "--src-tls-verify=false", f"--src-creds={credentials}", image, "oci:back:1"
    )


@pytest.mark.parametrize("part", ["web", "worker"])
def test_the_units_start_their_part(part: str) -> None:
    unit = (EXAMPLES / "many-machines" / f"quayframe-{part}.service").read_text()
    assert f"serve --only {part} " in unit
    assert "EnvironmentFile=/etc/quayframe/environment" in unit
