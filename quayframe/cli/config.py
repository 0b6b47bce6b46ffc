"""`quayframe config check|schema|dump|explain`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click

from ..config import EngineModels, Loaded, ProviderKeys, catalogue_of, dump_yaml, explain, load, schema
from ..errors import ConfigError

Keys: TypeAlias = Callable[[], tuple[list[ProviderKeys], EngineModels]]
"""Gives what the installed plugins add: their providers' keys, their engines' parameters."""

_path = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=None,
    help="The file [default: config.yaml, where there is one].",
)


def _load(keys: Keys, path: Path | None, *, strict: bool = False) -> Loaded:
    """The configuration, or the command's end with its problems on stderr."""
    default = Path("config.yaml")
    chosen = path or (default if default.exists() else None)
    providers, engines = keys()
    try:
        return load(chosen, provider_keys=providers, engines=engines, strict=strict, env=os.environ)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


def group(provider_keys: Keys) -> click.Group:
    """The commands; `provider_keys` is called when one runs."""

    @click.group("config")
    def config() -> None:
        """Check and show the configuration."""

    @config.command("check")
    @_path
    @click.option("--strict", is_flag=True, help="Unknown keys are errors.")
    def check(path: Path | None, strict: bool) -> None:
        """Report everything that is wrong; exit 1 if anything is."""
        loaded = _load(provider_keys, path, strict=strict)
        _warn(loaded)
        count = len(loaded.warnings)
        click.echo(f"the configuration is good ({count} warning{'' if count == 1 else 's'})")

    @config.command("schema")
    @_path
    def print_schema(path: Path | None) -> None:
        """Print the JSON Schema of config.yaml."""
        providers, engines = provider_keys()
        click.echo(json.dumps(schema(providers, engines), indent=2))

    @config.command("dump")
    @_path
    def print_values(path: Path | None) -> None:
        """Print every key with the value in force, secrets masked."""
        loaded = _load(provider_keys, path)
        _warn(loaded)
        click.echo(dump_yaml(loaded), nl=False)

    @config.command("explain")
    @_path
    @click.argument("key")
    def explain_key(path: Path | None, key: str) -> None:
        """Tell what KEY is and which value it has."""
        try:
            loaded = _load(provider_keys, path)
        except click.ClickException as error:
            # a file with problems is no reason not to say what a key means
            click.echo(f"warning: {error.message}", err=True)
            loaded = catalogue_of(*provider_keys())
        try:
            click.echo(explain(key, loaded))
        except ConfigError as error:
            raise click.ClickException(str(error)) from None

    return config
