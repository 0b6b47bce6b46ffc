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
