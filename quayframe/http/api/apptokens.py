"""App-specific tokens: what a user's clients log in with at the registry."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.app_tokens import AppToken

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .views import rfc2822

PATH = "/api/v1/user/apptoken"
FEATURE = "FEATURE_APP_SPECIFIC_TOKENS"


class NewAppToken(Body):
    title: str = Field(max_length=255)


class AppTokensQuery(Query):
    expiring: bool | None = Field(default=None, description="true: only those that expire soon.")


class AppTokenView(TypedDict):
    """`token_code` is the token itself: when it is made, and of a single one."""

    uuid: str
    title: str
    last_accessed: str | None
    created: str | None
    expiration: str | None
    token_code: NotRequired[str]


class AppTokenAnswer(TypedDict):
    token: AppTokenView


class AppTokenList(TypedDict):
    tokens: list[AppTokenView]
    only_expiring: bool | None


def _view(token: AppToken) -> AppTokenView:
    view: AppTokenView = {
        "uuid": token.uuid,
        "title": token.title,
        "last_accessed": rfc2822(token.last_accessed_ms),
        "created": rfc2822(token.created_ms),
        "expiration": rfc2822(token.expires_ms),
    }
    if token.code is not None:
        view["token_code"] = token.code
    return view


class AppTokens(Resource):
    path = PATH

    @operation(
        "listAppTokens",
        "appspecifictokens",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        query=AppTokensQuery,
        answer=AppTokenList,
        feature=FEATURE,
    )
    def get(self, call: Call) -> AppTokenList:
        """The user's tokens, without the tokens themselves."""
        expiring: bool | None = call.query.expiring
        found = call.registry.tenancy.app_tokens.all(call.principal, expiring=bool(expiring))
        return {"tokens": [_view(token) for token in found], "only_expiring": expiring}

    @operation(
        "createAppToken",
        "appspecifictokens",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=NewAppToken,
        answer=AppTokenAnswer,
        feature=FEATURE,
        fresh=True,
    )
    def post(self, call: Call) -> AppTokenAnswer:
        """Makes a token for one of the user's clients."""
        return {"token": _view(call.registry.tenancy.app_tokens.create(call.principal, call.body.title))}


class OneAppToken(Resource):
    path = f"{PATH}/{{token_uuid}}"

    @operation(
        "getAppToken",
        "appspecifictokens",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=AppTokenAnswer,
        feature=FEATURE,
        fresh=True,
    )
    def get(self, call: Call, token_uuid: str) -> AppTokenAnswer:
        """One token, with the token itself."""
        return {"token": _view(call.registry.tenancy.app_tokens.get(call.principal, token_uuid))}

    @operation(
        "revokeAppToken",
        "appspecifictokens",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        status=204,
        feature=FEATURE,
        fresh=True,
    )
    def delete(self, call: Call, token_uuid: str) -> None:
        """Takes a token back; it is refused at once."""
        call.registry.tenancy.app_tokens.delete(call.principal, token_uuid)


class AllAppTokens(Resource):
    path = "/api/v1/superuser/apptokens"

    @operation(
        "listAllAppTokens",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        query=AppTokensQuery,
        answer=AppTokenList,
        feature=FEATURE,
        fresh=True,
    )
    def get(self, call: Call) -> AppTokenList:
        """All users' tokens, for who may see everything."""
        expiring: bool | None = call.query.expiring
        found = call.registry.tenancy.app_tokens.of_everybody(call.principal, expiring=bool(expiring))
        return {"tokens": [_view(token) for token in found], "only_expiring": expiring}


RESOURCES = (AppTokens, OneAppToken, AllAppTokens)
