"""Who imports whom, and that importing does nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tree import ROOT, distributions, entry_points, files, imports, named, plugins

WATCH = Path(__file__).with_name("import_everything.py")


def test_the_import_contracts_hold() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command is not None, "import-linter is not installed: make check installs it"
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_that_nobody_placed_breaks_the_contract(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "quayframe", tmp_path / "quayframe", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    (tmp_path / "quayframe" / "elsewhere.py").write_text("")
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run(
        [command, "--no-cache", "--contract", "layers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "elsewhere" in done.stdout


@pytest.mark.parametrize("folder", distributions(), ids=named)
def test_a_plugin_imports_of_the_registry_only_what_is_public(folder: Path) -> None:
    public = re.compile(r"quayframe\.plugin\..+")
    public_to_tests = re.compile(r"quayframe\.(plugin|testing)\..+")
    for path in folder.rglob("*.py"):
        if "build" in path.relative_to(folder).parts:
            continue
        allowed = public_to_tests if "tests" in path.relative_to(folder).parts else public
        ours = {name for name in imports(path) if name.partition(".")[0] == "quayframe"}
        assert {name for name in ours if not allowed.fullmatch(name)} == set(), named(path)


def test_no_list_in_the_core_names_a_bundled_plugin() -> None:
    modules = {module.partition(":")[0] for folder in plugins() for module in entry_points(folder).values()}
    packages = {module.partition(".")[0] for module in modules} | {
        module.partition(".")[0].replace("_", "-") for module in modules
    }
    assert packages
    for path in files("quayframe", "setup.cfg", "pyproject.toml", "Makefile", ".ci", "tests/*.sh"):
        if path.is_symlink():
            # The change log, which is handed out with the package.
            continue
        text = path.read_text(errors="replace")
        assert {name for name in packages if name in text} == set(), named(path)


def test_importing_any_module_has_no_effect() -> None:
    """No socket, no file written, no thread, no child, no look at the registry's environment variables."""
    done = subprocess.run(
        [sys.executable, "-B", str(WATCH)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    modules = json.loads(done.stdout)
    assert "quayframe.registry" in modules
    assert "quayframe.server.granian" in modules
