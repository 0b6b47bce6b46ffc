"""A storage back end that nobody has heard of works once it is installed: no line changes elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quayframe.testing.server import RegistryServer

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(__file__).parent / "template_storage"


def environment(site: Path) -> dict[str, str]:
    """The folder `site` before all else: its metadata is found as that of any installed distribution."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


def run(command: list[str], cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the new distribution is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "site"
    shutil.copytree(TEMPLATE, source)
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    run([*pip, "--no-build-isolation", "--target", str(target), "."], source, dict(os.environ))
    return target


def test_a_new_storage_plugin_is_found_by_its_entry_point(site: Path, tmp_path: Path) -> None:
    listed = run(["quayframe", "plugins", "--json"], tmp_path, environment(site))
    assert "DictionaryStorage" in json.dumps(json.loads(listed))


def test_the_storage_suite_passes_on_a_new_storage_plugin(site: Path, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE / "tests", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    output = run(["pytest", "-p", "no:quayframe", "-q", "tests"], tmp_path, environment(site))
    assert " passed" in output
    assert "skipped" not in output


def test_a_registry_runs_on_a_new_storage_plugin(site: Path, tmp_path: Path) -> None:
    config = {
        "DISTRIBUTED_STORAGE_CONFIG": {"here": ["DictionaryStorage", {"folder": str(tmp_path / "objects")}]},
        "DISTRIBUTED_STORAGE_PREFERENCE": ["here"],
    }
    server = RegistryServer(tmp_path / "registry", config, env={"PYTHONPATH": str(site)}).start()
    try:
        name = "admin/on-the-new-storage"
        session = server.session(server.admin, f"repository:{name}:pull,push")
        data = os.urandom(300_000)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        url = f"{server.url}/v2/{name}/blobs"
        assert session.post(f"{url}/uploads/", params={"digest": digest}, data=data).status_code == 201
        assert session.get(f"{url}/{digest}").content == data
        assert not (server.data / "storage").exists()
    finally:
        server.kill()
