"""Who acts. Every service that writes takes one."""

from __future__ import annotations

from dataclasses import dataclass

ANONYMOUS_NAME = "(anonymous)"


@dataclass(frozen=True)
class Principal:
    """Somebody who acts: `kind` is user, robot, anonymous or system (command line and worker)."""

    kind: str
    account_id: int | None = None
    uuid: str | None = None
    name: str = ANONYMOUS_NAME
    epoch: int = 0
    superuser: bool = False
    ip: str | None = None

    @property
    def performer(self) -> str | None:
        """The name for the log; None for nobody and for the system itself."""
        return self.name if self.account_id is not None else None


ANONYMOUS = Principal("anonymous")
SYSTEM = Principal("system", name="(system)", superuser=True)
