"""quayframe doctor."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import config_file, where

if TYPE_CHECKING:
    from quayframe.config import Loaded, Settings
    from quayframe.plugin.manager import PluginManager
    from quayframe.services.doctor import Check, Line


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@where
def doctor(as_json: bool, config_path: Path | None, data_dir: Path) -> None:
    """Try everything that the registry stands on, and name the cure of what does not work.

    It changes nothing but a small object in each storage, which it deletes. The exit status is 1 when
    something has failed."""
    from quayframe.services.doctor import FAILED

    failed = False
    for line in _lines(config_file(config_path), data_dir):
        _show(line, as_json)
        failed |= line.answer.state == FAILED
    sys.stdout.flush()
    # A check that hangs has a thread of its own, which nobody waits for.
    os._exit(1 if failed else 0)


def _lines(file: Path | None, data_dir: Path) -> Iterator[Line]:
    from quayframe import registry
    from quayframe.errors import ConfigError, StartError
    from quayframe.services.doctor import FAILED, OK, WARNING, Answer, Line, run

    where = str(file) if file is not None else "no config.yaml: the defaults of a single machine"
    try:
        manager, loaded = registry.load(file)
    except (ConfigError, StartError) as error:
        # Behind how many there are.
        head, *problems = str(error).splitlines()
        for text in problems or [head]:
            yield Line(
                "configuration", Answer(FAILED, text.strip(), "correct it; quayframe config explain KEY"), 0
            )
        return
    warnings = [*loaded.warnings, *manager.configure(loaded.settings.PLUGIN_CONFIG)]
    for text in warnings:
        yield Line("configuration", Answer(WARNING, str(text), "correct it, or take it out"), 0)
    if not warnings:
        yield Line("configuration", Answer(OK, where), 0)
    yield from _plugins(manager, loaded.settings)
    try:
        checks = _checks(manager, loaded, file, data_dir)
    except (ConfigError, StartError) as error:
        yield Line("configuration", Answer(FAILED, str(error), "correct it"), 0)
        return
    yield from run(checks)


def _plugins(manager: PluginManager, settings: Settings) -> Iterator[Line]:
    from quayframe.plugin.states import State
    from quayframe.services.doctor import FAILED, OK, Answer, Line

    bad = [row for row in manager.report() if row.state == State.FAILED]
    bad += [row for row in manager.report() if row.state == State.REFUSED and settings.PLUGINS is None]
    for row in bad:
        cure = "upgrade it, or uninstall it, or leave it out of PLUGINS"
        yield Line("plugins", Answer(FAILED, f"{row.name} is {row.state}: {row.reason}", cure), 0)
    if not bad:
        names = ", ".join(row.name for row in manager.report() if row.state != State.REFUSED)
        yield Line("plugins", Answer(OK, names or "none is installed"), 0)


def _checks(manager: PluginManager, loaded: Loaded, file: Path | None, data_dir: Path) -> list[Check]:
    from quayframe import config
    from quayframe.services import doctor as parts
    from quayframe.services import locations

    settings = config.embedded(loaded.settings, data_dir)
    storage = locations.build(manager, loaded, settings)
    db = parts.opened(settings)
    checks = parts.of_database(settings, db)
    for name in storage.locations:
        check = partial(parts.location, storage, name)
        if settings.REGISTRY_STATE == "readonly":
            check = partial(parts.readable_location, storage, name, db)
        checks.append((f"storage {name}", check))
    checks += [("room", partial(parts.room, folder)) for folder in parts.folders(settings, data_dir)]
    checks.append(("key folder", partial(parts.key_folder, data_dir)))
    checks.append(("redis", lambda: parts.Answer(parts.OK, "is not needed: no part of this release uses it")))
    checks += _at_the_door(settings, file)
    return checks


def _at_the_door(settings: Settings, file: Path | None) -> list[Check]:
    from quayframe.services import doctor as parts
    from quayframe.services.mail import Mail
    from quayframe.services.tenancy import mail_options

    checks: list[Check] = []
    beside = (file.parent if file is not None else Path()).absolute()
    cert, key = beside / "ssl.cert", beside / "ssl.key"
    if cert.is_file() and key.is_file():
        checks.append(("tls", lambda: parts.certificate(cert, key)))
    if settings.FEATURE_MAILING:
        unused: Any = None
        reach = Mail(unused, unused, mail_options(settings), on=True).reach
        chosen = "MAIL_SERVER" in settings.model_fields_set
        checks.append(("mail", lambda: parts.mail(reach, chosen=chosen)))
    return checks


def _show(line: Line, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"check": line.name, "ms": line.ms} | dataclasses.asdict(line.answer)))
        return
    cure = f" Cure: {line.answer.cure}." if line.answer.cure else ""
    click.echo(f"{line.answer.state:8}{line.name:20}{line.answer.text}.{cure}")
