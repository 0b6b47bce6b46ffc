"""Users, their accounts and sessions."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event
from .organizations import OrgChangeInvoicing, OrgChangeTagExpiration


@dataclass(frozen=True, kw_only=True)
class UserCreate(Event):
    username: str
    email: str | None = None
    superuser: bool = False


@dataclass(frozen=True, kw_only=True)
class UserDelete(Event):
    username: str


@dataclass(frozen=True, kw_only=True)
class UserChangeEmail(Event):
    email: str
    old_email: str | None = None
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserChangeName(Event):
    old_username: str


class UserChangeInvoicing(OrgChangeInvoicing): ...


class UserChangeTagExpiration(OrgChangeTagExpiration): ...


@dataclass(frozen=True, kw_only=True)
class UserChangeMetadata(Event):
    given_name: str | None = None
    family_name: str | None = None
    company: str | None = None
    location: str | None = None


class UserGenerateClientKey(Event): ...


class AccountChangePassword(Event): ...


class AccountConvert(Event): ...


class LogoutSuccess(Event): ...


@dataclass(frozen=True, kw_only=True)
class UserChangePassword(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserDisable(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserEnable(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class LoginSuccess(Event):
    username: str
    via: str = "password"


@dataclass(frozen=True, kw_only=True)
class LoginFailure(Event):
    username: str
    message: str = ""
