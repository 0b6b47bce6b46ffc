"""Plugins made for one test: real distributions in a folder on the path, found by their metadata."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from quayframe.plugin.host import Host
from quayframe.plugin.manager import PluginManager
from quayframe.plugin.states import PluginRow
from quayframe.testing import FakeHost

_numbers = itertools.count()

HEADER = """
from quayframe.plugin import *
quayframe_api = (1, 0)
"""


class Workshop:
    """Makes distributions in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, str] = {}

    def install(
        self, name: str, source: str, *, header: str = HEADER, distribution: str | None = None
    ) -> str:
        """A distribution with the entry point `name`; returns the name of its module, never used before."""
        distribution = distribution or f"quayframe-{name}"
        module = f"made_plugin_{next(_numbers)}"
        (self.folder / f"{module}.py").write_text(header + textwrap.dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(f"[quayframe]\n{name} = {module}\n")
        self.modules[name] = module
        return module

    def entry_points(self) -> list[EntryPoint]:
        return [
            e
            for d in distributions(path=[str(self.folder)])
            for e in d.entry_points.select(group="quayframe")
        ]

    def manager(self, **options: object) -> PluginManager:
        """A manager that has discovered what was made here."""
        manager = PluginManager(self.entry_points(), **options)  # type: ignore[arg-type]
        manager.discover()
        return manager

    def loaded(self, **options: object) -> PluginManager:
        manager = self.manager(**options)
        manager.load()
        return manager


def host_for(plugin: str) -> Host:
    return FakeHost(plugin)


def row_of(manager: PluginManager, name: str) -> PluginRow:
    return next(row for row in manager.report() if row.name == name)


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)
