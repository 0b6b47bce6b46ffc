"""Keys of accounts: who may log in, who is a superuser, robots, what the log records of log-ins."""

from __future__ import annotations

from pydantic import Field

from .keys_core import Keys


class AccountKeys(Keys):
    AUTHENTICATION_TYPE: str = Field(
        default="Database", min_length=1, description="The auth provider that checks passwords."
    )
    SUPER_USERS: tuple[str, ...] = Field(default=(), description="Names of the superusers.")
    GLOBAL_READONLY_SUPER_USERS: tuple[str, ...] = Field(
        default=(), description="Names of the users who may read everything."
    )
    FEATURE_SUPER_USERS: bool = Field(default=True, description="Superusers and their API exist.")
    FEATURE_SUPERUSERS_FULL_ACCESS: bool = Field(
        default=False, description="Superusers may act in every namespace."
    )
    FEATURE_USER_INITIALIZE: bool = Field(
        default=False, description="The first user may be made over the API."
    )
    FEATURE_ANONYMOUS_ACCESS: bool = Field(
        default=True, description="Anyone may browse and pull public repositories."
    )
    FEATURE_RESTRICTED_USERS: bool = Field(
        default=False, description="Users may not write in their own namespace."
    )
    RESTRICTED_USERS_WHITELIST: tuple[str, ...] | None = Field(
        default=None, description="Users whom FEATURE_RESTRICTED_USERS spares."
    )
    FEATURE_APP_SPECIFIC_TOKENS: bool = Field(
        default=True, description="Users may make tokens for their applications."
    )
    ROBOTS_DISALLOW: bool = Field(default=False, description="Robots may not log in.")
    ROBOTS_WHITELIST: tuple[str, ...] = Field(
        default=(), description="Robots (namespace+name) that ROBOTS_DISALLOW spares."
    )
    ACTION_LOG_AUDIT_LOGINS: bool = Field(default=True, description="The usage log records log-ins.")
    ACTION_LOG_AUDIT_LOGIN_FAILURES: bool = Field(
        default=False, description="The usage log records failed log-ins."
    )
    DISABLED_FOR_AUDIT_LOGS: tuple[str, ...] = Field(
        default=(), description="Namespaces without entries in the usage log."
    )
    DISABLED_FOR_PULL_LOGS: tuple[str, ...] = Field(
        default=(), description="Namespaces whose pulls are not in the usage log."
    )
