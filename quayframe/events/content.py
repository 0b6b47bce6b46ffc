"""Repositories and what is in them."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event


@dataclass(frozen=True, kw_only=True)
class PushRepo(Event):
    """A manifest arrived: under `tags` (maybe several), or by its digest alone (`tags` is empty)."""

    digest: str
    media_type: str
    size: int
    tags: tuple[str, ...] = ()
    subject: str | None = None
    artifact_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class PullRepo(Event):
    """A manifest was read, by `tag` or by `digest` alone."""

    digest: str
    tag: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteTag(Event):
    tag: str
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteManifest(Event):
    digest: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeleteBlob(Event):
    digest: str


@dataclass(frozen=True, kw_only=True)
class CreateRepo(Event):
    visibility: str


@dataclass(frozen=True, kw_only=True)
class ChangeRepoPermission(Event):
    """One of `username` and `team` is set, here and below."""

    username: str | None = None
    team: str | None = None
    role: str


@dataclass(frozen=True, kw_only=True)
class DeleteRepoPermission(Event):
    username: str | None = None
    team: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeRepoVisibility(Event):
    visibility: str


@dataclass(frozen=True, kw_only=True)
class DeleteRepo(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class SetRepoDescription(Event):
    description: str


@dataclass(frozen=True, kw_only=True)
class ChangeRepoTrust(Event):
    trust_enabled: bool


@dataclass(frozen=True, kw_only=True)
class ChangeRepoState(Event):
    state_changed: str


@dataclass(frozen=True, kw_only=True)
class CreateTag(Event):
    """`original_manifest_digest`: what the tag named before, here and below."""

    tag: str
    manifest_digest: str
    original_manifest_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class MoveTag(Event):
    tag: str
    manifest_digest: str
    original_manifest_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class RevertTag(Event):
    tag: str
    manifest_digest: str


@dataclass(frozen=True, kw_only=True)
class ChangeTagExpiration(Event):
    """Dates in seconds since the epoch; None = no end."""

    tag: str
    expiration_date: int | None = None
    old_expiration_date: int | None = None


@dataclass(frozen=True, kw_only=True)
class PermanentlyDeleteTag(Event):
    tag: str
    manifest_digest: str


@dataclass(frozen=True, kw_only=True)
class ChangeTagImmutability(Event):
    tag: str
    immutable: bool
    previous_immutable: bool


@dataclass(frozen=True, kw_only=True)
class AutopruneTagDelete(Event):
    """A policy ended the tag."""

    tag: str
    digest: str | None = None
    policy: str


@dataclass(frozen=True, kw_only=True)
class ManifestLabelAdd(Event):
    id: str
    key: str
    value: str
    manifest_digest: str
    media_type: str


@dataclass(frozen=True, kw_only=True)
class ManifestLabelDelete(Event):
    id: str
    key: str
    value: str
    manifest_digest: str


@dataclass(frozen=True, kw_only=True)
class UndeleteRepo(Event):
    """A repository came back from the recycle bin; `deleted_name` is what it was called before."""

    deleted_name: str
