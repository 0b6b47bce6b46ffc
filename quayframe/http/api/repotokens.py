"""Tokens of repositories, as they once were: every operation answers 410, whoever asks and of whatever."""

from __future__ import annotations

from typing import Literal, NoReturn

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import Gone

from . import needs
from .operation import Body, Call, Resource, operation

_PATH = "/api/v1/repository/{repository}/tokens/"
_HANDLING = "Handling of access tokens is no longer supported"
_CREATION = "Creation of access tokens is no longer supported"


class NewTokenBody(Body):
    friendly_name: str = Field(alias="friendlyName")


class TokenRoleBody(Body):
    role: Literal["read", "write", "admin"]


class GoneView(TypedDict):
    message: str


class RepoTokens(Resource):
    path = _PATH

    @operation(
        "listRepoTokens",
        "repotoken",
        needs.OPEN,
        scopes=("repo:admin",),
        answer=GoneView,
        status=410,
    )
    def get(self, call: Call, repository: str) -> NoReturn:
        """No longer supported."""
        raise Gone(_HANDLING)

    @operation(
        "createToken",
        "repotoken",
        needs.OPEN,
        scopes=("repo:admin",),
        body=NewTokenBody,
        body_optional=True,
        answer=GoneView,
        status=410,
    )
    def post(self, call: Call, repository: str) -> NoReturn:
        """No longer supported."""
        raise Gone(_CREATION)


class RepoToken(Resource):
    path = f"{_PATH}{{code}}"

    @operation("getTokens", "repotoken", needs.OPEN, scopes=("repo:admin",), answer=GoneView, status=410)
    def get(self, call: Call, repository: str, code: str) -> NoReturn:
        """No longer supported."""
        raise Gone(_HANDLING)

    @operation(
        "changeToken",
        "repotoken",
        needs.OPEN,
        scopes=("repo:admin",),
        body=TokenRoleBody,
        body_optional=True,
        answer=GoneView,
        status=410,
    )
    def put(self, call: Call, repository: str, code: str) -> NoReturn:
        """No longer supported."""
        raise Gone(_HANDLING)

    @operation("deleteToken", "repotoken", needs.OPEN, scopes=("repo:admin",), answer=GoneView, status=410)
    def delete(self, call: Call, repository: str, code: str) -> NoReturn:
        """No longer supported."""
        raise Gone(_HANDLING)


RESOURCES = (RepoTokens, RepoToken)
