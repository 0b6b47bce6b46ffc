"""What plugins receive: the narrow face, made of services."""

from __future__ import annotations

import logging
from typing import Any

from quayframe.data.db import Database
from quayframe.data.tables import Account, Manifest, Repository, Tag
from quayframe.events import Event
from quayframe.plugin import API_VERSION
from quayframe.plugin.boundary import outside

from .clock import now_ms
from .content import content_of
from .visibility import live


class PluginHost:
    """The host of one plugin (quayframe.plugin.Host)."""

    def __init__(self, db: Database, plugin: str, config: Any, url: str | None) -> None:
        self._db = db
        self.plugin = plugin
        self.api = API_VERSION
        self.log = logging.getLogger(f"quayframe.plugin.{plugin}")
        self.config = config
        self.url = url

    def content(self, event: Event) -> bytes | None:
        body = content_of(event)
        digest = getattr(event, "digest", None)
        if body is None and digest and event.namespace and event.repository:
            return self.manifest(f"{event.namespace}/{event.repository}", digest)
        return body

    def repositories(self, namespace: str) -> list[str]:
        outside("a host call")
        query = (
            Repository.select(Repository.name)
            .join(Account, on=(Account.id == Repository.namespace))
            .where((Account.name == namespace) & Repository.deleted_ms.is_null())
            .order_by(Repository.name)
        )
        return [str(name) for (name,) in self._db.rows(query)]

    def tags(self, repository: str) -> list[str]:
        outside("a host call")
        repository_id = self._find(repository)
        where = (Tag.repository == repository_id) & live(now_ms())
        return [str(n) for (n,) in self._db.rows(Tag.select(Tag.name).where(where).order_by(Tag.name))]

    def manifest(self, repository: str, reference: str) -> bytes | None:
        outside("a host call")
        repository_id = self._find(repository)
        if ":" in reference:
            where = (Manifest.repository == repository_id) & (Manifest.digest == reference)
            body = self._db.value(Manifest.select(Manifest.body).where(where & Manifest.deleted_ms.is_null()))
        else:
            head = (Tag.repository == repository_id) & (Tag.name == reference) & live(now_ms())
            query = Manifest.select(Manifest.body).join(Tag, on=(Tag.manifest == Manifest.id)).where(head)
            body = self._db.value(query)
        return None if body is None else bytes(body)

    def _find(self, repository: str) -> int:
        namespace, _, name = repository.partition("/")
        query = (
            Repository.select(Repository.id)
            .join(Account, on=(Account.id == Repository.namespace))
            .where((Account.name == namespace) & (Repository.name == name) & Repository.deleted_ms.is_null())
        )
        return int(self._db.value(query) or 0)
