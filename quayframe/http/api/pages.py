"""Page tokens: sealed, for one operation, path and caller, good for two days."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from quayframe.errors import InvalidRequest
from quayframe.services.sessions import fernet

LIFE_S = 2 * 86400


class Pages:
    """:param key: PAGE_TOKEN_KEY, a Fernet key or any text; without it SECRET_KEY."""

    def __init__(self, key: str | None, secret: str) -> None:
        try:
            self._fernet = Fernet(key) if key else fernet(secret, b"page tokens")
        except ValueError:
            self._fernet = fernet(str(key), b"page tokens")

    def seal(self, owner: list[Any], state: dict[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps([owner, state], separators=(",", ":")).encode()).decode()

    def open(self, owner: list[Any], token: str) -> dict[str, Any]:
        """What was sealed for the same owner. Raises InvalidRequest."""
        try:
            whose, state = json.loads(self._fernet.decrypt(token.encode(), ttl=LIFE_S))
        except (InvalidToken, ValueError, UnicodeError):
            raise InvalidRequest("next_page is not one of this registry, or too old") from None
        if whose != json.loads(json.dumps(owner)):
            raise InvalidRequest("next_page belongs to another list or caller")
        result: dict[str, Any] = state
        return result
