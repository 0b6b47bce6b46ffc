"""examples/one-machine, started as its unit file says."""

from __future__ import annotations

import os
from pathlib import Path

from clients import Layout, Workstation
from deployments import EXAMPLES, node


def test_it_takes_an_image_and_gives_it_back(tmp_path: Path, workstation: Workstation) -> None:
    env = {"REGISTRY_STORAGE": str(tmp_path / "storage")}
    server = node("one-machine", tmp_path / "node", env).start()
    try:
        name, password = server.user("ann")
        layout = Layout(workstation.work / "image")
        layout.image([{"file": os.urandom(1000)}], "1")
        credentials = f"{name}:{password}"
        image = f"docker://{server.host}/ann/app:1"
        workstation.run(
            "skopeo", "copy", "--dest-tls-verify=false", f"--dest-creds={credentials}",
            f"oci:{layout.folder}:1", image,
        )  # fmt: skip
        workstation.run(
            "skopeo", "copy", "--src-tls-verify=false", f"--src-creds={credentials}", image, "oci:back:1"
        )
        assert list((tmp_path / "storage" / "sha256").rglob("*.*"))
        assert "failed" not in server.cli("doctor")
    finally:
        server.stop()


def test_the_unit_starts_what_the_readme_installs() -> None:
    unit = (EXAMPLES / "one-machine" / "quayframe.service").read_text()
    readme = (EXAMPLES / "one-machine" / "README.md").read_text()
    for path in ("/etc/quayframe/config.yaml", "/opt/quayframe", "/var/lib/quayframe"):
        assert path in unit
        assert path in readme
