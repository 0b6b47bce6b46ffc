"""Plugins and examples are whole distributions, and the tree is the one that ARCHITECTURE.md describes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tree import ROOT, distributions, entry_points, files, metadata, named, plugins

import quayframe

KINDS = {"storage", "auth", "triggers", "notifiers", "executors", "scanners"}


def test_there_is_a_bundled_plugin() -> None:
    assert plugins()


@pytest.mark.parametrize("folder", distributions(), ids=named)
def test_a_distribution_is_whole(folder: Path) -> None:
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        assert (folder / name).is_file(), name
    assert list((folder / "tests").glob("test_*.py")), "no tests"
    build = tomllib.loads((folder / "pyproject.toml").read_text())
    assert list(build) == ["build-system"], "all but the build system stands in setup.cfg"


@pytest.mark.parametrize("folder", distributions(), ids=named)
def test_a_distribution_says_what_it_is(folder: Path) -> None:
    config = metadata(folder)
    name = config["metadata"]["name"]
    assert name.startswith("quayframe-")
    assert re.fullmatch(r"\d+\.\d+\.\d+", config["metadata"]["version"])
    assert config["options"]["python_requires"] == ">=3.11"
    assert "quayframe" in config["options"]["install_requires"].split()
    assert (folder / name.replace("-", "_") / "py.typed").is_file()


@pytest.mark.parametrize("folder", distributions(), ids=named)
def test_a_distribution_s_entry_points_name_modules_of_its_own(folder: Path) -> None:
    package = metadata(folder)["metadata"]["name"].replace("-", "_")
    points = entry_points(folder)
    assert points
    for name, module in points.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
        assert module.partition(".")[0] == package
        path = folder.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("folder", plugins(), ids=named)
def test_a_bundled_plugin_is_called_by_its_kind_and_its_folder(folder: Path) -> None:
    kind = folder.parent.name
    assert kind in KINDS
    assert metadata(folder)["metadata"]["name"] == f"quayframe-{kind.removesuffix('s')}-{folder.name}"


def test_every_folder_of_plugins_is_a_distribution() -> None:
    for path in files("plugins"):
        assert ROOT.joinpath(*path.relative_to(ROOT).parts[:3], "setup.cfg").is_file(), named(path)


def top_level() -> set[str]:
    found = {path.name for path in (ROOT / "quayframe").iterdir() if (path / "__init__.py").is_file()}
    return found | {path.name for path in files("quayframe/*.py") if path.parent.name == "quayframe"}


def test_every_part_of_the_core_stands_in_architecture_md() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    missing = [name for name in top_level() if name != "__init__.py" and f"{name}" not in text]
    assert missing == []


def test_architecture_md_is_one_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().split()) < 1100


def test_the_metadata_has_one_home() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(found) == {"build-system", "tool"}
    assert set(found["tool"]) == {"ruff"}
    assert quayframe.__version__
