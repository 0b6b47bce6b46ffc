"""Labels of manifests over the API: read, added, taken away."""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from quayframe import events
from quayframe.data.content import Label as Row
from quayframe.data.db import Database, Tx
from quayframe.errors import ManifestUnknown, NotFound, Refused

from .access import Access, RepositoryRow
from .activity import Activity
from .clock import now_ms
from .holds import keep_still
from .manifest_labels import LONGEST_KEY, MOST_CHARACTERS, SOURCE, media_type_of
from .manifest_views import Found
from .principal import Principal
from .repositories import Check
from .writing import check_may_write

RESERVED = (
    "com.docker.",
    "io.docker.",
    "org.dockerproject.",
    "org.opencontainers.",
    "io.cncf.",
    "io.kubernetes.",
    "io.k8s.",
    "io.quay",
    "com.coreos",
    "com.tectonic",
    "internal",
    "quay",
)
"""Beginnings of keys that the API does not give away."""
MOST = 1000
"""Labels of one manifest."""
MOST_LENGTH = 2 * MOST_CHARACTERS
"""Of their values together, its own among them: one answer holds them all."""
# A separator stands between letters or digits, never beside another one.
_is_key = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*").fullmatch
_BAD_KEY = (
    "Label is of an invalid format or missing please use"
    " ^[a-z0-9](([a-z0-9]|[-.](?![.-]))*[a-z0-9])?$ format for labels"
)


@dataclass(frozen=True)
class Label:
    """`source`: manifest, api, internal; only an api label can be taken away."""

    id: str
    key: str
    value: str
    source: str
    media_type: str


class Labels:
    """:param reserved: LABEL_KEY_RESERVED_PREFIXES, beside RESERVED."""

    def __init__(
        self, db: Database, access: Access, activity: Activity, check: Check, reserved: Sequence[str] = ()
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._check = check
        self._reserved = (*RESERVED, *reserved)

    def of(self, manifest: Found, prefix: str = "") -> list[Label]:
        """The labels whose keys begin with `prefix`: the manifest's own, then the others as they came."""
        found = self._rows(Row.manifest == manifest.id)
        return sorted(
            (label for label in found if label.key.startswith(prefix)),
            key=lambda label: label.source != SOURCE,
        )

    def get(self, manifest: Found, label_id: str) -> Label:
        """Raises NotFound."""
        found = self._rows((Row.manifest == manifest.id) & (Row.uuid == label_id))
        if not found:
            raise NotFound()
        return found[0]

    def _rows(self, where: Any) -> list[Label]:
        query = Row.select(Row.uuid, Row.label_key, Row.value, Row.source, Row.media_type)
        return [Label(*row) for row in self._db.rows(query.where(where).order_by(Row.id))]

    def add(
        self,
        principal: Principal,
        repository: RepositoryRow,
        manifest: Found,
        key: str,
        value: str,
        media_type: str | None,
    ) -> Label:
        """Adds a label; the same key may be there already. Without a media type it is guessed.

        Raises Refused, NotFound for a manifest that has gone, InsufficientScope, RepositoryFrozen."""
        check_may_write(self._access, principal, repository)
        if _is_key(key) is None or len(key) > LONGEST_KEY:
            raise Refused(_BAD_KEY)
        if key.startswith(self._reserved):
            raise Refused("Label has a reserved prefix")
        label = Label(str(uuids.uuid4()), key, value, "api", media_type or media_type_of(value))
        event = events.ManifestLabelAdd(
            **principal.at(repository),
            id=label.id,
            key=key,
            value=value,
            manifest_digest=manifest.digest,
            media_type=label.media_type,
        )
        self._check(event)

        def work(tx: Tx) -> None:
            _keep(tx, manifest)
            said = peewee.fn.COALESCE(peewee.fn.SUM(peewee.fn.LENGTH(Row.value)), 0)
            count, length = tx.rows(
                Row.select(peewee.fn.COUNT(Row.id), said).where(Row.manifest == manifest.id)
            )[0]
            if count >= MOST:
                raise Refused(f"a manifest has at most {MOST} labels")
            if length + len(value) > MOST_LENGTH:
                raise Refused(f"the values of a manifest's labels have at most {MOST_LENGTH} characters")
            tx.insert(
                Row,
                uuid=label.id,
                repository=repository.id,
                manifest=manifest.id,
                label_key=key,
                value=value,
                media_type=label.media_type,
                source=label.source,
                created_ms=now_ms(),
            )
            self._record(tx, principal, repository, event)

        self._db.write(work)
        return label

    def delete(self, principal: Principal, repository: RepositoryRow, manifest: Found, label_id: str) -> None:
        """Takes a label away that the API has added.

        Raises NotFound, Refused for any other, InsufficientScope, RepositoryFrozen."""
        check_may_write(self._access, principal, repository)
        label = self.get(manifest, label_id)
        if label.source != "api":
            raise Refused("Cannot delete immutable label")
        event = events.ManifestLabelDelete(
            **principal.at(repository),
            id=label.id,
            key=label.key,
            value=label.value,
            manifest_digest=manifest.digest,
        )
        self._check(event)

        def work(tx: Tx) -> None:
            if not tx.run(Row.delete().where(Row.uuid == label.id)):
                raise NotFound()
            self._record(tx, principal, repository, event)

        self._db.write(work)

    def _record(self, tx: Tx, principal: Principal, repository: RepositoryRow, event: events.Event) -> None:
        self._activity.record(
            tx,
            event,
            namespace_id=repository.namespace_id,
            repository_id=repository.id,
            performer_id=principal.account_id,
        )


def _keep(tx: Tx, manifest: Found) -> None:
    try:
        keep_still(tx, manifest.id)
    except ManifestUnknown:
        raise NotFound() from None
