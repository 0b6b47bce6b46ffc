"""quayframe fsck."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quayframe.errors import RegistryError
from quayframe.oci import names

from .common import opened, where

if TYPE_CHECKING:
    from quayframe.services.fsck import Told
    from quayframe.services.fsck_storage import Progress

FOUND = 1
UNCHECKED = 2


@click.command()
@click.option("--digests", is_flag=True, help="Read all bytes and verify their digests.")
@click.option("--repair", is_flag=True, help="Repair what is certain.")
@click.option("--repository", "name", help="Check this repository alone: NAMESPACE/NAME.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding.")
@where
def fsck(
    digests: bool, repair: bool, name: str | None, as_json: bool, config_path: Path | None, data_dir: Path
) -> None:
    """Compare rows and storage, both ways; the registry may be serving.

    The exit status is 0 when nothing is wrong (or all was repaired), 1 when something is, 2 when something
    could not be checked."""
    from quayframe.services.fsck import Asked

    left = repaired = 0
    with opened(config_path, data_dir, changing=repair) as registry, _progress() as tell:
        asked = Asked(names.repository_path(name) if name else None, digests=digests, repair=repair)
        try:
            for told in registry.content.fsck.run(asked, tell):
                _show(told, as_json)
                repaired += told.repaired is True
                left += told.repaired is not True
        except RegistryError as error:
            click.echo(f"quayframe: not everything could be checked: {error}", err=True)
            sys.exit(UNCHECKED)
    if not as_json:
        click.echo(
            f"{left + repaired} findings, {repaired} repaired" if left + repaired else "nothing is wrong"
        )
    if left:
        sys.exit(FOUND)


def _show(told: Told, as_json: bool) -> None:
    finding = told.finding
    if as_json:
        said = {"kind": finding.kind, "what": finding.what, "where": finding.where, "text": finding.text}
        click.echo(json.dumps(said | {"repaired": told.repaired}))
        return
    place = f" in {finding.where}" if finding.where else ""
    done = {True: "  repaired", False: "  not repaired: it has changed meanwhile", None: ""}[told.repaired]
    click.echo(f"{finding.kind}: {finding.what}{place}\n  {finding.text}{done}")


@contextmanager
def _progress() -> Iterator[Progress]:
    """A line on the terminal that counts; nothing where standard error is none."""
    from rich.console import Console
    from rich.status import Status

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done: None
        return
    with Status("checking", console=console) as status:
        yield lambda what, done: status.update(f"{done} {what} checked")
