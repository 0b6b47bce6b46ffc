"""Robots, applications, tokens and service keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Event


@dataclass(frozen=True, kw_only=True)
class CreateRobot(Event):
    """`robot` is the short name, here and below."""

    robot: str
    description: str | None = None
    unstructured_metadata: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class RegenerateRobotToken(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class DeleteRobot(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class CreateRobotFederation(Event):
    robot: str
    config: tuple[dict[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DeleteRobotFederation(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class CreateApplication(Event):
    application_name: str
    client_id: str


class UpdateApplication(CreateApplication): ...


class DeleteApplication(CreateApplication): ...


class ResetApplicationClientSecret(CreateApplication): ...


@dataclass(frozen=True, kw_only=True)
class RevokeOauthApiToken(CreateApplication):
    oauth_token_uuid: str


@dataclass(frozen=True, kw_only=True)
class CreateOauthApiToken(RevokeOauthApiToken):
    scope: str
    token_display_name: str
    auth_method: str


@dataclass(frozen=True, kw_only=True)
class OauthTokenRevoked(Event):
    assigned_user: str
    application: str
    client_id: str


@dataclass(frozen=True, kw_only=True)
class OauthTokenAssigned(OauthTokenRevoked):
    assigning_user: str


@dataclass(frozen=True, kw_only=True)
class CreateAppSpecificToken(Event):
    app_specific_token_title: str
    app_specific_token: str
    """Its uuid."""


class RevokeAppSpecificToken(CreateAppSpecificToken): ...


@dataclass(frozen=True, kw_only=True)
class _ServiceKey:
    """`expiration_date` in seconds since the epoch; None = never."""

    kid: str
    service: str
    name: str | None = None
    expiration_date: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceKeyCreate(_ServiceKey, Event):
    preshared: bool = True
    auto_approved: bool = True


@dataclass(frozen=True, kw_only=True)
class ServiceKeyApprove(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyModify(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyExtend(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyDelete(_ServiceKey, Event):
    pass
