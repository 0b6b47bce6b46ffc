"""What is known of each plugin: its state with the reason, and what it brings."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from .provider import Provider

P_co = TypeVar("P_co", bound=Provider, covariant=True)


class State(enum.StrEnum):
    """A plugin is always in exactly one of these."""

    FOUND = "found"
    """Its entry point is installed; nothing of it has been imported."""
    REFUSED = "refused"
    """The core does not want it: not in PLUGINS, another API version, a name that is taken."""
    LOADED = "loaded"
    """Imported, and its hooks are known."""
    CONFIGURED = "configured"
    """Its configuration is valid."""
    HEALTHY = "healthy"
    """Its start hook has returned, or it has none."""
    FAILED = "failed"
    """Something of it is broken; its checks refuse, its other hooks are not called."""


@dataclass
class PluginRecord:
    """One plugin. `entry_point` is None for a name in PLUGINS under which nothing is installed."""

    name: str
    entry_point: EntryPoint | None
    state: State = State.FOUND
    reason: str = ""
    module: ModuleType | None = None
    api: tuple[int, int] | None = None
    hooks: tuple[str, ...] = ()
    providers: tuple[type[Provider], ...] = ()
    config: BaseModel | None = None

    @property
    def distribution(self) -> str:
        dist = self.entry_point.dist if self.entry_point else None
        return dist.name if dist else ""

    @property
    def version(self) -> str:
        dist = self.entry_point.dist if self.entry_point else None
        return dist.version if dist else ""

    @property
    def usable(self) -> bool:
        """Its hooks may be called."""
        return self.state in (State.LOADED, State.CONFIGURED, State.HEALTHY)

    def become(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f'plugin "{self.name}" ({self.state}{reason})'


@dataclass(frozen=True)
class ProviderRecord(Generic[P_co]):
    """A provider class and the name of the plugin that brings it."""

    cls: type[P_co]
    plugin: str


@dataclass(frozen=True)
class PluginRow:
    """A plugin as the command line and the API show it.

    `hooks` are names of hooks, `providers` are `kind:name`; `api` is what the plugin was written for.
    """

    name: str
    distribution: str
    version: str
    state: State
    reason: str
    api: str
    hooks: tuple[str, ...] = field(default=())
    providers: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, record: PluginRecord) -> PluginRow:
        return cls(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            state=record.state,
            reason=record.reason,
            api=".".join(map(str, record.api)) if record.api else "",
            hooks=record.hooks,
            providers=tuple(f"{p.kind}:{p.name}" for p in record.providers),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "state": str(self.state),
            "reason": self.reason,
            "api": self.api,
            "hooks": list(self.hooks),
            "providers": list(self.providers),
        }
