"""The plugins of examples/, installed into a folder as the distributions that they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
NAMES = sorted(folder.name for folder in EXAMPLES.iterdir() if (folder / "setup.cfg").is_file())


def environment(site: Path) -> dict[str, str]:
    """The folder `site` before all else: its metadata is found as that of any installed distribution."""
    found = {**os.environ, "COLUMNS": "200", "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    found.pop("PYTEST_ADDOPTS", None)
    return found


def run(command: list[str], folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """`python -m command` in `folder`, with what is installed in `site`."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(site),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def install(site: Path, scratch: Path) -> None:
    """Installs every example into `site`, from copies in `scratch`: the sources stay as they are."""
    for name in NAMES:
        shutil.copytree(EXAMPLES / name, scratch / name)
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    sources = [str(scratch / name) for name in NAMES]
    done = run([*pip, "--no-build-isolation", "--target", str(site), *sources], scratch, site)
    assert done.returncode == 0, done.stdout + done.stderr
