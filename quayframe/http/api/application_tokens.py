"""Tokens that organizations' admins make for their applications."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.application_tokens import ApplicationToken

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .views import iso

PATH = "/api/v1/organization/{orgname}/applications/{client_id}/tokens"
PAGE = 100


class NewToken(Body):
    name: str = Field(min_length=1, max_length=255)
    scope: str = Field(max_length=1024, description="Scopes, separated by spaces or commas.")
    expiration: float | None = Field(default=None, ge=1, description="Seconds; ten years when left out.")


class TokensQuery(Query):
    next_page: str | None = None


class TokenView(TypedDict):
    uuid: str
    name: str
    scope: str
    expires_at: str | None
    created: str | None
    created_by: str
    last_accessed: str | None


class NewTokenView(TokenView):
    token: str


class TokenList(TypedDict):
    tokens: list[TokenView]
    next_page: NotRequired[str]


def _view(token: ApplicationToken) -> TokenView:
    return {
        "uuid": token.uuid,
        "name": token.name,
        "scope": token.scope,
        "expires_at": iso(token.expires_ms),
        "created": iso(token.created_ms),
        "created_by": token.creator,
        "last_accessed": iso(token.last_accessed_ms),
    }


class Tokens(Resource):
    path = PATH

    @operation(
        "listOrganizationApplicationTokens",
        "organization_application_tokens",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        query=TokensQuery,
        answer=TokenList,
    )
    def get(self, call: Call, orgname: str, client_id: str) -> TokenList:
        """An application's tokens, without the tokens themselves."""
        state = call.page_state() or {}
        tokens, more = call.registry.tenancy.application_tokens.page(
            call.principal, orgname, client_id, after=int(state.get("after", 0)), limit=PAGE
        )
        view: TokenList = {"tokens": [_view(token) for token in tokens]}
        if more:
            view["next_page"] = call.page({"after": tokens[-1].id})
        return view

    @operation(
        "createOrganizationApplicationToken",
        "organization_application_tokens",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        body=NewToken,
        answer=NewTokenView,
    )
    def post(self, call: Call, orgname: str, client_id: str) -> NewTokenView:
        """Makes a token that acts in the caller's name; it is shown this once."""
        body: NewToken = call.body
        made, token = call.registry.tenancy.application_tokens.create(
            call.principal, orgname, client_id, name=body.name, scope=body.scope, life_s=body.expiration
        )
        return {**_view(made), "token": token}


class OneToken(Resource):
    path = f"{PATH}/{{token_uuid}}"

    @operation(
        "deleteOrganizationApplicationToken",
        "organization_application_tokens",
        needs.ORG_ADMIN,
        scopes=("org:admin",),
        status=204,
    )
    def delete(self, call: Call, orgname: str, client_id: str, token_uuid: str) -> None:
        """Takes a token back; it is refused at once."""
        call.registry.tenancy.application_tokens.delete(call.principal, orgname, client_id, token_uuid)


RESOURCES = (Tokens, OneToken)
