"""Keys of what repositories hold: the life of tags, labels, policies, collection."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from .keys_core import Keys
from .types import Duration


class ContentKeys(Keys):
    LABELED_EXPIRATION_MINIMUM: Duration = Field(
        default_factory=lambda: Duration.parse("1h"),
        description="Shortest life of a tag that the API may set.",
    )
    LABELED_EXPIRATION_MAXIMUM: Duration = Field(
        default_factory=lambda: Duration.parse("104w"),
        description="Longest life of a tag that the API may set.",
    )
    LABEL_KEY_RESERVED_PREFIXES: tuple[str, ...] = Field(
        default=(), description="Further beginnings of label keys that the API refuses; each ends in a dot."
    )
    PERMANENTLY_DELETE_TAGS: bool = Field(
        default=False, description="A tag may be taken out of the time machine at once."
    )
    RESET_CHILD_MANIFEST_EXPIRATION: bool = Field(
        default=False, description="A pushed index ends the temporary holds of the manifests that it lists."
    )
    FEATURE_CHANGE_TAG_EXPIRATION: bool = Field(
        default=True, description="Namespaces may choose their time machine among TAG_EXPIRATION_OPTIONS."
    )
    FEATURE_IMMUTABLE_TAGS: bool = Field(
        default=False, description="Tags may be immutable: by the API, a label or a policy."
    )
    FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE: bool = Field(
        default=False, description="Immutable tags may have an expiration."
    )
    FEATURE_AUTO_PRUNE: bool = Field(default=False, description="Auto-prune policies end tags.")
    AUTO_PRUNING_POLL_PERIOD: int = Field(
        default=30, ge=1, description="Seconds between two rounds of the auto-prune policies."
    )
    DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: dict[str, int | str] | None = Field(
        default=None,
        description="An auto-prune policy of every namespace, beside its own: {method, value}.",
    )
    FEATURE_IMAGE_PULL_STATS: bool = Field(
        default=False, description="Pulls are counted by tag and by manifest."
    )
    FEATURE_GARBAGE_COLLECTION: bool = Field(
        default=True, description="What no tag within its window reaches is collected."
    )
    FEATURE_REPOSITORY_GARBAGE_COLLECTION: bool = Field(
        default=True, description="Deleted repositories are collected after their window."
    )
    FEATURE_NAMESPACE_GARBAGE_COLLECTION: bool = Field(
        default=True, description="Deleted organizations are collected after their window."
    )
    GARBAGE_COLLECTION_FREQUENCY: int = Field(
        default=30, ge=1, description="Seconds between two looks for what can be collected."
    )

    @field_validator("DEFAULT_NAMESPACE_AUTOPRUNE_POLICY")
    @classmethod
    def _prunes(cls, value: dict[str, int | str] | None) -> dict[str, int | str] | None:
        if value is None:
            return None
        if set(value) != {"method", "value"}:
            raise ValueError("must have method and value, and nothing else")
        method, limit = value["method"], value["value"]
        if method == "number_of_tags":
            sound = isinstance(limit, int) and 0 < limit < 2**31
        elif method == "creation_date":
            match = re.fullmatch(r"[1-9][0-9]{0,8}[smhdw]", str(limit))
            sound = match is not None and Duration.parse(limit) <= 100 * 366 * 86_400
        else:
            raise ValueError("method must be number_of_tags or creation_date")
        if not sound:
            raise ValueError("value must be a number of tags, or with creation_date an age such as 2w")
        return value

    @field_validator("LABEL_KEY_RESERVED_PREFIXES")
    @classmethod
    def _end_in_dots(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [prefix for prefix in value if not prefix.endswith(".")]:
            raise ValueError(f"each prefix must end in a dot; these do not: {', '.join(bad)}")
        return value
