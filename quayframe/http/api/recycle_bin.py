"""What was deleted and can be brought back."""

from __future__ import annotations

from .operation import Resource

RESOURCES: tuple[type[Resource], ...] = ()
