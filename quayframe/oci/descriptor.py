"""Descriptors: how manifests refer to content (OCI image specification, "Content Descriptors")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from quayframe.errors import DigestInvalid, ManifestInvalid
from quayframe.oci.digest import Digest
from quayframe.oci.media import is_media_type
from quayframe.oci.strictjson import show

_FIELDS: Final = frozenset(
    {"mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"}
)
_FOLDED: Final = frozenset(name.casefold() for name in _FIELDS)


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on; a field that the index leaves out is empty."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content of `size` bytes. Embedded `data` is accepted and not kept."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    platform: Platform | None = None


def read_descriptor(value: object, path: str) -> Descriptor:
    """The descriptor at `path` (`layers[2]`). Raises ManifestInvalid, naming the field."""
    fields = read_mapping(value, path)
    refuse_lookalikes(fields, _FIELDS, _FOLDED, f"{path}.")
    data = fields.get("data")
    if data is not None and not isinstance(data, str):
        raise ManifestInvalid(f"{path}.data: a string is expected, not {show(data)}")
    return Descriptor(
        media_type=_read_type(_required(fields, "mediaType", path), f"{path}.mediaType"),
        digest=_read_digest(_required(fields, "digest", path), f"{path}.digest"),
        size=_read_size(_required(fields, "size", path), f"{path}.size"),
        urls=_read_urls(fields.get("urls"), f"{path}.urls"),
        annotations=read_annotations(fields.get("annotations"), f"{path}.annotations"),
        artifact_type=read_artifact_type(fields.get("artifactType"), f"{path}.artifactType"),
        platform=_read_platform(fields.get("platform"), f"{path}.platform"),
    )


def read_mapping(value: object, path: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ManifestInvalid(f"{path}: an object is expected, not {show(value)}")


def read_annotations(value: object, path: str) -> dict[str, str]:
    """A map of strings; absent and null are an empty one."""
    if value is None:
        return {}
    fields = read_mapping(value, path)
    for key, text in fields.items():
        if not isinstance(text, str):
            raise ManifestInvalid(f"{path}[{show(key)}]: a string is expected, not {show(text)}")
        # databases store no NUL in a text
        if "\0" in key or "\0" in text:
            raise ManifestInvalid(f"{path}[{show(key)}]: NUL characters are not allowed")
    return fields


def read_artifact_type(value: object, path: str) -> str | None:
    """An optional media type; absent, null and empty are None."""
    return None if value is None or value == "" else _read_type(value, path)


def refuse_lookalikes(
    fields: Mapping[str, Any], known: Collection[str], folded: Collection[str], path: str
) -> None:
    """Refuse `Layers` for `layers`: readers that ignore case would see another manifest."""
    for key in fields:
        if key not in known and key.casefold() in folded:
            raise ManifestInvalid(f"{path}{show(key)}: field names are case-sensitive")


def _required(fields: dict[str, Any], name: str, path: str) -> object:
    if name not in fields:
        raise ManifestInvalid(f"{path}.{name}: this field is required")
    return fields[name]


def _read_type(value: object, path: str) -> str:
    if isinstance(value, str) and is_media_type(value):
        return value
    raise ManifestInvalid(f"{path}: a media type (type/subtype) is expected, not {show(value)}")


def _read_digest(value: object, path: str) -> Digest:
    if not isinstance(value, str):
        raise ManifestInvalid(f"{path}: a digest is expected, not {show(value)}")
    try:
        return Digest.parse(value)
    except DigestInvalid as error:
        raise ManifestInvalid(f"{path}: {error.text}") from None


def _read_size(value: object, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise ManifestInvalid(f"{path}: a size in bytes is expected, not {show(value)}")


def _read_urls(value: object, path: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ManifestInvalid(f"{path}: an array is expected, not {show(value)}")
    for index, url in enumerate(value):
        if not isinstance(url, str):
            raise ManifestInvalid(f"{path}[{index}]: a string is expected, not {show(url)}")
    return tuple(value)


def _read_platform(value: object, path: str) -> Platform | None:
    if value is None:
        return None
    fields = read_mapping(value, path)
    texts = []
    for name in ("os", "architecture", "variant", "os.version"):
        text = fields.get(name)
        if text is not None and not isinstance(text, str):
            raise ManifestInvalid(f"{path}.{name}: a string is expected, not {show(text)}")
        texts.append(text or "")
    return Platform(*texts)
