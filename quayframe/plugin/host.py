"""What a plugin sees of the registry."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from ..events import Event


class Host(Protocol):
    """The narrow, versioned face of the registry that every hook receives.

    A host belongs to one plugin and may be used from any thread, outside of transactions only. Names
    are `namespace/name`; a repository that does not exist has no tags and no manifests.
    """

    @property
    def plugin(self) -> str:
        """The plugin's name: that of its entry point."""

    @property
    def api(self) -> tuple[int, int]:
        """The plugin API of this core: (major, minor)."""

    @property
    def log(self) -> logging.Logger:
        """The plugin's own logger."""

    @property
    def config(self) -> Any:
        """An instance of the plugin module's pydantic model `Config`, made from PLUGIN_CONFIG in
        config.yaml and validated; None where the module has no such model."""

    @property
    def url(self) -> str | None:
        """The public base URL, e.g. `https://registry.example.com`; None where no name is configured."""

    def content(self, event: Event) -> bytes | None:
        """The manifest that the event speaks of, as it was sent; None = the event has none, or it is no
        longer there. In a check it is the manifest that is about to be stored."""

    def repositories(self, namespace: str) -> list[str]:
        """The names of the namespace's repositories, without the namespace, sorted."""

    def tags(self, repository: str) -> list[str]:
        """The names of the repository's live tags, sorted."""

    def manifest(self, repository: str, reference: str) -> bytes | None:
        """The manifest under a tag or a digest; None = not there."""
