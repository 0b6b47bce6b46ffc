"""`create()` makes the WSGI callable of one process; servers are given its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quayframe import logs, registry, serving
from quayframe.http.app import create_app
from quayframe.registry import Registry
from quayframe.services import bootstrap


def create() -> Any:
    """Reads the options that the supervisor left in the environment and builds the application."""
    options = serving.read()
    manager, loaded = registry.load(options.config)
    logs.configure(loaded.settings.LOGGING_LEVEL)
    built = registry.build(manager, loaded, options.data, processes=options.web_workers)
    _first_user(built, options.data)
    built.start()
    built.keys.extend()
    built.keys.keep_extended()
    built.content.pull_counts.keep_flushed()
    return create_app(built, threads=options.web_threads)


def _first_user(built: Registry, data: Path) -> None:
    settings = built.settings
    if settings.AUTHENTICATION_TYPE == "Database" and not settings.FEATURE_USER_INITIALIZE:
        bootstrap.ensure_superuser(built.accounts, settings.SUPER_USERS, data)
