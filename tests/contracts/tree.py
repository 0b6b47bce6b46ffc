"""The repository's files, for the tests that check the repository itself."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files(*patterns: str) -> list[Path]:
    """The files that git knows, or would take, by pathspec; all of them without one."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})


def named(path: Path) -> str:
    """The path below the repository's root."""
    return str(path.relative_to(ROOT))


def plugins() -> list[Path]:
    """The folders of the bundled plugins."""
    return sorted(file.parent for file in ROOT.glob("plugins/*/*/setup.cfg"))


def distributions() -> list[Path]:
    """The folders of all distributions beside the core's: bundled plugins and examples."""
    return plugins() + sorted(file.parent for file in ROOT.glob("examples/*/*/setup.cfg"))


def metadata(folder: Path) -> ConfigParser:
    """A distribution's setup.cfg."""
    parser = ConfigParser()
    parser.read(folder / "setup.cfg")
    return parser


def entry_points(folder: Path) -> dict[str, str]:
    """The distribution's entry points in the group `quayframe`: name → module."""
    lines = metadata(folder).get("options.entry_points", "quayframe", fallback="").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, as dotted names; `from a import b` gives `a.b`, for b may be a module.

    Relative ones begin with their dots."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)
