"""Keys of the registry as a whole: its address, keys, database, who runs it, logs of the process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from .types import DatabaseUri, Duration, Host, Minutes, Network, StrOrList


class Keys(BaseModel):
    """The base of all groups of keys: frozen; a number where text is wanted is read as written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        # the groups are never validated alone: building them would double the cost of the import
        defer_build=True,
    )


class CoreKeys(Keys):
    SERVER_HOSTNAME: Host | None = Field(
        default=None,
        description="Host, or host:port, in URLs and tokens; unset, that of the request itself.",
    )
    PREFERRED_URL_SCHEME: Literal["http", "https"] = Field(
        default="http", description="Scheme of the URLs that the registry gives out."
    )
    EXTERNAL_TLS_TERMINATION: bool = Field(
        default=False, description="TLS ends in a proxy in front of the registry."
    )
    SECRET_KEY: SecretStr | None = Field(
        default=None, description="Signs sessions, page tokens and encrypted passwords; generated when unset."
    )
    DATABASE_SECRET_KEY: SecretStr | None = Field(
        default=None, description="Encrypts secret fields in the database; generated when unset."
    )
    SETUP_COMPLETE: bool = Field(default=False, description="The operator has finished the configuration.")
    TESTING: bool = Field(default=False, description="Suppresses mail; false in production.")
    DB_URI: DatabaseUri | None = Field(
        default=None,
        description="Database: sqlite:///PATH, postgresql://..., mysql+pymysql://...; "
        "unset, SQLite in the data folder.",
    )
    DB_CONNECTION_ARGS: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Further arguments of the database driver's connect."
    )
    REGISTRY_STATE: Literal["normal", "readonly"] = Field(
        default="normal", description="readonly: nothing can be written."
    )
    DISABLE_PUSHES: bool = Field(default=False, description="Refuses pushes with 405.")
    HEALTH_CHECKER: tuple[str, dict[str, Any]] = Field(
        default=("LocalHealthCheck", {}), repr=False, description="Health check: its name and its parameters."
    )
    CORS_ORIGIN: StrOrList = Field(
        default=("*",), description="Origins that browsers may call the API from: one or a list."
    )
    LOGGING_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Least severe level that is logged."
    )
    PROMETHEUS_NAMESPACE: str = Field(
        default="quay", pattern="^[a-zA-Z_][a-zA-Z0-9_]*$", description="Prefix of the metrics' names."
    )
    PAGE_TOKEN_KEY: SecretStr | None = Field(
        default=None, description="Key of page tokens; unset, derived from SECRET_KEY."
    )
    INSTANCE_SERVICE_KEY_SERVICE: str = Field(
        default="quay", pattern="^[a-z0-9_]+$", description="Service name of the instances' signing keys."
    )
    INSTANCE_SERVICE_KEY_EXPIRATION: Minutes = Field(
        default_factory=lambda: Duration(7200, "120m"),
        description="Life of an instance key that is not extended: minutes, or a duration such as 10s.",
    )
    INSTANCE_SERVICE_KEY_REFRESH: Minutes = Field(
        default_factory=lambda: Duration(3300, "55m"),
        description="How often an instance extends its key: minutes, or a duration such as 10s.",
    )
    UNAPPROVED_SERVICE_KEY_TTL_SEC: int = Field(
        default=86400, ge=0, description="Seconds that an unapproved service key is kept."
    )
    EXPIRED_SERVICE_KEY_TTL_SEC: int = Field(
        default=604800, ge=0, description="Seconds that an expired service key is kept."
    )
    TRUSTED_PROXIES: tuple[Network, ...] = Field(
        default=(), description="Networks whose X-Forwarded-* headers and PROXY lines are believed."
    )
    PLUGINS: tuple[str, ...] | None = Field(
        default=None, description="Plugins that may load; unset, all that are installed."
    )
    PLUGIN_CONFIG: dict[str, dict[str, Any]] = Field(
        default_factory=dict, repr=False, description="Settings of plugins, by the plugin's name."
    )
