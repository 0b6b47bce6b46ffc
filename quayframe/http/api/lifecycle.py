"""When a tag goes, by which rule, and what holds it."""

from __future__ import annotations

from .operation import Resource

RESOURCES: tuple[type[Resource], ...] = ()
