"""Manifests as the API shows them: layers with what made them, and what refers to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quayframe.data.db import Database
from quayframe.data.tables import Manifest as Row
from quayframe.data.tables import Tag
from quayframe.errors import DigestInvalid, NotFound
from quayframe.oci import manifest as oci
from quayframe.oci import media
from quayframe.oci.descriptor import Descriptor
from quayframe.oci.digest import Digest
from quayframe.oci.manifest import Manifest

from .clock import now_ms
from .heads import SUFFIXES
from .image_config import ImageConfigs, Step
from .referrers import Referrers
from .visibility import live, visible

MOST_CARD_BYTES = 1024 * 1024
KINDS = {"sig": "signature", "att": "attestation", "sbom": "sbom"}
"""What cosign's tags are, by their suffix."""
_TITLE = "org.opencontainers.image.title"
_CARD = "README.md"


@dataclass(frozen=True)
class Found:
    """A manifest that can be seen."""

    id: int
    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True)
class Layer:
    """A layer and the history entry that made it; `step` says nothing where the config does not tell."""

    descriptor: Descriptor
    step: Step

    @property
    def is_remote(self) -> bool:
        """Its bytes may be elsewhere, at its `urls`."""
        return self.descriptor.media_type in media.FOREIGN_LAYER_TYPES


@dataclass(frozen=True)
class Referrer:
    """A manifest about another one: it names it as its subject, or has cosign's tag of it."""

    kind: str
    """subject, signature, attestation, sbom."""
    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    tag: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


class ManifestViews:
    def __init__(self, db: Database, configs: ImageConfigs, referrers: Referrers) -> None:
        self._db = db
        self._configs = configs
        self._referrers = referrers

    def find(self, repository_id: int, reference: str) -> Found:
        """The manifest of a digest that can be seen in the repository. Raises NotFound."""
        digest = _digest(reference)
        where = (Row.repository == repository_id) & (Row.digest == digest) & Row.deleted_ms.is_null()
        row = self._db.one(Row.select(Row.id, Row.media_type, Row.body).where(where))
        if row is None or not visible(self._db.rows, repository_id, {row[0]}, now_ms()):
            raise NotFound()
        return Found(int(row[0]), digest, str(row[1]), bytes(row[2]))

    def layers(self, repository_id: int, parsed: Manifest) -> list[Layer]:
        """The layers, base first. Reads the image's config from storage."""
        steps = self._configs.of(repository_id, parsed.config).steps
        if len(steps) != len(parsed.layers):
            # Nothing then says which entry belongs to which layer.
            steps = (Step(),) * len(parsed.layers)
        return [Layer(one, step) for one, step in zip(parsed.layers, steps, strict=True)]

    def card(self, repository_id: int, parsed: Manifest) -> str | None:
        """The model card of an artifact: the text of its layer titled README.md."""
        for layer in parsed.layers:
            if layer.annotations.get(_TITLE) == _CARD:
                text = self._configs.read(repository_id, layer, MOST_CARD_BYTES)
                try:
                    return None if text is None else text.decode()
                except UnicodeDecodeError:
                    return None
        return None

    def referrers(
        self, repository_id: int, reference: str, *, artifact_type: str | None, last: str | None, limit: int
    ) -> tuple[list[Referrer], str | None]:
        """What refers to a digest: cosign's tags first, on the first page, then by digest what names it as
        its subject, and the digest to continue after. Raises NotFound where there is no such manifest and
        nothing refers to it."""
        digest = _digest(reference)
        page = self._referrers.page(
            repository_id, digest, artifact_type=artifact_type, last=last, limit=limit
        )
        found = [] if last is not None else self._tagged(repository_id, digest, artifact_type)
        found += [_referrer(one) for one in page.descriptors]
        if not found and last is None:
            self.find(repository_id, reference)
        return found, page.last

    def _tagged(self, repository_id: int, digest: Digest, artifact_type: str | None) -> list[Referrer]:
        names = {f"{digest.replace(':', '-')}.{suffix}": KINDS[suffix] for suffix in SUFFIXES}
        where = (Tag.repository == repository_id) & Tag.name.in_(list(names)) & live(now_ms())
        if artifact_type is not None:
            where &= Row.artifact_type == artifact_type
        rows = self._db.rows(
            Tag.select(Tag.name, Row.digest, Row.media_type, Row.size, Row.artifact_type, Row.annotations)
            .join(Row, on=(Row.id == Tag.manifest))
            .where(where & Row.deleted_ms.is_null())
            .order_by(Tag.name)
        )
        return [
            Referrer(names[tag], found, kind, size, typed, tag, json.loads(said) if said else {})
            for tag, found, kind, size, typed, said in rows
        ]


def parse(found: Found) -> Manifest:
    return oci.parse(found.body, found.media_type)


def _digest(reference: str) -> Digest:
    try:
        return Digest.parse(reference)
    except DigestInvalid:
        raise NotFound() from None


def _referrer(descriptor: dict[str, Any]) -> Referrer:
    return Referrer(
        "subject",
        descriptor["digest"],
        descriptor["mediaType"],
        descriptor["size"],
        descriptor.get("artifactType"),
        annotations=descriptor.get("annotations", {}),
    )
