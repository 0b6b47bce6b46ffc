"""What all tables have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import peewee

from .fields import Id


class Table(peewee.Model):
    id: Any = Id()

    class Meta:
        legacy_table_names = False

    if TYPE_CHECKING:
        # The stubs' descriptor for class methods is ambiguous to mypy; queries are untyped anyway.
        @classmethod
        def delete(cls) -> Any: ...
