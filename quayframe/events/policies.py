"""Policies that end tags, and policies that make them immutable."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event


@dataclass(frozen=True, kw_only=True)
class CreateNamespaceAutoprunePolicy(Event):
    """`value` is a number of tags, or a duration such as 2w; here and below, as it is after the change."""

    policy: str
    method: str
    value: int | str
    tag_pattern: str | None = None
    tag_pattern_matches: bool = True


class UpdateNamespaceAutoprunePolicy(CreateNamespaceAutoprunePolicy): ...


class DeleteNamespaceAutoprunePolicy(CreateNamespaceAutoprunePolicy): ...


class CreateRepositoryAutoprunePolicy(CreateNamespaceAutoprunePolicy): ...


class UpdateRepositoryAutoprunePolicy(CreateNamespaceAutoprunePolicy): ...


class DeleteRepositoryAutoprunePolicy(CreateNamespaceAutoprunePolicy): ...


@dataclass(frozen=True, kw_only=True)
class CreateImmutabilityPolicy(Event):
    """Of a namespace, or of a repository where the event names one."""

    policy: str
    tag_pattern: str
    tag_pattern_matches: bool = True


class UpdateImmutabilityPolicy(CreateImmutabilityPolicy): ...


class DeleteImmutabilityPolicy(CreateImmutabilityPolicy): ...
