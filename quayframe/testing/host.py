"""A host for the tests of plugins."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from quayframe.plugin import API_VERSION, Event


@dataclass
class FakeHost:
    """A `Host` whose answers the test gives.

    `manifests` is by repository (`namespace/name`) and reference, each tag and each digest an entry of its
    own; `event_content` is what `content` answers for every event.
    """

    plugin: str = "test"
    config: Any = None
    url: str | None = "https://registry.test"
    api: tuple[int, int] = API_VERSION
    manifests: dict[str, dict[str, bytes]] = field(default_factory=dict)
    event_content: bytes | None = None

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(f"quayframe.plugins.{self.plugin}")

    def content(self, event: Event) -> bytes | None:
        return self.event_content

    def repositories(self, namespace: str) -> list[str]:
        owned = (
            name.removeprefix(f"{namespace}/") for name in self.manifests if name.startswith(f"{namespace}/")
        )
        return sorted(owned)

    def tags(self, repository: str) -> list[str]:
        return sorted(reference for reference in self.manifests.get(repository, {}) if ":" not in reference)

    def manifest(self, repository: str, reference: str) -> bytes | None:
        return self.manifests.get(repository, {}).get(reference)
