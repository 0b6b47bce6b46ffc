"""Blobs and manifests for all runs of the model."""

from __future__ import annotations

import json
from typing import Any

from model_values import Body
from protocol import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, manifest, sha256


class Pool:
    """What may be pushed, by digest, and the names by which reports call it."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.bodies: dict[str, Body] = {}
        self.names: dict[str, str] = {}

    def blob(self, text: str) -> tuple[str, int]:
        data = json.dumps({"architecture": "amd64", "comment": text}).encode()
        self.blobs[sha256(data)] = data
        self.names[text] = sha256(data)
        return sha256(data), len(data)

    def image(self, number: int, layers: str, **fields: Any) -> Body:
        config = self.blob(f"config {number}")
        parts = [(OCI_LAYER, *self.blob(f"layer {layer}")) for layer in layers]
        return self.add(manifest((OCI_CONFIG, *config), parts, **fields), OCI_MANIFEST)

    def index(self, *children: Body, **fields: Any) -> Body:
        listed = [descriptor(c.media_type, c.digest, len(c.data)) for c in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        return self.add(json.dumps(document | fields).encode(), OCI_INDEX)

    def referrer(self, number: int, subject: Body | str, layers: str = "z") -> Body:
        about = (
            descriptor(OCI_MANIFEST, subject, 7)
            if isinstance(subject, str)
            else descriptor(subject.media_type, subject.digest, len(subject.data))
        )
        return self.image(number, layers, subject=about, artifactType="test/model")

    def add(self, data: bytes, media_type: str) -> Body:
        document = json.loads(data)
        parts = [document["config"], *document["layers"]] if "layers" in document else []
        children = tuple(d["digest"] for d in document.get("manifests", ()))
        life = document.get("annotations", {}).get("quay.expires-after")
        if children:
            lives = {self.bodies[child].life for child in children}
            lived = lives.pop() if len(lives) == 1 else None
        else:
            lived = {None: None, "2h": 2 * 3_600_000, "3d": 3 * 86_400_000}[life]
        body = Body(
            sha256(data),
            data,
            media_type,
            tuple(d["digest"] for d in parts),
            children,
            document.get("subject", {}).get("digest"),
            lived,
        )
        self.bodies[body.digest] = body
        return body


def pool() -> Pool:
    """Images share layers, indexes share images, one is an index of an index; there are referrers of all of
    these, of one another, and of what never comes."""
    made = Pool()
    named = {"image1": made.image(1, "ab"), "image2": made.image(2, "bc")}
    named["brief"] = made.image(3, "a", annotations={"quay.expires-after": "2h"})
    named["days"] = made.image(4, "cd", annotations={"quay.expires-after": "3d"})
    named["both"] = made.index(named["image1"], named["image2"])
    named["mixed"] = made.index(named["image2"], named["days"])
    named["short"] = made.index(named["brief"])
    named["nested"] = made.index(named["both"], named["image1"])
    named["about-image1"] = made.referrer(5, named["image1"])
    named["about-both"] = made.referrer(6, named["both"], "az")
    named["about-about"] = made.referrer(7, named["about-image1"])
    named["about-nothing"] = made.referrer(8, "sha256:" + "0" * 64)
    about = descriptor(OCI_INDEX, named["short"].digest, len(named["short"].data))
    named["index-about-short"] = made.index(named["mixed"], subject=about)
    made.names.update({name: body.digest for name, body in named.items()})
    return made
