"""What is pushed: a small image with a hundred tags, blobs that nobody has seen, images for skopeo."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import requests

from bench.subjects import REPOSITORY, Subject

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAGS = 100
LAYERS = 10
LAYER_BYTES = 4 << 20
_TIMEOUT = 60


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Blobs:
    """Big blobs: one file of random bytes, each blob with an end of its own, so that its digest is new and
    costs nothing to know."""

    def __init__(self, file: Path, size: int) -> None:
        self.file = file
        self._states: dict[int, Any] = {}
        with file.open("wb") as out:
            for _ in range(size >> 20):
                out.write(os.urandom(1 << 20))

    def fresh(self, size: int) -> dict[str, Any]:
        """A blob of `size` bytes as blobclient.py takes it: size, suffix (hex), digest."""
        suffix = os.urandom(32)
        state = self._state(size - len(suffix)).copy()
        state.update(suffix)
        return {"size": size, "suffix": suffix.hex(), "digest": f"sha256:{state.hexdigest()}"}

    def _state(self, length: int) -> Any:
        known = self._states.get(length)
        if known is not None:
            return known
        state = hashlib.sha256()
        left = length
        while left:
            with self.file.open("rb") as file:
                while left and (piece := file.read(min(left, 1 << 20))):
                    state.update(piece)
                    left -= len(piece)
        self._states[length] = state
        return state


def image(layers: list[bytes], config: bytes) -> bytes:
    """The manifest of an image."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": digest_of(x), "size": len(x)} for x in layers],
        }
    ).encode()


def configuration(layers: list[bytes]) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(x)) for x in layers]},
            "config": {},
        }
    ).encode()


def layer(size: int) -> bytes:
    """A layer that does not shrink."""
    return gzip.compress(os.urandom(size), compresslevel=0)


def push_tags(subject: Subject) -> str:
    """Pushes an image of ten small layers under t000 to t099; gives its digest."""
    layers = [layer(1000) for _ in range(LAYERS)]
    config = configuration(layers)
    manifest = image(layers, config)
    with requests.Session() as session:
        session.headers.update(subject.authorization("pull,push"))
        for data in (config, *layers):
            begun = session.post(f"{subject.url}/v2/{REPOSITORY}/blobs/uploads/", timeout=_TIMEOUT)
            begun.raise_for_status()
            where = requests.compat.urljoin(subject.url, begun.headers["Location"])
            where += ("&" if "?" in where else "?") + "digest=" + digest_of(data)
            session.put(where, data=data, timeout=_TIMEOUT).raise_for_status()
        for number in range(TAGS):
            url = f"{subject.url}/v2/{REPOSITORY}/manifests/t{number:03d}"
            answer = session.put(url, data=manifest, headers={"Content-Type": MANIFEST}, timeout=_TIMEOUT)
            answer.raise_for_status()
    return digest_of(manifest)


def layout(folder: Path) -> None:
    """An OCI layout with an image of ten layers that nobody has seen, for skopeo."""
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers = [layer(LAYER_BYTES) for _ in range(LAYERS)]
    config = configuration(layers)
    manifest = image(layers, config)
    for data in (manifest, config, *layers):
        (blobs / digest_of(data).partition(":")[2]).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entry = {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
