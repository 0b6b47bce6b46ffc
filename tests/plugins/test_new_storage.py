"""A storage back end that nobody has heard of works once it is installed: no line changes elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    if importlib.util.find_spec("quayframe.cli.plugins") is None:
        pytest.skip("this checkout has no command `quayframe plugins`")
    listed = run(["quayframe", "plugins", "--json"], tmp_path, environment(site))
    assert "DictionaryStorage" in json.dumps(json.loads(listed))


def test_the_storage_suite_passes_on_a_new_storage_plugin(site: Path, tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE / "tests", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    output = run(["pytest", "-p", "no:quayframe", "-q", "tests"], tmp_path, environment(site))
    assert " passed" in output
    assert "skipped" not in output
