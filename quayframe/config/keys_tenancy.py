"""Keys of people and their API: sign-up, sessions, mail, application tokens, search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from .keys_core import Keys
from .types import Duration


class TenancyKeys(Keys):
    FEATURE_DIRECT_LOGIN: bool = Field(
        default=True, description="People may sign in with a password over the API."
    )
    FEATURE_USER_CREATION: bool = Field(default=True, description="People may sign up.")
    FEATURE_INVITE_ONLY_USER_CREATION: bool = Field(
        default=False, description="Only invited people may sign up."
    )
    FEATURE_USER_RENAME: bool = Field(default=False, description="Users may rename themselves.")
    FEATURE_USERNAME_CONFIRMATION: bool = Field(
        default=True, description="A generated user name is to be confirmed."
    )
    FEATURE_USER_METADATA: bool = Field(default=False, description="Users have names, company and location.")
    FEATURE_USER_LAST_ACCESSED: bool = Field(
        default=True, description="The last access of users and robots is recorded."
    )
    LAST_ACCESSED_UPDATE_THRESHOLD_S: int = Field(
        default=60, ge=0, description="Seconds within which a further access is not recorded."
    )
    FEATURE_SUPERUSERS_ORG_CREATION_ONLY: bool = Field(
        default=False, description="Only superusers may make organizations."
    )
    FEATURE_SUPERUSER_CONFIGDUMP: bool = Field(
        default=False, description="Superusers may read the masked configuration over the API."
    )
    FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH: bool = Field(
        default=False, description="Clients log in with encrypted passwords and tokens only."
    )
    FEATURE_REQUIRE_TEAM_INVITE: bool = Field(
        default=True, description="Who is put into a team has to accept, where mail is on."
    )
    FEATURE_PARTIAL_USER_AUTOCOMPLETE: bool = Field(
        default=True, description="Users are found by the first letters of their names."
    )
    FEATURE_ORG_SHARED_EMAIL: bool = Field(
        default=False, description="Organizations may share an e-mail address."
    )
    FEATURE_BLACKLISTED_EMAILS: bool = Field(
        default=False, description="BLACKLISTED_EMAIL_DOMAINS is obeyed."
    )
    BLACKLISTED_EMAIL_DOMAINS: tuple[str, ...] = Field(
        default=(), description="Domains (and what is below them) whose addresses may not sign up."
    )
    FEATURE_MAILING: bool = Field(
        default=True, description="Mail is sent: confirmations, recovery, invitations."
    )
    MAIL_SERVER: str = Field(default="localhost", description="Host of the SMTP server.")
    MAIL_PORT: int = Field(default=587, ge=1, le=65535, description="Port of the SMTP server.")
    MAIL_USE_TLS: bool = Field(default=True, description="STARTTLS; on port 465 TLS from the start.")
    MAIL_USERNAME: str | None = Field(default=None, description="Log-in at the SMTP server.")
    MAIL_PASSWORD: SecretStr | None = Field(default=None, description="Its password.")
    MAIL_DEFAULT_SENDER: str = Field(default="admin@example.com", description="From whom mail comes.")
    USER_RECOVERY_TOKEN_LIFETIME: Duration = Field(
        default_factory=lambda: Duration.parse("30m"),
        description="How long the code of a recovery mail is good.",
    )
    FEATURE_PERMANENT_SESSIONS: bool = Field(
        default=True, description="Sessions outlive the browser's window."
    )
    SESSION_TIMEOUT: Duration = Field(
        default_factory=lambda: Duration.parse("31d"), description="How long an unused session lasts."
    )
    SESSION_COOKIE_NAME: str = Field(
        default="_csrf_token", pattern="^[A-Za-z0-9_-]+$", description="Name of the session's cookie."
    )
    SESSION_COOKIE_SECURE: bool = Field(
        default=False, description="The session's cookie goes over https only, whatever the scheme."
    )
    FORCE_NONSECURE_SESSION_COOKIE: bool = Field(
        default=False, description="The session's cookie goes over http too."
    )
    FRESH_LOGIN_TIMEOUT: Duration = Field(
        default_factory=lambda: Duration.parse("10m"),
        description="How long after a sign-in grave changes are possible without the password.",
    )
    BROWSER_API_CALLS_XHR_ONLY: bool = Field(
        default=True, description="A browser's GET on the API needs X-Requested-With: XMLHttpRequest."
    )
    APP_SPECIFIC_TOKEN_EXPIRATION: Duration | None = Field(
        default=None, description="Life of app-specific tokens; unset, without end."
    )
    EXPIRED_APP_SPECIFIC_TOKEN_GC: Duration = Field(
        default_factory=lambda: Duration.parse("1d"),
        description="How long an expired app-specific token is kept.",
    )
    FEATURE_ASSIGN_OAUTH_TOKEN: bool = Field(
        default=True, description="An organization's admin may offer a user a token."
    )
    DIRECT_OAUTH_CLIENTID_WHITELIST: tuple[str, ...] = Field(
        default=(), description="Applications that may be authorized with a Basic header, without a page."
    )
    OAUTH_APPLICATION_MAXIMUM_TOKEN_COUNT: int | None = Field(
        default=None, ge=1, description="Most tokens that are made over the API for one application."
    )
    OAUTH_TOKEN_LAST_ACCESSED_UPDATE_THRESHOLD_S: int = Field(
        default=60, ge=0, description="Seconds within which a token's further use is not recorded."
    )
    LOCAL_OAUTH_HANDLER: str = Field(
        default="/oauth/localapp", pattern="^/", description="Path of the page that shows a generated token."
    )
    FEATURE_REPO_MIRROR: bool = Field(
        default=False,
        description="The state of repositories (normal, read-only) can be changed over the API.",
    )
    SEARCH_RESULTS_PER_PAGE: int = Field(default=10, ge=1, description="Results of a page of a search.")
    SEARCH_MAX_RESULT_PAGE_COUNT: int = Field(default=10, ge=1, description="Most pages of a search.")
    AVATAR_KIND: Literal["local", "gravatar"] = Field(
        default="local", description="gravatar: the hash of avatars is the one of gravatar.com."
    )
    PUBLIC_NAMESPACES: tuple[str, ...] = Field(
        default=(), description="Namespaces that everybody sees among his own."
    )
    ACCOUNT_RECOVERY_MODE: bool = Field(
        default=False, description="The registry is up to mend accounts alone; told to the console."
    )
    REGISTRY_TITLE: str = Field(default="Quayframe", description="Title of pages and mails.")
    REGISTRY_TITLE_SHORT: str = Field(default="Quayframe", description="The same where room is short.")
    CONTACT_INFO: tuple[str, ...] = Field(default=(), description="Links to whom to ask.")
