"""How often tags and manifests were pulled."""

from __future__ import annotations

from .operation import Resource

RESOURCES: tuple[type[Resource], ...] = ()
