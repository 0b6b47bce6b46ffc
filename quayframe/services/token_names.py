"""The user names under which tokens log in at the registry: `$oauthtoken`, `$app`, `$token`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .app_tokens import AppTokens
from .oauth import OauthTokens
from .principal import Principal
from .repository_tokens import RepositoryTokens


@dataclass(frozen=True)
class TokenName:
    """`find` gives who holds a token, by the token and the client's address; `reason` is what the holder
    of a bad one is told."""

    find: Callable[[str, str | None], Principal | None]
    reason: str


def token_names(
    oauth: OauthTokens, app: AppTokens | None, repository: RepositoryTokens
) -> Mapping[str, TokenName]:
    """:param app: None with FEATURE_APP_SPECIFIC_TOKENS off."""
    return {
        "$oauthtoken": TokenName(oauth.principal, "OAuth access token could not be validated"),
        "$app": TokenName(app.principal if app is not None else _nobody, "Invalid token"),
        "$token": TokenName(repository.principal, "Invalid Username or Password"),
    }


def _nobody(token: str, ip: str | None) -> None:
    return None
