"""The example plugins: they pass their tests when they are installed, and do what they say in a registry."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import requests
from example_site import EXAMPLES, NAMES, environment, install, run
from plugin_workshop import wait_until

SOURCE = "org.opencontainers.image.source"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every example installed in it."""
    site = tmp_path_factory.mktemp("site")
    install(site, tmp_path_factory.mktemp("sources"))
    return site


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_its_own_tests_once_it_is_installed(name: str, site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / name / "tests", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run(["pytest", "-p", "no:quayframe", "-q", "tests"], tmp_path, site)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_example_imports_of_the_registry_only_what_is_public(name: str) -> None:
    for path in (EXAMPLES / name).rglob("*.py"):
        allowed = {"quayframe.plugin", "quayframe.testing"} if "tests" in path.parts else {"quayframe.plugin"}
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = {module for module in modules if module.partition(".")[0] == "quayframe"}
            assert ours <= allowed, f"{path} imports {ours - allowed}"


def test_the_examples_are_listed_with_what_they_bring(site: Path, tmp_path: Path) -> None:
    done = run(["quayframe", "plugins", "--json"], tmp_path, site)
    assert done.returncode == 0, done.stderr
    rows = {row["distribution"]: row for row in json.loads(done.stdout)}
    for name in NAMES:
        assert rows[f"quayframe-{name}"]["state"] == "configured", rows[f"quayframe-{name}"]["reason"]
    assert rows["quayframe-hello"]["hooks"] == ["quayframe_routes", "quayframe_commands"]
    assert rows["quayframe-require-label"]["hooks"] == ["quayframe_check"]


def test_a_command_of_an_example_runs_under_the_plugin_s_name(site: Path, tmp_path: Path) -> None:
    migrated = run(["quayframe", "migrate"], tmp_path, site)
    assert migrated.returncode == 0, migrated.stderr
    done = run(["quayframe", "hello", "greet", "Ada"], tmp_path, site)
    assert (done.returncode, done.stdout) == (0, "Hello, Ada!\n"), done.stderr


class Serving:
    """`quayframe serve` on a free port, with the examples installed; ended by its process id."""

    def __init__(self, site: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "quayframe", "serve", "--bind", "127.0.0.1:0", "--data", "data"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(site),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        wait_until(lambda: self._ready() is not None or self.process.poll() is not None, 30)
        url = self._ready()
        assert url is not None, "".join(self.lines)
        self.url = url
        self.password = (folder / "data" / "admin-password").read_text().strip()

    def _read(self, stream: IO[str]) -> None:
        self.lines.extend(iter(stream.readline, ""))

    def _ready(self) -> str | None:
        found = [line.split()[-1] for line in list(self.lines) if "is ready at http" in line]
        return found[0] if found else None

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def serving(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(site, tmp_path_factory.mktemp("registry"))
    yield serving
    serving.end()


def test_a_route_of_an_example_is_served_under_the_plugin_s_name(serving: Serving) -> None:
    answer = requests.get(f"{serving.url}/api/plugins/hello/greeting", params={"name": "Ada"}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"greeting": "Hello, Ada!"})


def oci_layout(folder: Path, annotations: dict[str, str]) -> Path:
    """An image without layers, as a folder that skopeo reads."""

    def blob(value: object) -> dict[str, object]:
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    (folder / "blobs" / "sha256").mkdir(parents=True)
    oci = "application/vnd.oci.image"
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": {"mediaType": f"{oci}.config.v1+json", **blob(config)},
        "layers": [],
        "annotations": annotations,
    }
    descriptor = {"mediaType": f"{oci}.manifest.v1+json", **blob(manifest)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def push(serving: Serving, image: Path, target: str) -> subprocess.CompletedProcess[str]:
    command = ["skopeo", "copy", "--dest-tls-verify=false", f"--dest-creds=admin:{serving.password}"]
    host = serving.url.removeprefix("http://")
    return subprocess.run(
        [*command, f"oci:{image}", f"docker://{host}/{target}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo")
def test_a_refused_push_fails_in_the_client_which_prints_the_reason(serving: Serving, tmp_path: Path) -> None:
    refused = push(serving, oci_layout(tmp_path / "without", {}), "admin/refused:v1")
    assert refused.returncode != 0
    assert f"does not say where its source is: push it with the annotation {SOURCE}" in refused.stderr

    taken = push(serving, oci_layout(tmp_path / "with", {SOURCE: "https://example.com/a"}), "admin/taken:v1")
    assert taken.returncode == 0, taken.stderr
