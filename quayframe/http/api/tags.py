"""Tags of a repository."""

from __future__ import annotations

from .operation import Resource

RESOURCES: tuple[type[Resource], ...] = ()
