"""The contract of external log-in services: the browser goes there and comes back with an identity."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from .auth import Identity
from .provider import Provider


class LoginFailed(Exception):
    """This person may not come in, or the answer of the service cannot be trusted. The text is shown."""


class LoginUnavailable(Exception):
    """The service cannot be asked now."""


@dataclass(frozen=True)
class LoginAttempt:
    """One log-in under way. The core makes it, keeps it with the browser's session, and gives the same
    values to `begin` and to `finish`; all secrets are fresh for each attempt.

    `redirect_uri` is where the service sends the browser back to; `state` has come back already and been
    compared when `finish` is called; `nonce` belongs into an id token; `code_verifier` is that of PKCE
    (RFC 7636).
    """

    redirect_uri: str
    state: str
    nonce: str
    code_verifier: str


class LoginService(Provider):
    """Sends a browser to an external service and learns from its answer who somebody is.

    Called outside of transactions, from many threads. `name` is the id in URLs (`/oauth2/<name>/...`).
    """

    kind = "login"

    @abstractmethod
    def begin(self, attempt: LoginAttempt) -> str:
        """The URL to which the browser is sent. Raises LoginUnavailable."""

    @abstractmethod
    def finish(self, attempt: LoginAttempt, params: Mapping[str, str]) -> Identity:
        """Who it is, from the query parameters with which the browser came back.

        Raises LoginFailed (refused, forged, not allowed in), LoginUnavailable.
        """

    def verify_token(self, token: str) -> Identity | None:
        """Who is behind a token of this service that a client sent as its password or bearer token;
        None = not a token of this service, or cannot. Raises InvalidCredentials = of this service and
        expired, forged or for another audience; LoginUnavailable."""
        return None
