"""The contract of build triggers: a source host says that there is something new to build."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from .provider import NoConfig, Provider

RefKind = Literal["branch", "tag"]


class TriggerError(Exception):
    """The source host refused, cannot be reached, or knows no such thing. The text is shown to users."""


class InvalidPayload(TriggerError):
    """The body of a webhook is not what this source host sends."""


class SkipBuild(TriggerError):
    """A manual build that cannot be: the ref is gone, or has no commit."""


@dataclass(frozen=True)
class Webhook:
    """A request of the source host. Header names are in lower case; `body` is as it was sent."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Connection:
    """By what right a trigger acts at its source host.

    `token` is the connected user's OAuth token, `public_key` the deploy key (OpenSSH, one line),
    `webhook_url` where the host is to post, credentials included.
    """

    token: str | None = None
    public_key: str | None = None
    webhook_url: str | None = None
    title: str = ""


@dataclass(frozen=True)
class Person:
    username: str
    url: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True)
class CommitInfo:
    """`date` is ISO 8601, as the source host gives it."""

    message: str
    url: str | None = None
    date: str | None = None
    author: Person | None = None
    committer: Person | None = None


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built: `commit` in hexadecimal, `ref` in full (`refs/heads/main`)."""

    commit: str
    git_url: str
    ref: str | None = None
    default_branch: str | None = None
    commit_info: CommitInfo | None = None


@dataclass(frozen=True)
class SourceNamespace:
    id: str
    title: str
    url: str | None = None
    avatar_url: str | None = None
    personal: bool = False
    score: int = 0


@dataclass(frozen=True)
class SourceRepository:
    """`last_updated` is in seconds since the epoch, 0 = unknown."""

    name: str
    full_name: str
    description: str = ""
    last_updated: int = 0
    url: str | None = None
    has_admin_permissions: bool = False
    private: bool = False


@dataclass(frozen=True)
class Ref:
    kind: RefKind
    name: str


@dataclass(frozen=True)
class Installed:
    """What `install` made. `options` are merged into the trigger's own (ids of keys and hooks, by which
    `uninstall` finds them)."""

    options: Mapping[str, Any] = field(default_factory=dict)


class BuildTrigger(Provider):
    """Understands one source host. Called outside of transactions, from many threads.

    `options` is always an instance of the class's model `Options`.
    """

    kind = "trigger"

    Options: ClassVar[type[BaseModel]] = NoConfig
    """What a user fills in for one trigger, over the API or in the console."""

    @abstractmethod
    def receive(self, webhook: Webhook, options: BaseModel) -> BuildRequest | None:
        """What a webhook asks to be built; None = nothing (a ping, a deleted ref).

        Raises InvalidPayload. The rules that are the same for all hosts (skip words in the message,
        the pattern of refs) are the core's.
        """

    def resolve(self, ref: Ref | None, connection: Connection, options: BaseModel) -> BuildRequest | None:
        """What a manual build of `ref` builds (None = the default branch); None = cannot.
        Raises SkipBuild, TriggerError."""
        return None

    def install(self, connection: Connection, options: BaseModel) -> Installed:
        """Makes deploy key and webhook at the source host. Raises TriggerError and leaves nothing."""
        return Installed()

    def uninstall(self, connection: Connection, options: BaseModel) -> None:
        """Removes what `install` made; what is gone already is no error. Raises TriggerError."""
        return

    def namespaces(self, connection: Connection) -> list[SourceNamespace] | None:
        """The accounts and groups that the connected user sees; None = cannot. Raises TriggerError."""
        return None

    def sources(self, connection: Connection, namespace: str) -> list[SourceRepository] | None:
        """The repositories of a namespace; None = cannot. Raises TriggerError."""
        return None

    def paths(self, connection: Connection, options: BaseModel) -> list[str] | None:
        """The paths of Dockerfiles in the source, from `/`; None = cannot. Raises TriggerError."""
        return None

    def values(self, connection: Connection, options: BaseModel, field: str) -> list[Ref] | None:
        """At most 30 values for `branch_name`, `tag_name` or `refs`; None = cannot, or an unknown field.
        Raises TriggerError."""
        return None
