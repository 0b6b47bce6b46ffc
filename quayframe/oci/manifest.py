"""Manifests: OCI image manifests and indexes, Docker schema 2 images and lists.

`parse` checks everything that can be known from the bytes alone; whether the content that a manifest
refers to is there is for the caller to see (`blobs`, `children`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from quayframe.errors import ManifestInvalid, ManifestTooLarge, ManifestTypeUnsupported
from quayframe.oci import media
from quayframe.oci.descriptor import (
    Descriptor,
    read_annotations,
    read_artifact_type,
    read_descriptor,
    refuse_lookalikes,
)
from quayframe.oci.digest import Digest
from quayframe.oci.strictjson import read_object, show

MAXIMUM_SIZE: Final = 4 * 1024 * 1024
MAXIMUM_DESCRIPTORS: Final = 10_000

_FIELDS: Final = frozenset(
    {
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
    }
)
_FOLDED: Final = frozenset(name.casefold() for name in _FIELDS)
_PUSH_AGAIN: Final = (
    "schema 1 manifests are not accepted; push again with a current client"
    " (docker 1.10 or later, or skopeo copy --format v2s2 or oci)"
)
_ACCEPTED: Final = "OCI image manifests and indexes, Docker schema 2 manifests and lists are"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest.

    `config` and `layers` belong to images and artifacts, `children` to indexes and lists.
    `artifact_type` is the explicit field. `subject` is read of OCI types alone: Docker's have none.
    """

    media_type: str
    is_index: bool
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that must be in the repository, each digest once, layers in their order, config last.

        Foreign layers are left out when they have `urls`.
        """
        return tuple({blob.digest: blob for blob in _local_blobs(self)}.values())

    @property
    def referrer_type(self) -> str | None:
        """What a list of referrers says (distribution specification, "Listing Referrers")."""
        if self.artifact_type is None and self.config is not None:
            return self.config.media_type
        return self.artifact_type


def parse(body: bytes, content_type: str | None) -> Manifest:
    """The manifest that a client sends as `content_type`.

    Raises ManifestTooLarge, ManifestTypeUnsupported (415) or ManifestInvalid, which names the field.
    """
    if len(body) > MAXIMUM_SIZE:
        raise ManifestTooLarge
    sent_type = _sent_type(content_type)
    try:
        document = read_object(body)
    except ValueError as error:
        raise ManifestInvalid(f"malformed JSON: {error}") from None
    refuse_lookalikes(document, _FIELDS, _FOLDED, "")
    _check_version(document, sent_type)
    media_type = sent_type or _detect(document)
    _check_type(document, media_type)
    _check_shape(document, is_index=media_type in media.INDEX_TYPES)
    manifest = _read(document, media_type)
    _check_sizes(manifest)
    return manifest


def linux_amd64_child(manifest: Manifest) -> Descriptor | None:
    """The image for linux/amd64 among an index's children: what clients without indexes get.

    The baseline variant is preferred over v2 and up, which not every machine can run.
    """
    fitting = [
        child
        for child in manifest.children
        if child.media_type in media.IMAGE_TYPES
        and child.platform is not None
        and (child.platform.os, child.platform.architecture) == ("linux", "amd64")
    ]
    baseline = (c for c in fitting if c.platform is not None and c.platform.variant in {"", "v1"})
    return next(baseline, fitting[0] if fitting else None)


def _sent_type(content_type: str | None) -> str | None:
    """The manifest type that the header names; None where the body has to tell."""
    sent = media.parse_content_type(content_type)
    if sent in {"", media.JSON}:
        return None
    if sent in media.SCHEMA1_TYPES:
        raise ManifestTypeUnsupported(_PUSH_AGAIN)
    if sent not in media.MANIFEST_TYPES:
        raise ManifestTypeUnsupported(f"{show(sent)} is not accepted; {_ACCEPTED}")
    return sent


def _check_version(document: dict[str, Any], sent_type: str | None) -> None:
    version = document.get("schemaVersion")
    if isinstance(version, int) and not isinstance(version, bool):
        if version == 2:
            return
        if version == 1:
            # under a type of schema 2 it is the body that is wrong, not the type
            raise ManifestInvalid(_PUSH_AGAIN) if sent_type else ManifestTypeUnsupported(_PUSH_AGAIN)
    if "schemaVersion" not in document:
        raise ManifestInvalid("schemaVersion: this field is required")
    raise ManifestInvalid(f"schemaVersion: 2 is expected, not {show(version)}")


def _detect(document: dict[str, Any]) -> str:
    """The type of a body that came without one."""
    named = document.get("mediaType")
    if isinstance(named, str) and named:
        if named in media.SCHEMA1_TYPES:
            raise ManifestTypeUnsupported(_PUSH_AGAIN)
        if named not in media.MANIFEST_TYPES:
            raise ManifestTypeUnsupported(f"mediaType: {show(named)} is not accepted; {_ACCEPTED}")
        return named
    if "manifests" in document:
        return media.OCI_INDEX
    if "config" in document and "layers" in document:
        return media.OCI_MANIFEST
    raise ManifestInvalid("neither the Content-Type nor the fields tell what kind of manifest this is")


def _check_type(document: dict[str, Any], media_type: str) -> None:
    if "mediaType" not in document:
        if media_type in media.DOCKER_TYPES:
            raise ManifestInvalid("mediaType: this field is required in Docker manifests")
        return
    if document["mediaType"] != media_type:
        raise ManifestInvalid(f"mediaType: {media_type} is expected, not {show(document['mediaType'])}")


def _check_shape(document: dict[str, Any], *, is_index: bool) -> None:
    """Refuse a body that is an index to one reader and an image to another (CVE-2021-41190)."""
    for name in ("config", "layers") if is_index else ("manifests",):
        if name in document:
            raise ManifestInvalid(
                f"{name}: {'an index' if is_index else 'an image manifest'} has no such field"
            )
    for name in ("manifests",) if is_index else ("config", "layers"):
        if name not in document:
            raise ManifestInvalid(f"{name}: this field is required")
    lists = [document[name] for name in ("layers", "manifests") if isinstance(document.get(name), list)]
    if sum(map(len, lists)) > MAXIMUM_DESCRIPTORS:
        raise ManifestInvalid(f"it has more than {MAXIMUM_DESCRIPTORS} descriptors")


def _read(document: dict[str, Any], media_type: str) -> Manifest:
    is_index = media_type in media.INDEX_TYPES
    is_oci = media_type in media.OCI_TYPES
    subject = document.get("subject") if is_oci else None
    return Manifest(
        media_type=media_type,
        is_index=is_index,
        config=None if is_index else read_descriptor(document["config"], "config"),
        layers=() if is_index else _read_list(document["layers"], "layers"),
        children=_read_children(document["manifests"]) if is_index else (),
        subject=None if subject is None else read_descriptor(subject, "subject"),
        artifact_type=read_artifact_type(document.get("artifactType"), "artifactType") if is_oci else None,
        annotations=read_annotations(document.get("annotations"), "annotations"),
    )


def _read_list(value: object, path: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise ManifestInvalid(f"{path}: an array is expected, not {show(value)}")
    return tuple(read_descriptor(item, f"{path}[{index}]") for index, item in enumerate(value))


def _read_children(value: object) -> tuple[Descriptor, ...]:
    children = _read_list(value, "manifests")
    for index, child in enumerate(children):
        if child.media_type not in media.MANIFEST_TYPES:
            raise ManifestInvalid(
                f"manifests[{index}].mediaType: {show(child.media_type)} is not accepted; {_ACCEPTED}"
            )
    return children


def _check_sizes(manifest: Manifest) -> None:
    """One digest cannot have two sizes: the second would escape the check against the blob."""
    sizes: dict[Digest, int] = {}
    for path, found in _paths(manifest):
        if sizes.setdefault(found.digest, found.size) != found.size:
            raise ManifestInvalid(f"{path}.size: the same digest has another size before")


def _paths(manifest: Manifest) -> Iterator[tuple[str, Descriptor]]:
    if manifest.config is not None:
        yield "config", manifest.config
    for index, layer in enumerate(manifest.layers):
        yield f"layers[{index}]", layer
    for index, child in enumerate(manifest.children):
        yield f"manifests[{index}]", child


def _local_blobs(manifest: Manifest) -> Iterator[Descriptor]:
    for layer in manifest.layers:
        if not (layer.urls and layer.media_type in media.FOREIGN_LAYER_TYPES):
            yield layer
    if manifest.config is not None:
        yield manifest.config
