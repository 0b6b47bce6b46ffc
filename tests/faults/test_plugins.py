"""Plugins that are broken, in a real registry: named, contained, and fatal only where they are needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from protocol import Repo, code

from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer

START = "from quayframe.plugin import hookimpl\nquayframe_api = (1, 0)\n"
SLEEP_AT_START = START + "import time\n@hookimpl\ndef quayframe_startup(host):\n    time.sleep(600)\n"
RAISE_AT_START = START + "@hookimpl\ndef quayframe_startup(host):\n    raise OSError('no licence found')\n"
BROKEN_IMPORT = "raise RuntimeError('a library is missing')\n"
OTHER_API = "quayframe_api = (9, 0)\n"
STORAGE = """
from quayframe_storage_local import LocalStorage
class Broken(LocalStorage):
    name = "BrokenStorage"
@hookimpl
def quayframe_providers():
    return [Broken]
"""
HANG = (
    START
    + """
import time
from quayframe.plugin import PushRepo
@hookimpl
def quayframe_check(host, event: PushRepo):
    if event.repository.startswith("slow"):
        time.sleep(600)
    if event.repository.startswith("raise"):
        raise KeyError("a bug of the plugin")
    if event.repository.startswith("refuse"):
        return "images need a licence label"
"""
)


def install(folder: Path, name: str, source: str) -> dict[str, str]:
    """A plugin as pip would install it, in a folder for PYTHONPATH; the environment that has it."""
    module = f"quayframe_{name}"
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: quayframe-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[quayframe]\n{name} = {module}\n")
    (folder / f"{module}.py").write_text(source)
    return {"PYTHONPATH": str(folder)}


def storage_of(folder: Path) -> dict[str, object]:
    """A configuration that needs the storage back end of the plugin."""
    entry = ["BrokenStorage", {"storage_path": str(folder / "storage")}]
    return {"DISTRIBUTED_STORAGE_CONFIG": {"default": entry}, "DISTRIBUTED_STORAGE_PREFERENCE": ["default"]}


def push(server: RegistryServer, name: str) -> Repo:
    repo = Repo(server.session(server.admin, f"repository:{name}:push,pull"), name, server.url)
    repo.image("v1")
    return repo


def logged(server: RegistryServer, message: str, cause: str) -> bool:
    """Whether a line of the log has this message, and the cause with it."""
    for line in server.log.read_text().splitlines():
        if line.startswith("{") and message in json.loads(line).get("message", ""):
            return cause in line
    return False


def states(server: RegistryServer) -> dict[str, tuple[str, str]]:
    rows = json.loads(server.cli("plugins", "--json"))
    return {row["name"]: (row["state"], row["reason"]) for row in rows}


@pytest.mark.parametrize(
    ("source", "state", "reason"),
    [
        (BROKEN_IMPORT, "failed", "a library is missing"),
        (OTHER_API, "refused", "plugin API 9.0"),
        ("x = 1\n", "refused", "quayframe_api"),
    ],
    ids=["import", "version", "no version"],
)
def test_a_broken_plugin_that_is_not_needed_is_reported_and_the_registry_runs(
    make_registry_server: MakeServer, tmp_path: Path, source: str, state: str, reason: str
) -> None:
    server = make_registry_server(env=install(tmp_path / "lib", "broken", source))

    assert push(server, "admin/works").tags() == ["v1"]
    found = states(server)["broken"]
    assert found[0] == state
    assert reason in found[1]


def test_a_start_hook_that_raises_is_reported_and_the_registry_runs(
    make_registry_server: MakeServer, tmp_path: Path
) -> None:
    server = make_registry_server(env=install(tmp_path / "lib", "broken", RAISE_AT_START))

    assert push(server, "admin/works").tags() == ["v1"]
    assert logged(server, 'plugin "broken" failed', "no licence found")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (BROKEN_IMPORT, ("broken", "a library is missing")),
        (OTHER_API, ("broken", "plugin API 9.0")),
        (RAISE_AT_START + STORAGE, ("broken", "no licence found")),
    ],
    ids=["import", "version", "start"],
)
def test_a_broken_plugin_that_is_needed_stops_the_start_by_name(
    tmp_path: Path, source: str, words: tuple[str, ...]
) -> None:
    output, took = failed_start(tmp_path, install(tmp_path / "lib", "broken", source), storage_of(tmp_path))

    lines = [line for line in output.splitlines() if all(word in line for word in words)]
    assert lines, output
    assert took < 20


@pytest.mark.parametrize("needed", [False, True])
def test_a_start_hook_that_hangs_is_named_after_10_s_and_stops_the_start(
    tmp_path: Path, needed: bool
) -> None:
    source = SLEEP_AT_START + (STORAGE if needed else "")
    config = storage_of(tmp_path) if needed else {}
    output, took = failed_start(tmp_path, install(tmp_path / "lib", "broken", source), config)

    assert any("broken" in line and "within 10 s" in line for line in output.splitlines()), output
    assert 9 < took < 25


def failed_start(tmp_path: Path, env: dict[str, str], config: dict[str, object]) -> tuple[str, float]:
    """(output, seconds) of a registry that must not start."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"TESTING": True} | config))
    command = [
        sys.executable,
        "-m",
        "quayframe",
        "serve",
        "--config",
        str(file),
        "--data",
        str(tmp_path / "data"),
    ]
    begun = time.monotonic()
    done = subprocess.run(
        [*command, "--bind", "127.0.0.1:0", "--workers", "1"],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    return done.stdout + done.stderr, time.monotonic() - begun


def test_a_check_that_hangs_is_503_while_pulls_and_other_pushes_go_on(
    make_registry_server: MakeServer, tmp_path: Path
) -> None:
    server = make_registry_server(
        arguments=("--workers", "1"), env=install(tmp_path / "lib", "checker", HANG)
    )
    image = push(server, "admin/good")
    slow = Repo(server.session(server.admin, "repository:admin/slow:push,pull"), "admin/slow", server.url)
    body = slow.image_body()
    with ThreadPoolExecutor(4) as pool:
        begun = time.monotonic()
        hanging = [pool.submit(slow.with_(slow.session).put, f"v{n}", body) for n in range(4)]
        pulls = 0
        while not all(each.done() for each in hanging):
            asked = time.monotonic()
            assert image.get("manifests/v1").status_code == 200
            assert time.monotonic() - asked < 2
            pulls += 1
        took = time.monotonic() - begun
        answers = [each.result() for each in hanging]
    assert pulls > 100
    assert 4 < took < 12
    for answer in answers:
        assert (answer.status_code, code(answer)) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "checker" in answer.json()["errors"][0]["message"]
    # All of its threads hang: it is failed, and refuses at once, whatever is pushed.
    begun = time.monotonic()
    refused = image.put("v2", image.get("manifests/v1").content)
    assert (refused.status_code, time.monotonic() - begun < 2) == (503, True)
    assert image.get("manifests/v1").status_code == 200
    assert slow.get("manifests/v0").status_code == 404


def test_a_check_that_fails_refuses_and_one_that_refuses_says_why(
    make_registry_server: MakeServer, tmp_path: Path
) -> None:
    server = make_registry_server(env=install(tmp_path / "lib", "checker", HANG))
    answers = {}
    for name in ("admin/raises", "admin/refuses"):
        repo = Repo(server.session(server.admin, f"repository:{name}:push,pull"), name, server.url)
        answers[name] = repo.put("v1", repo.image_body())
        assert repo.get("manifests/v1").status_code == 404

    failed, refused = answers["admin/raises"], answers["admin/refuses"]
    assert (failed.status_code, code(failed)) == (500, "UNKNOWN")
    assert failed.json()["errors"][0]["detail"]["request_id"] == failed.headers["X-Request-Id"]
    assert logged(server, 'plugin "checker" failed in its check', "a bug of the plugin")
    assert (refused.status_code, code(refused)) == (403, "DENIED")
    assert refused.json()["errors"][0]["message"] == "images need a licence label"
