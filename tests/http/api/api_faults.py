"""The shapes of the API's faults."""

from __future__ import annotations

from typing import Any

from api_client import Result

FORBIDDEN = (403, "insufficient_scope", "Unauthorized")
NOBODY = (401, "invalid_token", "Requires authentication")
MISSING = (404, "not_found")


def typed(result: Result) -> tuple[int, str, str]:
    """(status, type, text) of a typed fault."""
    assert result.json["status"] == result.status_code
    return result.status_code, result.json["error_type"], result.json["detail"]


def kind(result: Result) -> tuple[int, str]:
    """(status, type) of a typed fault."""
    return typed(result)[:2]


def plain(result: Result) -> tuple[int, Any]:
    """(status, text) of a fault that has a message alone."""
    assert set(result.json) == {"message"}, result.text
    return result.status_code, result.json["message"]
