"""What somebody did, as values.

An event is put to the plugins that asked to check it before the act, becomes one row in the act's own
transaction, and everything that follows (usage log, notifications, observing plugins) is derived from
that row. A new event is one dataclass here and one call in a service.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that somebody did.

    `kind` is the name in the usage log and is derived from the class name: `PushRepo` is `push_repo`.
    `namespace` and `repository` are names (`repository` without its namespace), `performer` is the
    account's name or None for nobody, `ip` is the client's address or None.
    """

    kind: ClassVar[str] = "event"

    namespace: str | None = None
    repository: str | None = None
    performer: str | None = None
    ip: str | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def metadata(self) -> dict[str, Any]:
        """The fields of the class itself, as JSON values: what the usage log shows."""
        base = {f.name for f in dataclasses.fields(Event)}
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in base}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v is not None}


def subclasses() -> dict[str, type[Event]]:
    """Every event class by its kind."""
    found: dict[str, type[Event]] = {}
    todo = list(Event.__subclasses__())
    while todo:
        cls = todo.pop()
        found[cls.kind] = cls
        todo.extend(cls.__subclasses__())
    return found
