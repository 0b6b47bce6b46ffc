"""Labels of a manifest."""

from __future__ import annotations

from .operation import Resource

RESOURCES: tuple[type[Resource], ...] = ()
