"""Imports every module of the core and of the installed plugins, and fails where that has an effect.

Prints the modules as a JSON list. Run in a process of its own: what it forbids stays forbidden."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import os
import pkgutil
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.system", "os.putenv", "sqlite3.")
ALLOWED = ("socket.__new__",)
OURS = ("QUAYFRAME", "QUAY_")

found: list[str] = []


def _opens_to_write(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    wrong = event.startswith(FORBIDDEN) and event not in ALLOWED
    if wrong or (event == "open" and _opens_to_write(arguments)):
        raise AssertionError(f"an import caused {event}{arguments}")


class Environment(dict[str, str]):
    """os.environ, that does not tell what is set for the registry."""

    def __getitem__(self, name: str) -> str:
        if name.startswith(OURS):
            raise AssertionError(f"an import looked at the environment variable {name}")
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name.startswith(OURS):
            raise AssertionError(f"an import looked at the environment variable {name}")
        return super().get(name, default)


def modules_of(name: str) -> list[str]:
    package = importlib.import_module(name)
    names = [name]
    for info in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        names.append(info.name)
    return [each for each in names if not each.endswith(".__main__")]


def main() -> None:
    # What the libraries do when they are first imported is not ours to judge.
    for path in ROOT.glob("quayframe/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name and name.partition(".")[0] not in ("quayframe", "__future__"):
                    try:
                        importlib.import_module(name)
                    except ImportError:
                        continue
    packages = ["quayframe"]
    for point in importlib.metadata.entry_points(group="quayframe"):
        if point.module.partition(".")[0] != "quayframe":
            packages.append(point.module.partition(".")[0])
    threads = threading.active_count()
    vars(os)["environ"] = Environment(os.environ)
    sys.addaudithook(watch)
    for package in packages:
        for name in modules_of(package):
            importlib.import_module(name)
            found.append(name)
    assert threading.active_count() == threads, threading.enumerate()


main()
print(json.dumps(found))
