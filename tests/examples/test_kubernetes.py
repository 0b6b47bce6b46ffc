"""examples/kubernetes: kustomize builds it, every object is valid, nodes read its config.yaml."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from clients import need
from deployments import EXAMPLES

from quayframe import registry

FOLDER = EXAMPLES / "kubernetes"
VERSION = "1.37"


def built(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [need("kustomize"), "build", folder], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of the production overlay, filled as the README says."""
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    folder = tmp_path / "kubernetes" / "overlays" / "mine"
    shutil.copytree(FOLDER / "overlays" / "production", folder)
    for name in ("secret-key", "database-secret-key"):
        (folder / name).write_text("0123456789" * 6)
    (folder / "environment").write_text(
        "REGISTRY_HOST=registry.mycompany.com\nDB_URI=postgresql://p/registry\n"
    )
    return folder


def test_every_object_is_valid(mine: Path) -> None:
    for folder in (FOLDER / "base", mine):
        objects = built(folder)
        assert {one["kind"] for one in objects} >= {"Deployment", "Job", "Service", "Ingress", "Secret"}
        for one in objects:
            kubernetes_validate.validate(one, VERSION, strict=True)


def test_the_overlay_keeps_no_example_secret(mine: Path) -> None:
    objects = built(mine)
    assert "change-me" not in yaml.safe_dump(objects)
    assert all(one["metadata"]["namespace"] == "quayframe" for one in objects)
    (ingress,) = (one for one in objects if one["kind"] == "Ingress")
    assert ingress["spec"]["rules"][0]["host"] == "registry.mycompany.com"


def test_pods_may_do_little() -> None:
    pods = [
        one["spec"]["template"]["spec"] for one in built(FOLDER / "base") if "template" in one.get("spec", {})
    ]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        # Whatever is written, is written to a volume.
        assert {"/tmp", "/var/lib/quayframe"} <= {one["mountPath"] for one in container["volumeMounts"]}


def test_the_configuration_is_read(tmp_path: Path) -> None:
    text = (FOLDER / "base" / "config.yaml").read_text()
    for name in ("secret-key", "database-secret-key"):
        (tmp_path / name).write_text("0123456789" * 6)
    file = tmp_path / "config.yaml"
    file.write_text(text.replace("/etc/quayframe/secrets", str(tmp_path)))
    env = dict.fromkeys(("REGISTRY_HOST", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"), "x")
    env |= {"DB_URI": "postgresql://p/registry", "S3_ENDPOINT": "https://s3.example.com"}
    _, loaded = registry.load(file, env=env)
    assert loaded.warnings == ()
    assert loaded.storage["bucket"].engine == "S3Storage"
