"""Keys of the registry protocol: names, pushes, artifacts, tags, tokens."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from .keys_core import Keys
from .types import Duration, Size


def _durations(*texts: str) -> tuple[Duration, ...]:
    return tuple(Duration.parse(text) for text in texts)


class RegistryKeys(Keys):
    LIBRARY_NAMESPACE: str = Field(
        default="library", min_length=2, description="Namespace of repository names without a slash."
    )
    FEATURE_LIBRARY_SUPPORT: bool = Field(
        default=True, description="Names without a slash belong to LIBRARY_NAMESPACE."
    )
    FEATURE_EXTENDED_REPOSITORY_NAMES: bool = Field(
        default=True, description="Repository names may have more than one slash."
    )
    FEATURE_ADVERTISE_V2: bool = Field(default=True, description="/v2/ tells clients that it is there.")
    FEATURE_PUBLIC_CATALOG: bool = Field(
        default=False, description="The catalog lists public repositories to everybody."
    )
    V2_PAGINATION_SIZE: int = Field(
        default=50, ge=1, description="Entries of a page of tags or catalog; fewer than 100 count as 100."
    )
    CREATE_PRIVATE_REPO_ON_PUSH: bool = Field(
        default=True, description="A repository that a push creates is private."
    )
    CREATE_NAMESPACE_ON_PUSH: bool = Field(
        default=False, description="A push may create the organization that it names."
    )
    FEATURE_GENERAL_OCI_SUPPORT: bool = Field(
        default=True, description="OCI images, indexes and artifacts may be pushed."
    )
    OCI_NAMESPACE_WHITELIST: tuple[str, ...] = Field(
        default=(), description="Namespaces that may push them without FEATURE_GENERAL_OCI_SUPPORT."
    )
    FEATURE_HELM_OCI_SUPPORT: bool = Field(
        default=True, description="Helm's types are allowed beside those of ALLOWED_OCI_ARTIFACT_TYPES."
    )
    ALLOWED_OCI_ARTIFACT_TYPES: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description=(
            "Types of configs (or artifacts whose config is empty) and of layers that may be pushed beside an"
            " image's own; any other is refused. Unset, any type."
        ),
    )
    FEATURE_REFERRERS_API: bool = Field(default=True, description="The referrers API answers.")
    FEATURE_SPARSE_INDEX: bool = Field(
        default=False, description="An index may name manifests that the repository does not have."
    )
    MAXIMUM_LAYER_SIZE: Size = Field(
        default_factory=lambda: Size.parse("20G"),
        description="Largest blob: bytes, or with K M G T (1024).",
    )
    PUSH_TEMP_TAG_EXPIRATION_SEC: int = Field(
        default=3600, ge=0, description="Seconds that a blob is kept which no manifest uses yet."
    )
    REGISTRY_JWT_AUTH_MAX_FRESH_S: int = Field(
        default=3660, ge=1, description="Seconds that a registry token is good for at most."
    )
    DEFAULT_TAG_EXPIRATION: Duration = Field(
        default_factory=lambda: Duration.parse("2w"),
        description="Time machine of new namespaces: how long a deleted tag can be restored.",
    )
    TAG_EXPIRATION_OPTIONS: tuple[Duration, ...] = Field(
        default_factory=lambda: _durations("0s", "1d", "1w", "2w", "4w"),
        description="Time machine windows that a namespace may choose.",
    )

    @field_validator("ALLOWED_OCI_ARTIFACT_TYPES", mode="before")
    @classmethod
    def _without_colons(cls, value: Any) -> Any:
        """The guide's example has no colons behind the config types, so YAML reads it as one text:
        `<config type> - <layer type> - <layer type> <config type> - ...`."""
        words = value.split() if isinstance(value, str) else []
        found: dict[str, list[str]] = {}
        for before, word in zip(["", *words], words, strict=False):
            if word in ("-", "..."):
                continue
            if "/" not in word or (before == "-" and not found):
                return value
            if before == "-":
                found[next(reversed(found))].append(word)
            else:
                found[word] = []
        return found or value
