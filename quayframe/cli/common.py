"""Options and openings that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from quayframe.errors import ReadOnly

if TYPE_CHECKING:
    from quayframe.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="QUAYFRAME_CONFIG",
    help="The configuration file; ./config.yaml where there is one.",
)
data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("quayframe-data"),
    envvar="QUAYFRAME_DATA",
    show_default=True,
    help="The folder of embedded mode: database, storage, keys.",
)


def where(function: F) -> F:
    """Adds --config and --data."""
    return config_option(data_option(function))


def config_file(path: Path | None) -> Path | None:
    """The file to read: as told, or ./config.yaml where there is one."""
    if path is None and Path("config.yaml").is_file():
        return Path("config.yaml")
    return path


@contextmanager
def opened(path: Path | None, data_dir: Path, *, changing: bool = False) -> Iterator[Registry]:
    """A registry for one command, closed afterwards. Nothing is served and no plugin is started.

    :param changing: the command changes what is in it. Raises ReadOnly where nothing may be changed."""
    # Here, so that `serve`, which stays small, does not load the whole registry.
    from quayframe import registry

    manager, loaded = registry.load(config_file(path))
    if changing and loaded.settings.REGISTRY_STATE == "readonly":
        raise ReadOnly()
    built = registry.build(manager, loaded, data_dir)
    try:
        yield built
    finally:
        built.close()


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on the terminal; nothing where standard error is none."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, of: None
        return
    columns = (TextColumn("{task.description:>20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        yield lambda what, done, of: progress.update(task, description=what, completed=done, total=of)
