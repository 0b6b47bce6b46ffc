"""What the error types mean."""

from __future__ import annotations

from typing_extensions import TypedDict

from quayframe.errors import NotFound

from . import needs
from .operation import Call, Resource, operation

DESCRIPTIONS = {
    "external_service_timeout": "A service outside the registry did not answer in time.",
    "invalid_request": "The request has a fault; its detail says which.",
    "invalid_response": "A service outside the registry gave an answer that cannot be understood.",
    "invalid_token": "There is no valid identity: no session, no token, or one that has ended.",
    "expired_token": "The token is past its end.",
    "insufficient_scope": "The identity is valid, and may not do this.",
    "fresh_login_required": "The password must be shown once more before this.",
    "exceeds_license": "More than the licence allows.",
    "not_found": "There is no such thing here, or the path or feature does not exist.",
    "downstream_issue": "A service that the registry stands on failed.",
    "tag_immutable": "The tag is immutable.",
    "token_rotation_failed": "The token could not be exchanged for a new one.",
}


class ErrorType(TypedDict):
    type: str
    title: str
    description: str


class Error(Resource):
    path = "/api/v1/error/{error_type}"

    @operation("getErrorDescription", "error", needs.OPEN, answer=ErrorType)
    def get(self, call: Call, error_type: str) -> ErrorType:
        """What an error type means."""
        if error_type not in DESCRIPTIONS:
            raise NotFound()
        return {
            "type": f"{call.base_url}/api/v1/error/{error_type}",
            "title": error_type,
            "description": DESCRIPTIONS[error_type],
        }


RESOURCES = (Error,)
