"""Images with labels, as tests of the protocol push them, and what became of the labels."""

from __future__ import annotations

import json
from typing import Any

from protocol import OCI_CONFIG, OCI_INDEX, OCI_LAYER, Protocol, Repo, descriptor, manifest, sha256

from quayframe.data.content import Label
from quayframe.data.tables import Manifest, Tag

HOUR = 3_600_000
AFTER = "quay.expires-after"


def config_of(labels: Any, **more: Any) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels}} | more).encode()


def image(repo: Repo, labels: Any = None, *, config: bytes | None = None, **fields: Any) -> bytes:
    """The manifest of an image with these labels, its blobs pushed."""
    found, data = repo.blob(config_of(labels) if config is None else config)
    layer, layer_data = repo.blob()
    return manifest((OCI_CONFIG, found, len(data)), [(OCI_LAYER, layer, len(layer_data))], **fields)


def index(children: list[bytes], said: dict[int, dict[str, str]] | None = None, **fields: Any) -> bytes:
    """An index, with annotations on some of its descriptors."""
    listed: list[dict[str, Any]] = []
    for at, body in enumerate(children):
        one = descriptor(json.loads(body)["mediaType"], sha256(body), len(body))
        listed.append(one | {"annotations": (said or {}).get(at, {})})
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json.dumps(document | fields).encode()


def pushed(repo: Repo, reference: str, body: bytes) -> None:
    answer = repo.put(reference, body, json.loads(body)["mediaType"])
    assert answer.status_code == 201, answer.text


def life(protocol: Protocol, repo: Repo, tag: str) -> int | None:
    """How long the tag lives (ms, to the second); None = without end."""
    row = protocol.registry.access.repository(*repo.path)
    assert row is not None
    where = (Tag.repository == row.id) & (Tag.name == tag)
    start, end, reason = protocol.registry.db.rows(
        Tag.select(Tag.start_ms, Tag.end_ms, Tag.end_reason).where(where)
    )[0]
    assert (end is None) == (reason is None)
    assert reason in (None, "label")
    return None if end is None else round((end - start) / 1000) * 1000


def labels(protocol: Protocol, body: bytes) -> list[tuple[str, str, str]]:
    """(key, value, media type) of the manifest's labels, by key."""
    rows = protocol.registry.db.rows(
        Label.select(Label.label_key, Label.value, Label.media_type)
        .join(Manifest, on=(Manifest.id == Label.manifest))
        .where((Manifest.digest == sha256(body)) & (Label.source == "manifest"))
        .order_by(Label.label_key)
    )
    return [(str(key), str(value), str(kind)) for key, value, kind in rows]
