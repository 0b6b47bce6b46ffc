"""quayframe gc."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quayframe.oci import names

from .common import opened, where

if TYPE_CHECKING:
    from quayframe.services.gc_plan import Item, Plan, Shares
    from quayframe.services.lifecycle import Reason

SHOWN = 20
"""Lines of each kind; --json has them all."""


@click.group()
def gc() -> None:
    """The collection of what nothing keeps any more. The worker collects by itself, all the time."""


@gc.command("plan")
@click.option("--json", "as_json", is_flag=True, help="All of it, as JSON.")
@click.option("--repository", "name", help="Of this repository alone: NAMESPACE/NAME.")
@where
def plan(as_json: bool, name: str | None, config_path: Path | None, data_dir: Path) -> None:
    """Say what would go now, and why everything else stays. Nothing is changed."""
    with opened(config_path, data_dir) as registry:
        made = registry.content.gc_plans.plan(names.repository_path(name) if name else None)
    if as_json:
        click.echo(json.dumps(_document(made), indent=2))
    else:
        _show(made)


@gc.command("run")
@where
def run(config_path: Path | None, data_dir: Path) -> None:
    """Collect until nothing is left that can go now."""
    from quayframe.services.collecting import Counts

    with opened(config_path, data_dir, changing=True) as registry:
        total = Counts()
        while done := registry.content.garbage.round():
            total += done
        while objects := registry.collector.empty_trash():
            total += Counts(objects=objects)
    click.echo(" ".join(f"{name}={count}" for name, count in vars(total).items()))


# -- the plan as JSON ---------------------------------------------------------------------------------


def _document(made: Plan) -> dict[str, Any]:
    shares = _kinds(made)
    return {
        "at": _time(made.now),
        "goes": {
            "tags": [_item(item) for item in made.tags],
            **{kind: [_item(item) for item in share.goes] for kind, share in shares.items()},
            "bytes": sum(item.size for item in made.blobs.goes),
        },
        "stays": {kind: [_item(item) for item in share.stays] for kind, share in shares.items()},
        "trash": made.trash,
    }


def _kinds(made: Plan) -> dict[str, Shares]:
    return {
        "manifests": made.manifests,
        "blobs": made.blobs,
        "repositories": made.repositories,
        "namespaces": made.namespaces,
    }


def _item(item: Item) -> dict[str, Any]:
    said: dict[str, Any] = {"name": item.what}
    if item.where is not None:
        said["repository"] = item.where
    if item.size:
        said["size"] = item.size
    if item.reasons:
        said["reasons"] = [
            {
                "rule": reason.rule,
                "text": reason.text,
                "source": reason.source,
                "until": None if reason.at_ms is None else _time(reason.at_ms),
            }
            for reason in item.reasons
        ]
    return said


# -- the plan as text ---------------------------------------------------------------------------------


def _show(made: Plan) -> None:
    size = sum(item.size for item in made.blobs.goes)
    click.echo(f"Goes now ({size} bytes of blobs):")
    _lines("periods of tags", made.tags)
    for kind, share in _kinds(made).items():
        _lines(kind, share.goes)
    if made.trash:
        due, later, failed = (made.trash[key] for key in ("due", "later", "failed"))
        click.echo(f"  {due} objects in the trash; {later} later; {failed} could not be deleted yet")
    click.echo("Stays:")
    for kind, share in _kinds(made).items():
        _lines(kind, share.stays)


def _lines(kind: str, items: list[Item]) -> None:
    click.echo(f"  {len(items)} {kind}")
    for item in items[:SHOWN]:
        place = f" in {item.where}" if item.where else ""
        size = f", {item.size} bytes" if item.size else ""
        click.echo(f"    {item.what}{place}{size}")
        for reason in item.reasons:
            click.echo(f"      {_words(reason)}")
    if len(items) > SHOWN:
        click.echo(f"    ... and {len(items) - SHOWN} more: --json has them all")


def _words(reason: Reason) -> str:
    source = f" ({reason.source})" if reason.source else ""
    until = f", until {_time(reason.at_ms)}" if reason.at_ms is not None else ""
    return f"{reason.text}{source}{until}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
