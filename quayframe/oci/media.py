"""Media types: the known ones, Content-Type and Accept."""

from __future__ import annotations

import functools
import re
from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA1_UNSIGNED: Final = "application/vnd.docker.distribution.manifest.v1+json"

OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"

OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_FOREIGN_LAYER: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

JSON: Final = "application/json"
OCTET_STREAM: Final = "application/octet-stream"

OCI_TYPES: Final = frozenset({OCI_MANIFEST, OCI_INDEX})
DOCKER_TYPES: Final = frozenset({DOCKER_MANIFEST, DOCKER_LIST})
IMAGE_TYPES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES: Final = IMAGE_TYPES | INDEX_TYPES
SCHEMA1_TYPES: Final = frozenset({SCHEMA1_SIGNED, SCHEMA1_UNSIGNED})

IMAGE_CONFIG_TYPES: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
# layers that may stay at the `urls` of their descriptor
FOREIGN_LAYER_TYPES: Final = frozenset(
    {
        OCI_FOREIGN_LAYER,
        f"{OCI_FOREIGN_LAYER}+gzip",
        f"{OCI_FOREIGN_LAYER}+zstd",
        DOCKER_FOREIGN_LAYER,
    }
)
LAYER_TYPES: Final = (
    frozenset({OCI_LAYER, f"{OCI_LAYER}+gzip", f"{OCI_LAYER}+zstd", DOCKER_LAYER}) | FOREIGN_LAYER_TYPES
)

# RFC 6838, section 4.2
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_match_type = re.compile(f"{_NAME}/{_NAME}").fullmatch
_split_commas = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+').findall
_split_semicolons = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+').findall
_match_q = re.compile(r"\s*[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*").fullmatch
_CACHED_LENGTH: Final = 2048


def is_media_type(text: str) -> bool:
    """Whether `text` is `type/subtype` without parameters (RFC 6838)."""
    return _match_type(text) is not None


def parse_content_type(text: str | None) -> str:
    """`type/subtype` of a Content-Type header in lower case, without parameters; `""` without any."""
    return (text or "").partition(";")[0].strip().lower()


def accepts(accept: str | None, media_type: str) -> bool:
    """Whether an Accept header lets `media_type` be the answer (RFC 9110, section 12.5.1).

    Several Accept headers are given joined by commas. Without a header, or with an empty one,
    everything is accepted. The most specific range that fits decides; `q=0` forbids.
    """
    if not accept:
        return True
    if len(accept) <= _CACHED_LENGTH:
        return _accepts(accept, media_type)
    return _accepts.__wrapped__(accept, media_type)


@functools.lru_cache(maxsize=512)
def _accepts(accept: str, media_type: str) -> bool:
    ranges = _ranges(accept)
    if not ranges:
        return True
    wanted = media_type.lower()
    for name in (wanted, f"{wanted.partition('/')[0]}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return False


def _ranges(accept: str) -> dict[str, bool]:
    """Each media range of the header: whether its q is above 0. A range given twice takes the better."""
    ranges: dict[str, bool] = {}
    for element in _split_commas(accept):
        name, *parameters = _split_semicolons(element) or [""]
        name = name.strip().lower()
        if name:
            ranges[name] = ranges.get(name, False) or _quality(parameters) > 0
    return ranges


def _quality(parameters: list[str]) -> float:
    """q of a media range; 1 where it is absent or malformed, as clients mean it."""
    for parameter in parameters:
        found = _match_q(parameter)
        if found:
            return float(found[1])
    return 1.0
